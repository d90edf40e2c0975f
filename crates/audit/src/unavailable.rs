//! Why a record could not be made durable.

use std::sync::Arc;

use cardea_domain::{Code, Denial};
use thiserror::Error;

/// The record is not durable, so what it was to precede must not happen.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// More records wait for the disk than may.
    #[error("{waiting} bytes of records wait for the disk already")]
    QueueFull {
        /// How many bytes wait.
        waiting: usize,
    },
    /// The disk refused; the next record is tried again.
    #[error("the audit log cannot be written: {reason}")]
    Disk {
        /// What the operating system said.
        reason: Arc<str>,
    },
    /// The log was closed.
    #[error("the audit log is closed")]
    Closed,
    /// The writer ended by a mistake of its own.
    #[error("the audit log's writer is gone")]
    WriterGone,
}

impl From<Unavailable> for Denial {
    fn from(unavailable: Unavailable) -> Self {
        Self::new(
            Code::AuditUnavailable,
            "the audit log cannot be written, so the call was refused",
        )
        .help("try again; the operator's log has the reason")
        .detail(unavailable)
    }
}
