//! The digest of what a server is started from: a program, or a whole installed tree.
//!
//! It says what stands on the disk at the moment of the look. Between the look and the start somebody with the right to
//! write there could still change it; against those it does not help, since they could change the gateway too.

use std::{
    collections::HashMap,
    fs, io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Component, Path, PathBuf},
};

use aws_lc_rs::digest::{Context, SHA256};
use parking_lot::Mutex;
use thiserror::Error;

/// What is started, and what it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// The file or folder.
    pub path: PathBuf,
    /// Its digest, as [`tree_digest`] makes it.
    pub digest: [u8; 32],
}

/// Why what stands on the disk cannot be what was locked.
#[derive(Debug, Error)]
pub enum TreeError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is something that is neither file, folder nor link.
    #[error("{0} is neither a file, a folder nor a link")]
    Kind(PathBuf),
    /// A link leads out of the tree, to what the digest does not cover.
    #[error("{0} is a link that leads out of the tree")]
    Outside(PathBuf),
    /// There are more files than any server needs.
    #[error("{0} has more than {FILES_MAX} files")]
    TooMany(PathBuf),
    /// It is another one than was locked.
    #[error("{path} is not what was locked: it is {now} now, and was {locked}")]
    Changed {
        /// The file or folder.
        path: PathBuf,
        /// What it is now.
        now: String,
        /// What it was.
        locked: String,
    },
}

/// The largest trees of published servers have some ten thousand.
pub const FILES_MAX: usize = 200_000;

/// What is known of a file's content as long as nothing about the file changes.
///
/// The time of the last change of an inode (`ctime`) is set by the kernel at every write, and no call sets it back, so
/// that whoever writes to a file is noticed, whatever they do to `mtime`.
type Mark = (u64, u64, i64, i64, i64, i64, u64);

/// Contents that were read before, by what marks them.
#[derive(Debug, Default)]
pub struct Digests(Mutex<HashMap<PathBuf, (Mark, [u8; 32])>>);

impl Digests {
    /// Whether what stands on the disk is what was locked. A look at a tree costs a `stat` for each file, and a read of
    /// those that are new or changed.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn check(&self, locked: &Locked) -> Result<(), TreeError> {
        let now = self.digest(&locked.path)?;
        if now == locked.digest {
            return Ok(());
        }
        Err(TreeError::Changed {
            path: locked.path.clone(),
            now: crate::digest_text(&now),
            locked: crate::digest_text(&locked.digest),
        })
    }

    /// The digest of a file or a tree.
    ///
    /// Of each entry, by path: its path, what it is, whether it is executable, and the SHA-256 of its content or the
    /// target of the link, each with its length before it.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn digest(&self, path: &Path) -> Result<[u8; 32], TreeError> {
        let mut entries = Vec::new();
        walk(path, path, &mut entries)?;
        entries.sort();
        let mut context = Context::new(&SHA256);
        let mut field = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        };
        for relative in entries {
            let whole = match relative.as_os_str().is_empty() {
                true => path.to_owned(),
                false => path.join(&relative),
            };
            let failed = |source| TreeError::Io {
                path: whole.clone(),
                source,
            };
            let about = fs::symlink_metadata(&whole).map_err(failed)?;
            field(relative.as_os_str().as_bytes());
            if about.is_symlink() {
                let target = fs::read_link(&whole).map_err(failed)?;
                if !stays_inside(&relative, &target) {
                    return Err(TreeError::Outside(whole));
                }
                field(b"link");
                field(target.as_os_str().as_bytes());
            } else {
                field(match about.mode() & 0o111 {
                    0 => b"file".as_slice(),
                    _ => b"program".as_slice(),
                });
                field(&self.content(&whole, &about).map_err(failed)?);
            }
        }
        let digest = context.finish();
        // INVARIANT: a SHA-256 has 32 bytes.
        Ok(digest.as_ref().try_into().unwrap_or([0; 32]))
    }

    fn content(&self, path: &Path, about: &fs::Metadata) -> io::Result<[u8; 32]> {
        let mark = mark(about);
        let known = self.0.lock().get(path).copied();
        if let Some((_, digest)) = known.filter(|(of, _)| *of == mark) {
            return Ok(digest);
        }
        let mut file = fs::File::open(path)?;
        let mut context = Context::new(&SHA256);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = io::Read::read(&mut file, &mut buffer)?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            context.update(bytes);
        }
        let digest: [u8; 32] = (context.finish().as_ref().try_into()).unwrap_or([0; 32]);
        // Written meanwhile: what was read is not remembered as the content of what is there.
        let after = file.metadata()?;
        if self::mark(&after) == mark {
            let mut known = self.0.lock();
            if known.len() >= FILES_MAX {
                known.clear();
            }
            known.insert(path.to_owned(), (mark, digest));
        }
        Ok(digest)
    }
}

/// Whether the target of a link at `from`, relative to the root, is below the root by its words.
fn stays_inside(from: &Path, target: &Path) -> bool {
    let mut depth = from.components().count().saturating_sub(1);
    for part in target.components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    true
}

fn mark(about: &fs::Metadata) -> Mark {
    (
        about.dev(),
        about.ino(),
        about.mtime(),
        about.mtime_nsec(),
        about.ctime(),
        about.ctime_nsec(),
        about.size(),
    )
}

/// Every file and link below, relative to the root.
fn walk(root: &Path, at: &Path, entries: &mut Vec<PathBuf>) -> Result<(), TreeError> {
    let mut folders = vec![at.to_owned()];
    while let Some(at) = folders.pop() {
        let failed = |source| TreeError::Io {
            path: at.clone(),
            source,
        };
        let about = fs::symlink_metadata(&at).map_err(failed)?;
        if about.is_dir() {
            for entry in fs::read_dir(&at).map_err(failed)? {
                folders.push(entry.map_err(failed)?.path());
            }
        } else if about.is_file() || about.is_symlink() {
            let relative = at.strip_prefix(root).unwrap_or(&at);
            entries.push(relative.to_owned());
            if entries.len() > FILES_MAX {
                return Err(TreeError::TooMany(root.to_owned()));
            }
        } else {
            return Err(TreeError::Kind(at));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use tempfile::TempDir;

    use super::*;

    fn tree() -> TempDir {
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        fs::create_dir_all(path.join("a/b")).unwrap();
        fs::write(path.join("a/b/one.js"), "one").unwrap();
        fs::write(path.join("two.js"), "two").unwrap();
        symlink("../two.js", path.join("a/link")).unwrap();
        folder
    }

    #[test]
    fn whatever_changes_in_a_tree_is_noticed_with_warm_memory_too() {
        type Change = fn(&Path);
        let changes: [(&str, Change); 7] = [
            ("content of the same length", |at| {
                fs::write(at.join("two.js"), "owt").unwrap()
            }),
            ("a new file", |at| {
                fs::write(at.join("a/new.js"), "").unwrap()
            }),
            ("one less", |at| fs::remove_file(at.join("two.js")).unwrap()),
            ("another name", |at| {
                fs::rename(at.join("two.js"), at.join("2.js")).unwrap()
            }),
            ("another target", |at| {
                fs::remove_file(at.join("a/link")).unwrap();
                symlink("b/one.js", at.join("a/link")).unwrap();
            }),
            ("a program", |at| {
                let mode = fs::Permissions::from_mode(0o755);
                fs::set_permissions(at.join("two.js"), mode).unwrap();
            }),
            ("content with the old time of its last write", |at| {
                let file = at.join("two.js");
                let before = fs::metadata(&file).unwrap().modified().unwrap();
                fs::write(&file, "owt").unwrap();
                let file = fs::File::options().write(true).open(file).unwrap();
                file.set_modified(before).unwrap();
            }),
        ];
        for (what, change) in changes {
            let folder = tree();
            let digests = Digests::default();
            let locked = Locked {
                path: folder.path().to_owned(),
                digest: digests.digest(folder.path()).unwrap(),
            };
            digests.check(&locked).unwrap();
            change(folder.path());
            let changed = digests.check(&locked);
            assert!(
                matches!(changed, Err(TreeError::Changed { .. })),
                "{what}: {changed:?}"
            );
        }
    }

    #[test]
    fn a_link_that_leads_out_is_refused() {
        for target in ["/etc/passwd", "../../x", "b/../../../x"] {
            let folder = tree();
            let link = folder.path().join("a/link");
            fs::remove_file(&link).unwrap();
            symlink(target, link).unwrap();
            let refused = Digests::default().digest(folder.path());
            assert!(matches!(refused, Err(TreeError::Outside(_))), "{target}");
        }
    }

    #[test]
    fn the_same_content_elsewhere_has_the_same_digest() {
        let digests = Digests::default();
        let (one, other) = (tree(), tree());
        assert_eq!(
            digests.digest(one.path()).unwrap(),
            digests.digest(other.path()).unwrap()
        );
    }

    #[test]
    fn a_program_alone_has_one_too_and_what_is_gone_has_none() {
        let folder = tree();
        let digests = Digests::default();
        let program = folder.path().join("two.js");
        let locked = Locked {
            digest: digests.digest(&program).unwrap(),
            path: program.clone(),
        };
        digests.check(&locked).unwrap();
        fs::remove_file(&program).unwrap();
        assert!(matches!(digests.check(&locked), Err(TreeError::Io { .. })));
    }
}
