//! A package of npm with everything that it needs, without its install scripts.

use std::{fs, path::Path};

use cardea_registry::Source;
use serde_json::{Value, json};

use super::{
    Installed, PLACE, cannot,
    run::{program, run},
};
use crate::command::failure::{Failure, Status};

/// Installs into `staging`. npm holds each download to the hash that the registry gives for it; that there is one for each is
/// looked at here.
pub(super) async fn install(
    staging: &Path,
    name: &str,
    version: &str,
) -> Result<Installed, Failure> {
    let npm = program("npm", "a package of npm")?;
    let node = program("node", "a package of npm")?;
    let tree = staging.join("tree");
    fs::create_dir(&tree).map_err(|error| cannot("make", &tree, &error))?;
    let manifest = json!({ "private": true, "dependencies": { (name): version } });
    let file = tree.join("package.json");
    fs::write(&file, manifest.to_string()).map_err(|error| cannot("write", &file, &error))?;
    let args = [
        "install",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--no-update-notifier",
        "--omit=dev",
        "--loglevel=error",
    ];
    run(&npm, &args, &tree).await?;
    let sources = sources(&read(&tree.join("package-lock.json"))?)?;
    if !sources
        .iter()
        .any(|s| s.name == name && s.version == version)
    {
        let text = format!("npm did not install `{name}` at {version}");
        return Err(Failure::new(Status::Failed, text));
    }
    let package = tree.join("node_modules").join(name);
    let bin = bin(name, &read(&package.join("package.json"))?)?;
    let script = package.join(&bin);
    let is_inside = fs::canonicalize(&script).is_ok_and(|script| {
        fs::canonicalize(&package).is_ok_and(|package| script.starts_with(package))
    });
    if !is_inside {
        let text = format!("the program of `{name}`, `{bin}`, is not in the package");
        return Err(Failure::new(Status::Refused, text));
    }
    Ok(Installed {
        tree,
        command: node,
        args: vec![format!("{PLACE}/node_modules/{name}/{bin}")],
        sources,
    })
}

/// What the lockfile says was installed; each with a hash.
fn sources(lock: &Value) -> Result<Vec<Source>, Failure> {
    let none = || Failure::new(Status::Failed, "npm left no usable package-lock.json");
    let packages = lock.get("packages").and_then(Value::as_object);
    let mut sources = Vec::new();
    for (path, package) in packages.ok_or_else(none)? {
        // The first is the folder itself.
        if path.is_empty() {
            continue;
        }
        let name = path.rsplit("node_modules/").next().unwrap_or(path);
        let text = |member| package.get(member).and_then(Value::as_str);
        let is_link = package.get("link").and_then(Value::as_bool) == Some(true);
        let (Some(version), Some(integrity), false) = (text("version"), text("integrity"), is_link)
        else {
            let text =
                format!("`{name}` has no hash in the lockfile: it does not come from a registry");
            return Err(Failure::new(Status::Refused, text));
        };
        sources.push(Source {
            name: text("name").unwrap_or(name).to_owned(),
            version: version.to_owned(),
            integrity: integrity.to_owned(),
        });
    }
    Ok(sources)
}

/// The one program of a package, relative to it.
fn bin(name: &str, package: &Value) -> Result<String, Failure> {
    let own = name.rsplit('/').next().unwrap_or(name);
    let found = match package.get("bin") {
        Some(Value::String(path)) => Some(path.as_str()),
        Some(Value::Object(programs)) => {
            let by_name = programs.get(own);
            let only = programs.values().next().filter(|_| programs.len() == 1);
            by_name.or(only).and_then(Value::as_str)
        }
        _ => None,
    };
    let found = found.ok_or_else(|| {
        let text = format!("`{name}` has no program of its name: it is no server to be started");
        Failure::new(Status::Refused, text)
    })?;
    Ok(found.trim_start_matches("./").to_owned())
}

fn read(file: &Path) -> Result<Value, Failure> {
    let text = fs::read(file).map_err(|error| cannot("read", file, &error))?;
    serde_json::from_slice(&text)
        .map_err(|error| Failure::new(Status::Failed, format!("{}: {error}", file.display())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed test is a panic")]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_hash_is_refused() {
        let lock = |package: Value| json!({ "packages": { "": {}, "node_modules/@a/b/node_modules/c": package } });
        let good = json!({ "version": "1.0.0", "integrity": "sha512-x" });
        let found = sources(&lock(good)).unwrap();
        assert_eq!(
            (found.len(), found.first().unwrap().name.as_str()),
            (1, "c")
        );
        for bad in [
            json!({ "version": "1.0.0", "resolved": "git+ssh://git@example.com/c.git#abc" }),
            json!({ "resolved": "../c", "link": true }),
            json!({ "version": "1.0.0", "integrity": "sha512-x", "link": true }),
        ] {
            assert!(sources(&lock(bad)).is_err());
        }
    }

    #[test]
    fn the_program_is_the_one_of_the_packages_name() {
        let package = |bin: Value| json!({ "bin": bin });
        assert_eq!(bin("@a/b", &package(json!("./x.js"))).unwrap(), "x.js");
        assert_eq!(
            bin("@a/b", &package(json!({ "z": "z.js" }))).unwrap(),
            "z.js"
        );
        assert_eq!(
            bin("@a/b", &package(json!({ "b": "b.js", "z": "z.js" }))).unwrap(),
            "b.js"
        );
        assert!(bin("@a/b", &package(json!({ "y": "y.js", "z": "z.js" }))).is_err());
        assert!(bin("@a/b", &json!({})).is_err());
    }
}
