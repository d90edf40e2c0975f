//! The program that is really executed: through `PATH`, links and `#!` lines, so that no loader does it unseen.

use std::{
    ffi::OsStr,
    fs::File,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    PlanError,
    follow::{follow, refuse_planted},
};
use crate::{Preset, Profile, Program};

/// What a command comes to.
#[derive(Debug)]
pub(super) struct Resolved {
    /// The executable, by the path that was meant: a virtual environment is known by it.
    pub(super) program: PathBuf,
    /// Its arguments; a script is the first.
    pub(super) args: Vec<String>,
    /// The command itself, where it is a script.
    pub(super) script: Option<PathBuf>,
    /// What its name says.
    pub(super) preset: Preset,
}

/// As the kernel's (`BINPRM_BUF_SIZE`).
const LINE_BYTES_MAX: u64 = 256;

const SHELLS: [&str; 11] = [
    "ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "mksh", "sh", "tcsh", "zsh",
];
const INSTALLERS: [&str; 7] = ["bunx", "npm", "npx", "pipx", "pnpm", "uv", "uvx"];

/// Finds what a command comes to.
pub(super) fn resolve(profile: &Profile, program: &Program<'_>) -> Result<Resolved, PlanError> {
    let command = program.command;
    let typed = Path::new(command).file_name().and_then(OsStr::to_str);
    if typed.is_some_and(|name| INSTALLERS.contains(&name)) {
        return Err(PlanError::Installer(command.to_owned()));
    }
    let path = find(Path::new(command), profile, program)?;
    let (path, args, script) = match interpreter(&path) {
        None => (path, program.args.to_vec(), None),
        Some((by, argument)) => {
            let found = find(Path::new(&by), profile, program)?;
            if interpreter(&found).is_some() {
                refuse_shells(profile, program, &found)?;
                return Err(PlanError::Nested(command.to_owned()));
            }
            let first = argument.into_iter().chain([path.display().to_string()]);
            let args = first.chain(program.args.iter().cloned()).collect();
            (found, args, Some(path))
        }
    };
    let real = refuse_shells(profile, program, &path)?;
    Ok(Resolved {
        preset: preset(&real),
        program: path,
        args,
        script,
    })
}

/// A path from the server's folder, or the first of this name in `PATH`.
pub(super) fn find(
    wanted: &Path,
    profile: &Profile,
    program: &Program<'_>,
) -> Result<PathBuf, PlanError> {
    let missing = || PlanError::NoProgram(wanted.display().to_string());
    if wanted.components().count() > 1 {
        let path: PathBuf = program.cwd.join(wanted).components().collect();
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(missing());
        };
        // Without `..`, which leads through folders that the box does not have. The last step stays a link: a virtual environment
        // is known by it.
        let folder = follow(folder).map_err(|_| missing())?;
        refuse_planted(&folder.links, &profile.writable_by_servers)?;
        let path = folder.path.join(name);
        return path.exists().then_some(path).ok_or_else(missing);
    }
    std::env::split_paths(program.path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(wanted))
        .find(|path| {
            path.metadata()
                .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        })
        .ok_or_else(missing)
}

/// Gives where a program's path leads.
fn refuse_shells(
    profile: &Profile,
    program: &Program<'_>,
    path: &Path,
) -> Result<PathBuf, PlanError> {
    let real = follow(path).map_err(|error| PlanError::NoPath {
        path: path.to_owned(),
        why: error.to_string(),
    })?;
    // A script that is executed by one that is not allowed either is named by what runs it.
    let runs = interpreter(&real.path).map_or_else(|| real.path.clone(), |(by, _)| by.into());
    let name = runs.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let is_allowed = profile.exec.iter().any(|allowed| {
        let found = find(allowed, profile, program).ok();
        found
            .and_then(|p| follow(&p).ok())
            .is_some_and(|f| f.path == real.path)
    });
    if SHELLS.contains(&name) && !is_allowed {
        return Err(PlanError::Shell {
            command: program.command.to_owned(),
            shell: name.to_owned(),
        });
    }
    Ok(real.path)
}

/// The interpreter of a `#!` line, and its one argument. `env NAME` is what it finds.
pub(super) fn interpreter(path: &Path) -> Option<(String, Option<String>)> {
    let mut head = Vec::new();
    File::open(path)
        .ok()?
        .take(LINE_BYTES_MAX)
        .read_to_end(&mut head)
        .ok()?;
    let line = head.strip_prefix(b"#!")?;
    let line = line.split(|b| *b == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?.trim();
    let (program, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let rest = rest.trim();
    if Path::new(program).file_name() == Some(OsStr::new("env")) {
        let rest = rest.strip_prefix("-S").unwrap_or(rest).trim();
        let (name, argument) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        return Some((name.to_owned(), some(argument)));
    }
    Some((program.to_owned(), some(rest)))
}

fn some(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn preset(program: &Path) -> Preset {
    let name = program
        .file_name()
        .and_then(OsStr::to_str)
        .unwrap_or_default();
    match name {
        _ if name.starts_with("python") || name.starts_with("pypy") => Preset::Python,
        "node" | "nodejs" | "bun" | "deno" => Preset::Node,
        _ => Preset::Native,
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn profile(exec: &[&str]) -> Profile {
        Profile {
            exec: exec.iter().map(PathBuf::from).collect(),
            ..Profile::bare()
        }
    }

    /// A folder with programs of these contents, where `cwd` and `PATH` lead.
    fn resolved(
        files: &[(&str, &str)],
        command: &str,
        exec: &[&str],
    ) -> Result<Resolved, PlanError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        symlink("python3", folder.path().join("py")).unwrap();
        let args = ["-x".to_owned()];
        let program = Program {
            command,
            args: &args,
            env: &[],
            cwd: folder.path(),
            path: folder.path().as_os_str(),
        };
        resolve(&profile(exec), &program)
    }

    #[test]
    fn a_script_is_run_by_what_its_first_line_says() {
        let files = [
            ("python3", "\x7fELF"),
            ("serve", "#!/usr/bin/env python3\nprint()"),
        ];
        let found = resolved(&files, "serve", &[]).unwrap();
        assert!(found.program.ends_with("python3"));
        assert!(found.script.unwrap().ends_with("serve"));
        assert_eq!(found.preset, Preset::Python);
        assert_eq!(found.args.len(), 2, "the script, and what it was given");
        assert_eq!(
            resolved(&files, "./py", &[]).unwrap().preset,
            Preset::Python
        );
    }

    #[test]
    fn shells_are_not_executed_unless_they_are_named() {
        let files = [
            ("bash", "\x7fELF"),
            ("shim", "#!/usr/bin/env bash\nexec python3"),
            ("python3", "#!/usr/bin/env bash\nexec real"),
            ("serve", "#!/usr/bin/env python3\n"),
        ];
        for command in ["bash", "shim", "./bash", "python3", "serve"] {
            let error = resolved(&files, command, &[]).unwrap_err();
            assert!(
                matches!(error, PlanError::Shell { .. }),
                "{command}: {error}"
            );
        }
        assert!(resolved(&files, "shim", &["bash"]).is_ok());
    }

    #[test]
    fn what_installs_or_is_missing_is_refused_with_the_reason() {
        for command in ["npx", "/usr/bin/uvx"] {
            let error = resolved(&[], command, &[]).unwrap_err();
            assert_eq!(error, PlanError::Installer(command.into()));
        }
        let error = resolved(&[], "nothing", &[]).unwrap_err();
        assert_eq!(error, PlanError::NoProgram("nothing".into()));
    }
}
