//! New configuration and policies in place of the old, while calls go on.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use cardea_config::Config;
use cardea_gateway::Gateway;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::wiring::{self, Kept, Lasting, Partitions};

/// Loads and puts in place, or refuses and leaves the old.
pub(crate) struct Reloader {
    gateway: Arc<Gateway>,
    config: Config,
    /// With what the process began: what is bound to it is as that says.
    begun: Config,
    kept: Kept,
    lasting: Arc<Lasting>,
    partitions: Partitions,
    epoch: u64,
    /// Servers were added or removed that are not taken over yet: when that was last tried.
    owed: Option<Instant>,
}

/// Between two tries to take over servers, while the rest of the configuration is refused.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

impl Reloader {
    /// A reloader for a gateway that runs with this configuration.
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        config: Config,
        kept: Kept,
        lasting: Arc<Lasting>,
        partitions: Partitions,
    ) -> Self {
        Self {
            gateway,
            begun: config.clone(),
            config,
            kept,
            lasting,
            partitions,
            epoch: 1,
            owed: None,
        }
    }

    /// Takes over servers that were added or removed; what is refused is tried again.
    pub(crate) async fn take_over(&mut self, are_others: bool, watch: &mut Watch) {
        let is_due = |tried: Instant| tried.elapsed() >= AGAIN_AFTER;
        if are_others || self.owed.is_some_and(is_due) {
            self.owed = Some(Instant::now());
            self.reload(watch).await;
        }
    }

    /// Reads the files again. A mistake anywhere refuses the whole, and the old one stays.
    pub(crate) async fn reload(&mut self, watch: &mut Watch) {
        let accepted = match self.try_reload().await {
            Ok(()) => {
                self.owed = None;
                watch.follow(&self.config);
                tracing::info!(epoch = self.epoch, "the new configuration is in place");
                true
            }
            Err(error) => {
                tracing::error!("the new configuration is refused, the old one stays\n{error:#}");
                false
            }
        };
        self.gateway.reloaded(accepted);
    }

    /// Closes the logs: for the end of the process.
    pub(crate) fn end(self) {
        self.partitions.close();
    }

    async fn try_reload(&mut self) -> anyhow::Result<()> {
        let config = cardea_config::load(&self.config.file)
            .map_err(|mistakes| anyhow::anyhow!("{}", mistakes.to_string().trim_end()))?;
        let epoch = self.epoch + 1;
        self.lasting.welcome(&config).await?;
        let config = self.lasting.with_added(config).await?;
        let built = wiring::build(
            &config,
            &self.lasting,
            &mut self.partitions,
            Some(&self.kept),
        )?;
        for name in fixed(&self.begun, &config) {
            tracing::warn!("a change of `{name}` needs a restart; the old value stays");
        }
        self.gateway.replace(built.world);
        self.lasting.part(&self.gateway, built.receivers).await;
        (self.kept, self.config, self.epoch) = (built.kept, config, epoch);
        Ok(())
    }
}

/// What changed and is bound to the process: sockets, threads, the log.
fn fixed(old: &Config, new: &Config) -> Vec<&'static str> {
    [
        ("listen", old.listen != new.listen),
        ("admin_listen", old.admin_listen != new.admin_listen),
        ("workers", old.workers != new.workers),
        ("state_dir", old.state_dir != new.state_dir),
        ("audit", old.audit != new.audit),
        // A tenant without settings of its own has those of all.
        (
            "tenants.<id>.audit",
            old.audit == new.audit && audit_changed(old, new),
        ),
        (
            "limits.drain_timeout",
            old.limits.drain_timeout != new.limits.drain_timeout,
        ),
        ("telemetry", old.telemetry != new.telemetry),
        (
            "authorization_server",
            old.authorization_server.is_some() != new.authorization_server.is_some(),
        ),
    ]
    .into_iter()
    .filter_map(|(name, changed)| changed.then_some(name))
    .collect()
}

/// Whether a tenant that stays has other settings for its log.
fn audit_changed(old: &Config, new: &Config) -> bool {
    old.tenants.iter().any(|(id, was)| {
        let now = new.tenants.get(id);
        now.is_some_and(|now| now.audit != was.audit)
    })
}

/// Tells when a file of the configuration changed.
pub(crate) struct Watch {
    changes: mpsc::Receiver<()>,
    /// A change was noticed that nobody was told of yet.
    noticed: bool,
    watcher: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
    files: Arc<Mutex<Files>>,
}

/// The files that a change counts of; others of the same folders are somebody else's.
#[derive(Debug, Default)]
struct Files {
    /// The configuration, policies that are named as files, and what TLS is made from.
    named: BTreeSet<PathBuf>,
    /// Folders whose policies count.
    folders: BTreeSet<PathBuf>,
}

impl Files {
    fn of(config: &Config) -> Self {
        let (folders, files): (BTreeSet<_>, BTreeSet<_>) = config
            .policy_roots()
            .map(Path::to_owned)
            .partition(|root| root.is_dir());
        Self {
            named: files
                .into_iter()
                .chain([config.file.clone()])
                .chain(config.tls.iter().flat_map(|tls| tls.files()).cloned())
                .collect(),
            folders,
        }
    }

    fn counts(&self, path: &Path) -> bool {
        // Mounted volumes exchange a link named `..data` to change everything at once.
        let exchanged = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(".."));
        let policy = path.extension().is_some_and(|e| e == "cedar")
            && path
                .parent()
                .is_some_and(|folder| self.folders.contains(folder));
        exchanged || policy || self.named.contains(path)
    }
}

/// Editors write a file in several steps; this long after the last one it is read.
const SETTLE: Duration = Duration::from_millis(150);
/// A file that is written all the time is read all the same.
const SETTLE_MAX: Duration = Duration::from_secs(1);

impl Watch {
    /// Watches the configuration file and the policies. Where the system cannot watch, SIGHUP
    /// still reloads.
    pub(crate) fn begin(config: &Config) -> Self {
        // One waiting note is enough: it says "look again", not what changed.
        let (note, changes) = mpsc::channel(1);
        let files = Arc::new(Mutex::new(Files::of(config)));
        let counted = Arc::clone(&files);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            let files = counted.lock().unwrap_or_else(PoisonError::into_inner);
            if !event.kind.is_access() && event.paths.iter().any(|path| files.counts(path)) {
                let _ = note.try_send(());
            }
        });
        let watcher = watcher
            .inspect_err(|error| {
                tracing::warn!(%error, "files are not watched; send SIGHUP to reload");
            })
            .ok();
        let mut watch = Self {
            changes,
            noticed: false,
            watcher,
            folders: BTreeSet::new(),
            files,
        };
        watch.follow(config);
        watch
    }

    /// Watches the folders that the configuration names now.
    pub(crate) fn follow(&mut self, config: &Config) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        // Folders, since editors replace a file by renaming another one over it.
        let wanted: BTreeSet<PathBuf> = std::iter::once(config.file.as_path())
            .chain(config.policy_roots())
            .chain(
                config
                    .tls
                    .iter()
                    .flat_map(|tls| tls.files())
                    .map(PathBuf::as_path),
            )
            .filter_map(folder_of)
            .collect();
        for gone in self.folders.difference(&wanted) {
            let _ = watcher.unwatch(gone);
        }
        for new in wanted.difference(&self.folders) {
            if let Err(error) = watcher.watch(new, RecursiveMode::NonRecursive) {
                tracing::warn!(folder = %new.display(), %error, "the folder is not watched");
            }
        }
        self.folders = wanted;
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = Files::of(config);
    }

    /// Returns when something changed and has settled. Dropped before that, it loses nothing: the
    /// next one tells of the change.
    pub(crate) async fn changed(&mut self) {
        if !self.noticed {
            if self.changes.recv().await.is_none() {
                // Nothing is watched: wait for a signal instead.
                std::future::pending::<()>().await;
            }
            self.noticed = true;
        }
        let settled = async {
            while let Ok(Some(())) = tokio::time::timeout(SETTLE, self.changes.recv()).await {}
        };
        let _ = tokio::time::timeout(SETTLE_MAX, settled).await;
        self.noticed = false;
    }
}

fn folder_of(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        Some(path.to_owned())
    } else {
        path.parent().map(Path::to_owned)
    }
}
