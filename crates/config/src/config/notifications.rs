//! The checked settings of who is told.

use std::{collections::BTreeSet, fmt, path::PathBuf};

use url::Url;

use crate::{NotifiedOf, Secret};

/// Somebody who is told of what happens to a tenant's access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Where.
    pub receiver: Receiver,
    /// Of what, at least one.
    pub events: BTreeSet<NotifiedOf>,
}

/// Where notices go. `Debug` shows no address: those of channels are secrets.
#[derive(Clone, PartialEq, Eq)]
pub enum Receiver {
    /// To a program.
    Webhook {
        /// Its address.
        url: Url,
        /// What it checks signatures with.
        secret: Secret,
        /// Certificate authorities to trust besides the public ones; the file is there.
        ca_file: Option<PathBuf>,
    },
    /// To Slack.
    Slack(Url),
    /// To Microsoft Teams.
    Teams(Url),
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Webhook { .. } => "Webhook",
            Self::Slack(_) => "Slack",
            Self::Teams(_) => "Teams",
        })
    }
}
