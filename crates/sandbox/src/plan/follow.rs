//! A path without symbolic links, and the links on the way, which the box needs as well.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs, io,
    path::{Component, Path, PathBuf},
};

use super::PlanError;

/// A path and how one gets there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Followed {
    /// Where it leads, free of links.
    pub(super) path: PathBuf,
    /// Each link, by a path that is free of links, and what it says.
    pub(super) links: Vec<(PathBuf, PathBuf)>,
}

/// As the kernel's (`MAXSYMLINKS`).
const LINKS_MAX: usize = 40;

/// Follows an absolute path.
///
/// # Errors
/// When something on the way is not there or cannot be looked at, or when links go round.
pub(super) fn follow(path: &Path) -> io::Result<Followed> {
    let mut links = Vec::new();
    let mut done = PathBuf::from("/");
    let mut rest = steps(path);
    while let Some(step) = rest.pop_front() {
        if step == ".." {
            done.pop();
            continue;
        }
        let next = done.join(&step);
        if !fs::symlink_metadata(&next)?.is_symlink() {
            done = next;
            continue;
        }
        if links.len() == LINKS_MAX {
            return Err(io::Error::other("too many symbolic links"));
        }
        let to = fs::read_link(&next)?;
        if to.is_absolute() {
            done = PathBuf::from("/");
        }
        let mut steps = steps(&to);
        steps.append(&mut rest);
        rest = steps;
        links.push((next, to));
    }
    Ok(Followed { path: done, links })
}

/// Refuses a way through links that a server may have put there to be shown what they lead to.
pub(super) fn refuse_planted(
    links: &[(PathBuf, PathBuf)],
    writable: &[PathBuf],
) -> Result<(), PlanError> {
    for folder in writable {
        let real = fs::canonicalize(folder).unwrap_or_else(|_| folder.clone());
        let planted = links.iter().find(|(link, _)| {
            link.starts_with(&real) || link.starts_with(folder) && link != folder
        });
        if let Some((link, to)) = planted {
            return Err(PlanError::Planted {
                link: link.clone(),
                to: to.clone(),
                folder: folder.clone(),
            });
        }
    }
    Ok(())
}

fn steps(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_one_by_one_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("real/bin")).unwrap();
        fs::write(root.join("real/bin/tool-1"), "").unwrap();
        symlink("real", root.join("current")).unwrap();
        symlink("tool-1", root.join("real/bin/tool")).unwrap();
        symlink(root.join("current/bin/../bin/tool"), root.join("entry")).unwrap();
        let followed = follow(&root.join("entry")).unwrap();
        assert_eq!(followed.path, root.join("real/bin/tool-1"));
        let from: Vec<_> = followed.links.into_iter().map(|(from, _)| from).collect();
        assert_eq!(
            from,
            ["entry", "current", "real/bin/tool"].map(|p| root.join(p))
        );
    }

    #[test]
    fn links_that_go_round_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        symlink("round", folder.path().join("round")).unwrap();
        assert!(follow(&folder.path().join("round")).is_err());
        assert!(follow(&folder.path().join("nothing")).is_err());
    }
}
