//! The rules that a data directory was served under last, for when its checkpoint is lost: checkpoints can be made
//! again from the archive, rules cannot.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;
use velodrome_dataflows::Rules;

use crate::replace::replace;
use crate::rules;

/// The file's name; it holds the canonical form, so that its SHA-256 is the rules' identity.
const FILE: &str = "rules.json";

/// Rules that were kept and cannot be read.
#[derive(Debug, Error)]
#[error(
    "cannot read the rules in '{path}': {reason}; give --rules, or remove the file to go on under Alleycat's"
)]
pub struct KeptError {
    /// The file.
    path: PathBuf,
    reason: io::Error,
}

/// The rules that were kept in the directory `data`, if any were.
///
/// # Errors
/// A file that cannot be read, or holds no rules.
pub(super) fn read(data: &Path) -> Result<Option<Rules>, KeptError> {
    let path = data.join(FILE);
    let read = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.and_then(|text| {
            let rules = serde_json::from_slice(&text)?;
            rules::check(&rules).map_err(io::Error::other)?;
            Ok(rules)
        }),
    };
    read.map(Some).map_err(|reason| KeptError { path, reason })
}

/// Keeps `rules` in the directory `data`. Where that fails the checkpoint still has them.
pub(super) fn keep(data: &Path, rules: &Rules) {
    let text = rules::canonical(rules);
    if let Err(error) = replace(data, FILE, |mut out| out.write_all(text.as_bytes())) {
        tracing::warn!(%error, "the rules could not be kept beside the checkpoint, which has them");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_read_as_they_were_kept() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(read(data.path()).unwrap(), None);
        let rules = Rules { excluded_racers: [7].into(), ..Rules::default() };
        keep(data.path(), &rules);
        assert_eq!(read(data.path()).unwrap(), Some(rules));
        for (text, says) in [("{", "rules.json"), (r#"{"divisor":0}"#, "divisor is 0")] {
            fs::write(data.path().join(FILE), text).unwrap();
            let error = read(data.path()).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
