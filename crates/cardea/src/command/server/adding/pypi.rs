//! A package of PyPI with everything that it needs, as wheels alone: nothing of it runs while it is installed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cardea_registry::Source;

use super::{
    Installed, PLACE, cannot,
    run::{program, run},
};
use crate::command::failure::{Failure, Status};

/// Runs the function of an entry point with the tree alone on the path: neither the system's packages nor the user's, and no
/// byte code is written beside what is locked.
const START: &str = "import sys, site; site.addsitedir(sys.argv.pop(1)); from {module} import {root}; sys.exit({call}())";

/// Installs into `staging`: downloads the closure as wheels, locks each by its SHA-256, installs from these alone.
pub(super) async fn install(
    staging: &Path,
    name: &str,
    version: &str,
    constraints: &[String],
) -> Result<Installed, Failure> {
    let python = program("python3", "a package of PyPI")?;
    // What stands in `PATH` may be a script that chooses one.
    let python = run(
        &python,
        &["-c", "import sys; print(sys.executable)"],
        staging,
    )
    .await?;
    let python = PathBuf::from(python.trim());
    let wanted = format!("{name}=={version}");
    let mut args = vec![
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
    ];
    args.extend([
        "--only-binary",
        ":all:",
        "--dest",
        "wheels",
        wanted.as_str(),
    ]);
    for constraint in constraints {
        if !constraint.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            let text = format!("`{constraint}` is no requirement such as `mcp<2`");
            return Err(Failure::new(Status::WrongUse, text));
        }
        args.push(constraint);
    }
    run(&python, &args, staging).await?;
    let sources = sources(&staging.join("wheels"))?;
    let lines = sources.iter().map(|source| {
        let hash = source.integrity.replace("sha256-", "sha256:");
        format!("{}=={} --hash={hash}\n", source.name, source.version)
    });
    let file = staging.join("requirements.txt");
    fs::write(&file, lines.collect::<String>()).map_err(|error| cannot("write", &file, &error))?;
    let args = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-compile",
        "--require-hashes",
        "--no-index",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--find-links",
        "wheels",
        "--target",
        "tree",
        "--requirement",
        "requirements.txt",
    ];
    run(&python, &args, staging).await?;
    let tree = staging.join("tree");
    let (module, call) = entry_point(&tree, name)?;
    let root = call.split('.').next().unwrap_or(&call).to_owned();
    let start = START
        .replace("{module}", &module)
        .replace("{root}", &root)
        .replace("{call}", &call);
    let args = ["-I", "-S", "-B", "-c", start.as_str(), PLACE];
    Ok(Installed {
        tree,
        command: python,
        args: args.map(str::to_owned).to_vec(),
        sources,
    })
}

/// The wheels of a folder, each with its SHA-256.
fn sources(folder: &Path) -> Result<Vec<Source>, Failure> {
    let failed = |error: std::io::Error| cannot("read", folder, &error);
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let file = path.file_name().map(|name| name.to_string_lossy());
        let file = file.unwrap_or_default().into_owned();
        // PEP 427: name, version, maybe a build tag, and three tags.
        let mut parts = file.strip_suffix(".whl").unwrap_or_default().split('-');
        let (Some(name), Some(version)) = (parts.next().filter(|n| !n.is_empty()), parts.next())
        else {
            let text = format!("pip downloaded `{file}`, which is no wheel");
            return Err(Failure::new(Status::Refused, text));
        };
        sources.push(Source {
            name: name.to_owned(),
            version: version.to_owned(),
            integrity: format!("sha256-{}", file_digest(&path)?),
        });
    }
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(sources)
}

/// The plain SHA-256 of a file, as pip knows it.
fn file_digest(path: &Path) -> Result<String, Failure> {
    use std::fmt::Write as _;
    let bytes = fs::read(path).map_err(|error| cannot("read", path, &error))?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
    let mut text = String::new();
    for byte in digest.as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// Module and function of the one program of a package.
///
/// # Source
/// Entry points specification of the Python packaging user guide: `console_scripts`.
fn entry_point(tree: &Path, name: &str) -> Result<(String, String), Failure> {
    let wanted = normal(name);
    let refused = |text: String| Failure::new(Status::Refused, text);
    let entries = fs::read_dir(tree).map_err(|error| cannot("read", tree, &error))?;
    let info = entries.flatten().map(|entry| entry.path()).find(|path| {
        let folder = path.file_name().map(|n| n.to_string_lossy().into_owned());
        let stem = folder.as_deref().and_then(|f| f.strip_suffix(".dist-info"));
        stem.and_then(|stem| stem.rsplit_once('-'))
            .is_some_and(|(package, _)| normal(package) == wanted)
    });
    let info = info.ok_or_else(|| refused(format!("`{name}` was not installed")))?;
    let text = fs::read_to_string(info.join("entry_points.txt")).unwrap_or_default();
    let scripts = scripts(&text);
    let by_name = scripts.iter().find(|(script, _)| normal(script) == wanted);
    let only = scripts.first().filter(|_| scripts.len() == 1);
    let (_, target) = by_name.or(only).ok_or_else(|| {
        refused(format!(
            "`{name}` has no program of its name: it is no server to be started"
        ))
    })?;
    let (module, call) = target.split_once(':').unwrap_or((target, "main"));
    let call = call.split('[').next().unwrap_or(call);
    let is_path = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
    };
    let (module, call) = (module.trim(), call.trim());
    match is_path(module) && is_path(call) {
        true => Ok((module.to_owned(), call.to_owned())),
        false => Err(refused(format!(
            "the program of `{name}` is not named as one"
        ))),
    }
}

fn scripts(text: &str) -> Vec<(String, String)> {
    let mut in_section = false;
    let mut scripts = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            in_section = line == "[console_scripts]";
        } else if let (true, Some((name, target))) = (in_section, line.split_once('=')) {
            scripts.push((name.trim().to_owned(), target.trim().to_owned()));
        }
    }
    scripts
}

/// # Source
/// PEP 503, normalized names.
fn normal(name: &str) -> String {
    let lower = name.to_lowercase();
    let parts = lower.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed test is a panic")]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_the_one_of_the_packages_name() {
        let folder = tempfile::tempdir().unwrap();
        let info = folder.path().join("mcp_server_git-1.0.dist-info");
        fs::create_dir(&info).unwrap();
        let write = |text: &str| fs::write(info.join("entry_points.txt"), text).unwrap();
        write(
            "[console_scripts]\nother = x:y\nmcp-server-git = mcp_server_git:main\n[gui]\na = b:c\n",
        );
        let found = entry_point(folder.path(), "MCP.Server-git").unwrap();
        assert_eq!(found, ("mcp_server_git".to_owned(), "main".to_owned()));
        for bad in [
            "[console_scripts]\na = x:y\nb = x:z\n",
            "[console_scripts]\nmcp-server-git = os:system('x')\n",
            "[other]\nmcp-server-git = x:y\n",
            "",
        ] {
            write(bad);
            assert!(
                entry_point(folder.path(), "mcp-server-git").is_err(),
                "{bad}"
            );
        }
    }
}
