//! The script that an interpreter runs, and the package around it.

use std::path::{Path, PathBuf};

use super::{Collected, PlanError, guarded::Guarded};
use crate::{Preset, Program};

/// Options of Node and Python whose value is the next argument.
const WITH_VALUE: [&str; 11] = [
    "--import",
    "--require",
    "-r",
    "--loader",
    "--experimental-loader",
    "--env-file",
    "--conditions",
    "-C",
    "-X",
    "-W",
    "--check-hash-based-pycs",
];

/// Options after which what follows is no file.
const NO_SCRIPT: [&str; 7] = ["-m", "-c", "-e", "--eval", "-p", "--print", "--test"];

/// The files that the interpreter is told to run. What the script is told is the administrator's to allow.
pub(super) fn of(preset: Preset, program: &Program<'_>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut args = program.args.iter();
    let file = |text: &str| Some(program.cwd.join(text)).filter(|path| path.is_file());
    while let Some(arg) = args.next() {
        if NO_SCRIPT.contains(&arg.as_str()) || (preset == Preset::Python && arg.starts_with("-m"))
        {
            break;
        }
        if WITH_VALUE.contains(&arg.as_str()) {
            found.extend(args.next().and_then(|value| file(value)));
        } else if arg.starts_with('-') {
            found.extend(arg.split_once('=').and_then(|(_, value)| file(value)));
        } else {
            found.extend(file(arg));
            break;
        }
    }
    found
}

/// Adds a script with what is installed beside it: the outermost `node_modules` that it is in, or else the package that it is of. A
/// script that is of none is alone.
///
/// Of a package that is around the gateway's own files, the script and its `node_modules` alone.
pub(super) fn package(
    view: &mut Collected,
    script: &Path,
    guarded: &Guarded,
) -> Result<(), PlanError> {
    view.read(script)?;
    // Its package is where the script really is, unless it was installed by a link.
    let real = super::follow(script).map(|followed| followed.path);
    for path in [Some(script.to_owned()), real.ok()].into_iter().flatten() {
        let modules = path
            .ancestors()
            .filter(|folder| {
                folder
                    .file_name()
                    .is_some_and(|name| name == "node_modules")
            })
            .last();
        if let Some(modules) = modules {
            view.read(modules)?;
            continue;
        }
        let package = path.ancestors().skip(1).find(|folder| {
            folder.join("package.json").is_file() || folder.join("pyvenv.cfg").is_file()
        });
        if let Some(package) = package.filter(|folder| !is_too_much(folder)) {
            match guarded.is_in(package) {
                false => view.read(package)?,
                true => view.read_if_there(&package.join("node_modules"))?,
            }
        }
    }
    Ok(())
}

/// A stray `package.json` there would give everything away.
fn is_too_much(folder: &Path) -> bool {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    folder.components().count() <= 2 || home.is_some_and(|home| home.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_script_is_the_first_file_that_is_no_value_of_an_option() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["index.js", "hook.mjs", "data.txt"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        for (preset, args, expected) in [
            (Preset::Node, "index.js data.txt", "index.js"),
            (
                Preset::Node,
                "--import ./hook.mjs index.js data.txt",
                "./hook.mjs index.js",
            ),
            (
                Preset::Node,
                "--import=hook.mjs --no-warnings index.js",
                "hook.mjs index.js",
            ),
            (Preset::Node, "-e code index.js", ""),
            (Preset::Python, "-X dev index.js", "index.js"),
            (Preset::Python, "-m module data.txt", ""),
            (Preset::Python, "-mmodule data.txt", ""),
            (Preset::Python, "missing.py data.txt", ""),
        ] {
            let args: Vec<String> = args.split(' ').map(ToOwned::to_owned).collect();
            let program = Program {
                command: "x",
                args: &args,
                env: &[],
                cwd: folder.path(),
                path: "".as_ref(),
            };
            let expected: Vec<PathBuf> = expected
                .split(' ')
                .filter(|name| !name.is_empty())
                .map(|name| folder.path().join(name))
                .collect();
            assert_eq!(of(preset, &program), expected, "{args:?}");
        }
    }

    #[test]
    fn a_script_brings_its_package_and_not_what_is_around_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for name in ["app/node_modules/a/node_modules/b", "own/dist", "plain"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fs::write(root.join("own/package.json"), "{}").unwrap();
        for (script, around) in [
            (
                "app/node_modules/a/node_modules/b/x.js",
                Some("app/node_modules"),
            ),
            ("own/dist/x.js", Some("own")),
            ("plain/x.py", None),
        ] {
            let script = root.join(script);
            fs::write(&script, "").unwrap();
            let mut view = Collected::default();
            package(&mut view, &script, &Guarded::default()).unwrap();
            let read = view.compact().read;
            assert_eq!(read, [around.map_or(script, |around| root.join(around))]);
        }
    }
}
