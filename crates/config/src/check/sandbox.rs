//! What a sandboxed server is given of the machine: never what steers the gateway itself.

use std::path::{Path, PathBuf};

use cardea_domain::Destination;

use super::Checker;
use crate::{
    Sandbox, SandboxMode,
    diagnostic::{Diagnostic, printable},
    raw::{RawConfig, RawSandbox},
    yaml::At,
};

/// The kernel's; the box has its own.
const OF_THE_KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// What the names begin with of everything that the gateway keeps in its `state_dir`.
const OWN_STATE: [&str; 4] = ["keys", "audit", "runs", "cardea.db"];

/// What a path is given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    Reading,
    Writing,
}

impl Checker<'_> {
    pub(super) fn sandbox(
        &mut self,
        at: &At,
        raw: &RawSandbox,
        all: &RawConfig,
    ) -> Option<Sandbox> {
        if raw.mode == SandboxMode::Off {
            let mode = at.key("mode");
            let message = "this server runs without a sandbox: it can read the gateway's keys, and whatever else the gateway can";
            let help = "take `mode` away, and name what the server needs in `read`, `write`, `exec` and `network`";
            let diagnostic = self.document.error(&mode, message).warning().help(help);
            self.report(&mode, diagnostic);
        }
        let read = self.shown(&at.key("read"), &raw.read, For::Reading, all);
        let write = self.shown(&at.key("write"), &raw.write, For::Writing, all);
        let exec = self.executed(&at.key("exec"), &raw.exec);
        let allow = self.destinations(&at.key("network").key("allow"), &raw.network.allow);
        let limits = raw.limits.check(&at.key("limits"), self);
        Some(Sandbox {
            mode: raw.mode,
            preset: raw.preset,
            read: read?,
            write: write?,
            exec: exec?,
            allow: allow?,
            limits,
        })
    }

    /// Paths that the server sees. One that is not there may come yet: without it the server is not started.
    fn shown(
        &mut self,
        at: &At,
        texts: &[String],
        wanted: For,
        all: &RawConfig,
    ) -> Option<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let at = at.index(index);
            let path = self.path(text);
            if let Some(diagnostic) = self.refusal(&at, text, &path, wanted, all) {
                self.report(&at, diagnostic);
                continue;
            }
            if let Err(error) = std::fs::metadata(&path) {
                let diagnostic = self.unreachable_path(&at, text, &error).warning();
                self.report(&at, diagnostic);
            }
            paths.push(path);
        }
        (paths.len() == texts.len()).then_some(paths)
    }

    /// Why a path is for no server, by where it really leads.
    fn refusal(
        &self,
        at: &At,
        text: &str,
        path: &Path,
        wanted: For,
        all: &RawConfig,
    ) -> Option<Diagnostic> {
        let path = real(path);
        let state = real(&self.path(&all.state_dir));
        let shown = printable(text);
        if path.parent().is_none() || OF_THE_KERNEL.iter().any(|own| path.starts_with(own)) {
            let message = format!("`{shown}` is not for a sandbox");
            return Some(
                self.document
                    .error(at, message)
                    .expected("folders or files that the server needs"),
            );
        }
        let below = path
            .strip_prefix(&state)
            .ok()
            .and_then(|rest| rest.iter().next());
        let below = below.map(|name| name.to_string_lossy());
        let is_own = below.is_some_and(|name| OWN_STATE.iter().any(|own| name.starts_with(own)));
        if is_own || state.starts_with(&path) {
            let message = format!("`{shown}` holds the keys and records of the gateway");
            let help = "`state_dir` is not for servers; name a folder beside it";
            return Some(self.document.error(at, message).help(help));
        }
        let steering = [self.around.file.to_owned()];
        let policies = all.policies.iter().map(|text| self.path(text));
        let is_steering = |file: PathBuf| {
            let file = real(&file);
            file.starts_with(&path) || path.starts_with(&file)
        };
        if wanted == For::Writing && steering.into_iter().chain(policies).any(is_steering) {
            let message = format!(
                "a server that can write `{shown}` can change the configuration or the policies"
            );
            let help = "name a folder that holds neither `cardea.yaml` nor policies";
            return Some(self.document.error(at, message).help(help));
        }
        None
    }

    /// A path leads to something; a bare name is looked up when the server starts.
    fn executed(&mut self, at: &At, texts: &[String]) -> Option<Vec<PathBuf>> {
        let mut found = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let at = at.index(index);
            if !text.contains('/') {
                found.push(PathBuf::from(text));
                continue;
            }
            let path = self.path(text);
            match std::fs::metadata(&path) {
                Ok(_) if path.parent().is_some() => found.push(path),
                Ok(_) => {
                    let message = format!("`{}` is every program there is", printable(text));
                    let diagnostic = self
                        .document
                        .error(&at, message)
                        .expected("programs that the server needs");
                    self.report(&at, diagnostic);
                }
                Err(error) => {
                    let diagnostic = self.unreachable_path(&at, text, &error);
                    self.report(&at, diagnostic);
                }
            }
        }
        (found.len() == texts.len()).then_some(found)
    }

    fn destinations(&mut self, at: &At, texts: &[String]) -> Option<Vec<Destination>> {
        let mut found = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            match text.parse() {
                Ok(destination) => found.push(destination),
                Err(error) => {
                    let at = at.index(index);
                    let message =
                        format!("`{}` is no place to connect to: {error}", printable(text));
                    let diagnostic = self
                        .document
                        .error(&at, message)
                        .expected("a host and a port such as `api.example.com:443`");
                    self.report(&at, diagnostic);
                }
            }
        }
        (found.len() == texts.len()).then_some(found)
    }
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
