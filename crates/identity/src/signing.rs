//! The gateway's own signing keys: made, published, used, retired.
//!
//! Each is an ES256 key in a file of its own, named by the second from which it signs. It is in
//! the published set a [`LEAD_S`] before that, so that whoever caches the set knows it in time,
//! signs until the next one does, and stays published until the last token that it may have
//! signed has ended. Several processes share the folder: the schedule is a function of the time
//! and of the files that are there, and of two that make a key at once both use what the first
//! one linked.

mod key;

#[cfg(test)]
mod tests;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use cardea_domain::Clock;
use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;
use serde_json::json;
use thiserror::Error;

use crate::key_file::{self, KeyFileError};
use key::SigningKey;

/// A key signs for 30 days: long enough that rotation is seldom seen, short enough that it is
/// not forgotten how.
pub const PERIOD_S: u64 = 30 * 86_400;

/// A key is published this long before it signs. Verifiers keep a key set for a day at most.
pub const LEAD_S: u64 = 86_400;

/// The longest that anything signed here is good for, a development token's day included, and
/// an hour for clocks that differ.
pub const RETAIN_S: u64 = 86_400 + 3600;

/// A folder with more keys was filled by somebody else.
const KEYS_MAX: usize = 64;

/// The keys could not be made, read or used.
#[derive(Debug, Error)]
pub enum SigningKeysError {
    /// The file system refused.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The folder cannot be read.
    #[error("cannot read the folder {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There are more keys than rotation leaves.
    #[error("more than {KEYS_MAX} keys in {0}; move away those that are not the gateway's")]
    TooMany(PathBuf),
    /// The file is not a P-256 key in PKCS#8.
    #[error("{0} is not a signing key; move it away and a new one is made (old tokens end)")]
    NotAKey(PathBuf),
    /// The library refused to sign.
    #[error("cannot sign: {0}")]
    Crypto(String),
}

/// The gateway's ES256 keys, shared by everything that signs or publishes.
pub struct SigningKeys {
    folder: PathBuf,
    /// The one key of earlier versions, which becomes the first of the folder.
    single: PathBuf,
    clock: Clock,
    current: ArcSwap<Set>,
}

/// The keys as they are published; replaced as a whole.
struct Set {
    /// By the second from which they sign; never empty.
    keys: Vec<SigningKey>,
    jwks: Arc<str>,
    generation: u64,
}

impl SigningKeys {
    /// Reads the keys in `state_dir/keys/signing`, and makes those that are due.
    ///
    /// # Errors
    /// [`SigningKeysError`] when the folder cannot be used or holds what is not a key.
    pub fn open(state_dir: &Path, clock: Clock) -> Result<Self, SigningKeysError> {
        let keys = state_dir.join("keys");
        let folder = keys.join("signing");
        let single = keys.join("embedded-es256.pk8");
        let found = tend(&folder, &single, clock.unix_s())?;
        Ok(Self {
            current: ArcSwap::from_pointee(Set::new(found, 1)),
            folder,
            single,
            clock,
        })
    }

    /// Reads the folder again, makes the next key when it is time to publish it, and removes
    /// those whose tokens have all ended. On an error the keys stay as they were.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn tend(&self) -> Result<(), SigningKeysError> {
        let found = tend(&self.folder, &self.single, self.clock.unix_s())?;
        let before = self.current.load();
        let next = Set::new(found, before.generation.saturating_add(1));
        if next.jwks != before.jwks {
            tracing::info!(keys = next.keys.len(), "the published signing keys changed");
            self.current.store(Arc::new(next));
        }
        Ok(())
    }

    /// Signs a JWT of this `typ` with the key whose turn it is.
    ///
    /// # Errors
    /// [`SigningKeysError::Crypto`] when the library refuses.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, SigningKeysError> {
        let set = self.current.load();
        let key = set
            .signing(self.clock.unix_s())
            .ok_or_else(|| SigningKeysError::Crypto("there is no key".into()))?;
        let header = Header {
            typ: Some(typ.to_owned()),
            kid: Some(key.kid.clone()),
            ..Header::new(Algorithm::ES256)
        };
        jsonwebtoken::encode(&header, claims, &key.encoding)
            .map_err(|e| SigningKeysError::Crypto(e.to_string()))
    }

    /// The public keys as a JWKS document (RFC 7517), the next one's and retired ones' included.
    #[must_use]
    pub fn jwks(&self) -> Arc<str> {
        Arc::clone(&self.current.load().jwks)
    }

    /// Changes whenever [`Self::jwks`] does.
    pub(crate) fn generation(&self) -> u64 {
        self.current.load().generation
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeys").finish_non_exhaustive()
    }
}

impl Set {
    fn new(keys: Vec<SigningKey>, generation: u64) -> Self {
        let public: Vec<_> = keys.iter().map(SigningKey::public).collect();
        Self {
            jwks: json!({"keys": public}).to_string().into(),
            keys,
            generation,
        }
    }

    /// The newest key whose time has come; when a clock was set back, the oldest there is.
    fn signing(&self, now_s: u64) -> Option<&SigningKey> {
        let due = self.keys.iter().rev().find(|key| key.from_s <= now_s);
        due.or_else(|| self.keys.first())
    }
}

/// Brings the folder to what it should hold at `now_s`, and reads it. Oldest key first.
fn tend(folder: &Path, single: &Path, now_s: u64) -> Result<Vec<SigningKey>, SigningKeysError> {
    let mut starts = starts(folder)?;
    if starts.is_empty() {
        // The start of the period, so that two processes that begin at once name the same file.
        let first = now_s - now_s % PERIOD_S;
        adopt_or_make(&file(folder, first), single)?;
        starts.push(first);
    }
    if let Some(next) = next_start(&starts, now_s) {
        key_file::read_or_make(&file(folder, next), key::generate)?;
        starts.push(next);
    }
    let (retired, kept) = split_retired(starts, now_s);
    for start in retired {
        remove(&file(folder, start));
    }
    let mut keys = Vec::new();
    for start in kept {
        let path = file(folder, start);
        let pkcs8 = key_file::read_or_make(&path, key::generate)?;
        keys.push(SigningKey::read(start, &pkcs8).ok_or(SigningKeysError::NotAKey(path))?);
    }
    Ok(keys)
}

/// When the key that has to be published now is to sign; `None` when none is due.
fn next_start(starts: &[u64], now_s: u64) -> Option<u64> {
    let newest = *starts.last()?;
    if newest > now_s || now_s + LEAD_S < newest + PERIOD_S {
        return None;
    }
    // After a long pause, late rather than unpublished. Whole hours, for processes that begin at once.
    let earliest = (now_s + LEAD_S).div_ceil(3600) * 3600;
    Some((newest + PERIOD_S).max(earliest))
}

/// Those whose successor has signed for so long that nothing of theirs is good any more.
fn split_retired(starts: Vec<u64>, now_s: u64) -> (Vec<u64>, Vec<u64>) {
    let successors: Vec<Option<u64>> = starts
        .iter()
        .skip(1)
        .map(|s| Some(*s))
        .chain([None])
        .collect();
    let (retired, kept): (Vec<_>, Vec<_>) = starts
        .into_iter()
        .zip(successors)
        .partition(|(_, next)| next.is_some_and(|next| next + RETAIN_S <= now_s));
    let starts = |pairs: Vec<(u64, _)>| pairs.into_iter().map(|(start, _)| start).collect();
    (starts(retired), starts(kept))
}

/// The first key: the single one of earlier versions where there is one, whose tokens go on.
fn adopt_or_make(path: &Path, single: &Path) -> Result<(), SigningKeysError> {
    let adopted = fs::read(single).ok();
    if let Some(pkcs8) = &adopted
        && SigningKey::read(0, pkcs8).is_none()
    {
        return Err(SigningKeysError::NotAKey(single.to_owned()));
    }
    key_file::read_or_make(path, || adopted.map_or_else(key::generate, Ok))?;
    remove(single);
    Ok(())
}

/// A key that cannot be removed is a matter for people; it signs nothing any more.
fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "a retired key cannot be removed");
    }
}

fn file(folder: &Path, start_s: u64) -> PathBuf {
    folder.join(format!("{start_s}.pk8"))
}

/// From when the keys of the folder sign, ascending.
fn starts(folder: &Path) -> Result<Vec<u64>, SigningKeysError> {
    let failed = |source| SigningKeysError::Folder {
        path: folder.to_owned(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut starts = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|e| e == "pk8")
            && let Some(start) = path.file_stem().and_then(|s| s.to_str()?.parse().ok())
        {
            starts.push(start);
        }
        if starts.len() > KEYS_MAX {
            return Err(SigningKeysError::TooMany(folder.to_owned()));
        }
    }
    starts.sort_unstable();
    Ok(starts)
}
