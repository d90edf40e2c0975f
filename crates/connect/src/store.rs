//! Where one person's logins lie: a folder with a file for each server.
//!
//! The folder is mode 0700 and its files 0600; a file that others can read is refused, not
//! repaired, since its secrets may be known by then. Files are replaced as a whole. A lock file
//! beside each keeps processes apart while they use up a refresh token; the kernel drops the
//! lock of a process that ends, however it ends.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{ConnectError, client::Secret, jws};

/// The folder of logins.
#[derive(Debug, Clone)]
pub struct Store(PathBuf);

/// One login, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// The form of this file.
    pub(crate) version: u8,
    /// The address of the MCP server, or of a gateway's API.
    pub(crate) server: String,
    /// What tokens are asked for (RFC 8707).
    pub(crate) resource: String,
    /// Who issued what is below; nothing of it is sent to anybody else.
    pub(crate) issuer: String,
    pub(crate) token_endpoint: String,
    pub(crate) revocation_endpoint: Option<String>,
    pub(crate) client: ClientRecord,
    /// The P-256 key that tokens are bound to: PKCS#8 in base64url.
    pub(crate) key: Option<Secret>,
    /// The scopes that were asked for.
    pub(crate) scopes: Vec<String>,
    pub(crate) access_token: Option<Secret>,
    /// Whether the access token is bound to the key.
    #[serde(default)]
    pub(crate) bound: bool,
    /// Seconds since 1970.
    pub(crate) expires_at_s: Option<u64>,
    pub(crate) refresh_token: Option<Secret>,
}

/// A client as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientRecord {
    pub(crate) id: String,
    /// How the server came to know it.
    pub(crate) origin: Origin,
    pub(crate) secret: Option<Secret>,
    pub(crate) auth_method: Option<String>,
    /// The port of the redirect that was registered.
    pub(crate) redirect_port: Option<u16>,
}

/// How an authorization server came to know a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Origin {
    /// Somebody registered it and told this program.
    Told,
    /// By the document that its id is the address of.
    Document,
    /// It registered itself (RFC 7591).
    Dynamic,
    /// Cardea's authorization server knows it from the start.
    BuiltIn,
}

/// The present form of [`Record`].
pub(crate) const VERSION: u8 = 1;

/// A record is two tokens, a key and some addresses.
const RECORD_BYTES_MAX: u64 = 256 * 1024;

/// A refresh is one small request; who holds the lock longer hangs.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// Between two tries for the lock.
const LOCK_POLL: Duration = Duration::from_millis(25);

impl Store {
    /// A store in `folder`, which is made when it is first written to.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The gateways whose API there is a login for, by name. What is no login of this program is
    /// passed over.
    #[must_use]
    pub fn gateways(&self) -> Vec<String> {
        let Ok(files) = fs::read_dir(&self.0) else {
            return Vec::new();
        };
        let files = files.filter_map(|file| Some(file.ok()?.path()));
        let logins = files.filter(|file| file.extension().is_some_and(|e| e == "json"));
        let gateway = |file: PathBuf| {
            let folder = self.0.clone();
            let record = Entry { folder, file }.read().ok()??;
            crate::address::gateway_of(&Url::parse(&record.server).ok()?)
        };
        let mut gateways: Vec<_> = logins.filter_map(gateway).collect();
        gateways.sort();
        gateways
    }

    /// The place of the login for `server`.
    pub(crate) fn entry(&self, server: &Url) -> Entry {
        let host = server.host_str().unwrap_or("server");
        let host: String = host
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || c == '.' || c == '-' {
                    c
                } else {
                    '_'
                }
            })
            .take(64)
            .collect();
        let digest: String = jws::sha256(server.as_str()).chars().take(16).collect();
        Entry {
            folder: self.0.clone(),
            file: self.0.join(format!("{host}-{digest}.json")),
        }
    }
}

/// The place of one login.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    folder: PathBuf,
    file: PathBuf,
}

/// The right to change one login, until it is dropped.
pub(crate) struct Locked<'a> {
    entry: &'a Entry,
    _lock: fs::File,
}

impl Entry {
    pub(crate) fn path(&self) -> &Path {
        &self.file
    }

    /// The login, if there is one.
    ///
    /// # Errors
    /// [`ConnectError::Store`] when others can read it, or it is not a login of this program.
    pub(crate) fn read(&self) -> Result<Option<Record>, ConnectError> {
        let file = match fs::File::open(&self.file) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&self.file, &error)),
        };
        private(
            &self.folder,
            &fs::metadata(&self.folder).map_err(|e| failed(&self.folder, &e))?,
        )?;
        let about = file.metadata().map_err(|e| failed(&self.file, &e))?;
        private(&self.file, &about)?;
        if about.len() > RECORD_BYTES_MAX {
            return Err(refused(&self.file, "it is too large to be a login"));
        }
        let record: Record = serde_json::from_reader(io::BufReader::new(file)).map_err(|_| {
            refused(
                &self.file,
                "it is not a login of this version of cardea; remove it and log in again",
            )
        })?;
        if record.version != VERSION {
            return Err(refused(
                &self.file,
                "it is of another version of cardea; remove it and log in again",
            ));
        }
        Ok(Some(record))
    }

    /// Waits for the right to change the login.
    ///
    /// # Errors
    /// [`ConnectError::Store`] when another process holds it for too long.
    pub(crate) async fn lock(&self) -> Result<Locked<'_>, ConnectError> {
        self.make_folder()?;
        let path = self.file.with_extension("lock");
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|e| failed(&path, &e))?;
        let tries = async {
            loop {
                match file.try_lock() {
                    Ok(()) => return Ok(()),
                    Err(fs::TryLockError::WouldBlock) => tokio::time::sleep(LOCK_POLL).await,
                    Err(fs::TryLockError::Error(error)) => return Err(failed(&path, &error)),
                }
            }
        };
        tokio::time::timeout(LOCK_TIMEOUT, tries)
            .await
            .unwrap_or_else(|_| Err(refused(&path, "another process holds it")))?;
        Ok(Locked {
            entry: self,
            _lock: file,
        })
    }

    fn make_folder(&self) -> Result<(), ConnectError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(|e| failed(&self.folder, &e))?;
        let about = fs::metadata(&self.folder).map_err(|e| failed(&self.folder, &e))?;
        private(&self.folder, &about)
    }
}

impl Locked<'_> {
    /// The login as it is now; another process may have changed it before the lock was had.
    pub(crate) fn read(&self) -> Result<Option<Record>, ConnectError> {
        self.entry.read()
    }

    /// Replaces the login. After a crash there is the old one or the new one.
    pub(crate) fn write(&self, record: &Record) -> Result<(), ConnectError> {
        let file = &self.entry.file;
        let text = serde_json::to_vec_pretty(record)
            .map_err(|_| refused(file, "the login cannot be written down"))?;
        let draft = file.with_extension("new");
        // Left by a process that was killed; the lock makes it nobody's.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(&draft, &error));
            }
            _ => {}
        }
        let mut out = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .map_err(|e| failed(&draft, &e))?;
        out.write_all(&text)
            .and_then(|()| out.sync_all())
            .map_err(|e| failed(&draft, &e))?;
        fs::rename(&draft, file).map_err(|e| failed(file, &e))?;
        // The name is as durable as the content, or the old refresh token could come back.
        fs::File::open(&self.entry.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|e| failed(&self.entry.folder, &e))
    }

    /// Forgets the login.
    pub(crate) fn remove(&self) -> Result<(), ConnectError> {
        match fs::remove_file(&self.entry.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed(&self.entry.file, &error))
            }
            _ => Ok(()),
        }
    }
}

/// Refuses what anybody but its owner may read or write.
fn private(path: &Path, about: &fs::Metadata) -> Result<(), ConnectError> {
    if about.mode() & 0o077 != 0 {
        let mode = if about.is_dir() { "700" } else { "600" };
        return Err(refused(
            path,
            &format!(
                "others can use it (mode {:o}); if nobody did, `chmod {mode}` it, else remove it and log in again",
                about.mode() & 0o777
            ),
        ));
    }
    Ok(())
}

fn refused(path: &Path, reason: &str) -> ConnectError {
    ConnectError::Store {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

fn failed(path: &Path, error: &io::Error) -> ConnectError {
    refused(path, &error.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn record(refresh: &str) -> Record {
        Record {
            version: VERSION,
            server: "https://gw.example.com/mcp".into(),
            resource: "https://gw.example.com/mcp".into(),
            issuer: "https://gw.example.com".into(),
            token_endpoint: "https://gw.example.com/token".into(),
            revocation_endpoint: None,
            client: ClientRecord {
                id: "cardea-cli".into(),
                origin: Origin::BuiltIn,
                secret: None,
                auth_method: None,
                redirect_port: None,
            },
            key: None,
            scopes: vec![],
            access_token: None,
            bound: false,
            expires_at_s: None,
            refresh_token: Some(Secret::new(refresh)),
        }
    }

    fn entry(folder: &Path) -> Entry {
        let server = Url::parse("https://gw.example.com/mcp").unwrap();
        Store::new(folder.join("store")).entry(&server)
    }

    #[tokio::test]
    async fn a_login_is_private_from_its_first_byte() {
        let folder = tempfile::tempdir().unwrap();
        let entry = entry(folder.path());
        assert!(entry.read().unwrap().is_none());
        let locked = entry.lock().await.unwrap();
        locked.write(&record("r1")).unwrap();
        locked.write(&record("r2")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&entry.folder), 0o700);
        for file in fs::read_dir(&entry.folder).unwrap() {
            assert_eq!(mode(&file.unwrap().path()), 0o600);
        }
        let read = locked.read().unwrap().unwrap();
        assert_eq!(read.refresh_token.unwrap().expose(), "r2");
        locked.remove().unwrap();
        assert!(entry.read().unwrap().is_none());
    }

    #[tokio::test]
    async fn what_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let entry = entry(folder.path());
        entry.lock().await.unwrap().write(&record("r1")).unwrap();
        for (path, mode, back) in [(&entry.file, 0o640, 0o600), (&entry.folder, 0o750, 0o700)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            let error = entry.read().unwrap_err().to_string();
            assert!(error.contains("others can use it"), "{error}");
            fs::set_permissions(path, fs::Permissions::from_mode(back)).unwrap();
        }
        assert!(entry.read().unwrap().is_some());
    }

    #[tokio::test]
    async fn a_lock_is_one_process_at_a_time_and_ends_with_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let entry = entry(folder.path());
        let held = entry.lock().await.unwrap();
        let second = entry.lock();
        let waited = tokio::time::timeout(Duration::from_millis(200), second).await;
        assert!(waited.is_err(), "two held the lock");
        drop(held);
        entry.lock().await.unwrap();
    }

    #[test]
    fn servers_do_not_share_a_file() {
        let store = Store::new("/x".into());
        let at = |url: &str| store.entry(&Url::parse(url).unwrap()).file;
        assert_ne!(at("https://a.example/mcp/x"), at("https://a.example/mcp/y"));
        let name = at("https://a.example/../../etc/passwd");
        assert_eq!(name.parent(), Some(Path::new("/x")));
    }

    #[test]
    fn no_secret_is_shown() {
        let shown = format!("{:?}", record("hush"));
        assert!(!shown.contains("hush"), "{shown}");
    }
}
