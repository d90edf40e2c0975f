//! What no box shows: the gateway's own secrets; and what none may write, by which the gateway is steered.

use std::path::{Path, PathBuf};

use super::PlanError;
use crate::{Profile, View};

/// What a profile keeps from its server, by where it really is.
#[derive(Debug, Default)]
pub(super) struct Guarded {
    secret: Vec<PathBuf>,
    steering: Vec<PathBuf>,
}

impl Guarded {
    pub(super) fn of(profile: &Profile) -> Self {
        let real = |paths: &[PathBuf]| paths.iter().map(|path| real(path)).collect();
        Self {
            secret: real(&profile.secret),
            steering: real(&profile.steering),
        }
    }

    /// Whether a folder that nobody has named is the gateway's own, or around something of it.
    pub(super) fn is_in(&self, folder: &Path) -> bool {
        let folder = real(folder);
        let mut all = self.secret.iter().chain(&self.steering);
        all.any(|own| meets(own, &folder))
    }

    /// Looks through a whole view, whatever has brought each of its paths.
    pub(super) fn check(&self, view: &View) -> Result<(), PlanError> {
        let shown = [&view.read, &view.write, &view.exec].into_iter().flatten();
        for path in shown {
            if let Some(own) = self.secret.iter().find(|own| meets(own, path)) {
                return Err(PlanError::Secret {
                    path: path.clone(),
                    own: own.clone(),
                });
            }
        }
        for path in &view.write {
            if let Some(own) = self.steering.iter().find(|own| meets(own, path)) {
                return Err(PlanError::Steering {
                    path: path.clone(),
                    own: own.clone(),
                });
            }
        }
        Ok(())
    }
}

/// Whether one is within the other.
fn meets(own: &Path, path: &Path) -> bool {
    own.starts_with(path) || path.starts_with(own)
}

/// Where a path leads, as far as it is there.
fn real(path: &Path) -> PathBuf {
    for around in path.ancestors() {
        if let (Ok(found), Ok(rest)) = (around.canonicalize(), path.strip_prefix(around)) {
            return found.join(rest).components().collect();
        }
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;
    use crate::{Program, plan};

    /// A gateway's folder, with a server and its package in it.
    fn house() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for name in ["state/keys", "policies", "node_modules/a", "files"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        for name in ["cardea.yaml", "package.json", "server.mjs", "lib.mjs"] {
            fs::write(root.join(name), "").unwrap();
        }
        symlink("state", root.join("link")).unwrap();
        (folder, root)
    }

    fn profile(root: &Path) -> Profile {
        Profile {
            secret: vec![root.join("state/keys"), root.join("state/cardea.db")],
            steering: vec![root.join("cardea.yaml"), root.join("policies")],
            ..Profile::bare()
        }
    }

    fn view(root: &Path, profile: &Profile) -> Result<View, PlanError> {
        fs::write(root.join("node"), "\u{7f}ELF").unwrap();
        let program = Program {
            command: "./node",
            args: &["server.mjs".to_owned()],
            env: &[],
            cwd: root,
            path: "".as_ref(),
        };
        plan(profile, &program).map(|spec| spec.view)
    }

    #[test]
    fn nothing_that_is_named_shows_the_gateways_secrets_or_lets_them_be_written() {
        let (_folder, root) = house();
        let plain = profile(&root);
        assert!(view(&root, &plain).is_ok());
        for name in ["", "state", "state/keys", "link", "link/keys/signing"] {
            fs::create_dir_all(root.join("state/keys/signing")).unwrap();
            let path = vec![root.join(name)];
            for profile in [
                Profile {
                    read: path.clone(),
                    ..plain.clone()
                },
                Profile {
                    write: path.clone(),
                    ..plain.clone()
                },
                Profile {
                    exec: path.clone(),
                    ..plain.clone()
                },
            ] {
                let refused = view(&root, &profile);
                assert!(
                    matches!(
                        refused,
                        Err(PlanError::Secret { .. } | PlanError::NoProgram(_))
                    ),
                    "{name}: {refused:?}"
                );
            }
        }
        for name in ["policies", "cardea.yaml"] {
            let path = vec![root.join(name)];
            let reading = Profile {
                read: path.clone(),
                ..plain.clone()
            };
            assert!(view(&root, &reading).is_ok(), "{name}");
            let writing = Profile {
                write: path,
                ..plain.clone()
            };
            let refused = view(&root, &writing);
            assert!(
                matches!(refused, Err(PlanError::Steering { .. })),
                "{refused:?}"
            );
        }
        let files = Profile {
            write: vec![root.join("files")],
            ..plain
        };
        assert!(view(&root, &files).is_ok());
    }

    #[test]
    fn a_package_around_the_gateways_own_is_its_script_and_its_modules() {
        let (_folder, root) = house();
        let shown = view(&root, &profile(&root)).unwrap().read;
        for (name, is_shown) in [
            ("server.mjs", true),
            ("node_modules/a", true),
            ("lib.mjs", false),
            ("state/keys", false),
            ("cardea.yaml", false),
        ] {
            let path = root.join(name);
            assert_eq!(
                shown.iter().any(|s| path.starts_with(s)),
                is_shown,
                "{name}"
            );
        }
        let alone = view(&root, &Profile::bare()).unwrap().read;
        assert!(
            alone.contains(&root),
            "without a gateway's own it is the whole package"
        );
    }
}
