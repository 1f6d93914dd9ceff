//! Why a recovery stopped.

use std::io;

use thiserror::Error;

use crate::ingest::inputs::Input;
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

impl RecoverError {
    /// Classifies a failed open: an error of the system is not damage of the input.
    pub(super) fn not_opened(input: &Input, error: io::Error) -> Self {
        let name = input.name().into_owned();
        match error.raw_os_error() {
            Some(_) => Self::Unreadable(name, error),
            None => Self::Damaged(name, error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_damage_has_the_advice_to_move_a_file_away() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let input = Input::plain(file.path()).unwrap();
        let too_many =
            RecoverError::not_opened(&input, io::Error::from_raw_os_error(24)).to_string();
        assert!(too_many.contains("raise the limit of open files"), "{too_many}");
        assert!(!too_many.contains("move it away"), "{too_many}");
        let damage = RecoverError::not_opened(&input, io::Error::other("not gzip")).to_string();
        assert!(damage.contains("if it is damaged, restore it from a copy"), "{damage}");
    }
}
