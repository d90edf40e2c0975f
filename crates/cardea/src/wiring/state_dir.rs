//! The folder of keys, logs and the store: who else may use it, and the secret in it.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use anyhow::{Context as _, bail};
use cardea_identity::key_file;

/// Whoever may write here can exchange the keys, and cut off the log.
const OTHERS_WRITE: u32 = 0o002;
const GROUP_WRITES: u32 = 0o020;

/// Looks at who may write into the folder; one that is not there yet is made for its owner alone.
pub(super) fn check(state_dir: &Path) -> anyhow::Result<()> {
    let Ok(folder) = fs::metadata(state_dir) else {
        return Ok(());
    };
    let (mode, shown) = (folder.mode() & 0o7777, state_dir.display());
    if mode & OTHERS_WRITE != 0 {
        bail!(
            "`state_dir`: any user may write into {shown} (mode {mode:o}), and so exchange the keys in \
             it: `chmod o-w {shown}`, and make new keys unless you know that nobody did"
        );
    }
    if mode & GROUP_WRITES != 0 {
        tracing::warn!(
            "`state_dir`: the group of {shown} may write into it (mode {mode:o}): its members can exchange \
             the keys; `chmod g-w {shown}` unless the gateway is alone in the group"
        );
    }
    Ok(())
}

/// The secret under which session ids and nonces are sealed; made where there is none.
pub(super) fn sealing_secret(state_dir: &Path) -> anyhow::Result<Vec<u8>> {
    let path = state_dir.join("keys").join("sealing.key");
    key_file::read_or_make(&path, || {
        let mut secret = vec![0; 32];
        aws_lc_rs::rand::fill(&mut secret).map_err(std::io::Error::other)?;
        Ok(secret)
    })
    .context("the sealing key cannot be used")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed test is a panic")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_that_any_user_may_write_into_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check(&folder.path().join("not-yet")).is_ok());
        for (mode, is_good) in [
            (0o700, true),
            (0o750, true),
            (0o770, true),
            (0o755, true),
            (0o757, false),
            (0o777, false),
            (0o1777, false),
        ] {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(check(folder.path()).is_ok(), is_good, "{mode:o}");
        }
    }
}
