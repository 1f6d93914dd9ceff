//! Why a recovery stopped.

use std::io;

use thiserror::Error;

use crate::io_reason::IoReason;

/// Why a recovery stopped.
#[derive(Debug, Error)]
pub enum RecoverError {
    /// A file or object of the log cannot be opened. The fields are its name and the reason.
    #[error("cannot open '{0}' of the log: {reason}", reason = IoReason(.1))]
    Unreadable(String, io::Error),
    /// A file or object of the log cannot be read to its end. The fields are its name and the reason.
    #[error(
        "cannot read '{0}' of the log: {1}; if it is damaged, restore it from a copy, or move it away to \
         continue without its events"
    )]
    Damaged(String, String),
    /// The engine ended during the recovery.
    #[error("the engine stopped while it replayed the log")]
    Stopped,
}
