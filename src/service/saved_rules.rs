//! Saves the most recent rules of a data directory in a separate file, because a lost checkpoint can be
//! rebuilt from the archive, but lost rules cannot.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;
use velodrome_dataflows::Rules;

use crate::atomic_file::replace_file;
use crate::io_reason::IoReason;
use crate::json_checksum;
use crate::rules;

/// The name of the file. It contains the canonical form of the rules, with a checksum.
pub const FILE: &str = "rules.json";

/// Saved rules that cannot be used.
#[derive(Debug, Error)]
pub enum SavedRulesError {
    /// The file cannot be read.
    #[error("cannot read the rules in '{path}': {}", IoReason(.reason))]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        reason: io::Error,
    },
    /// The file does not contain valid rules.
    #[error(
        "the rules in '{path}' are damaged: {reason}; give --rules, or remove the file to continue under \
         Alleycat's rules"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The damage.
        reason: String,
    },
}

/// The rules saved in the data directory `data`, if there are any.
///
/// # Errors
/// When the file cannot be read, or does not contain valid rules.
pub(super) fn load(data: &Path) -> Result<Option<Rules>, SavedRulesError> {
    let path = data.join(FILE);
    match fs::read(&path) {
        Ok(text) => parse(&path, &text).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(reason) => Err(SavedRulesError::Io { path, reason }),
    }
}

/// Parses the text of the file at `path`.
///
/// # Errors
/// When the text is not valid rules.
pub fn parse(path: &Path, text: &[u8]) -> Result<Rules, SavedRulesError> {
    let rules = rules::parse(&String::from_utf8_lossy(text));
    rules.map_err(|error| SavedRulesError::Damaged {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

/// Saves `rules` in the data directory `data`. A failure is only logged, because the checkpoint has the
/// rules too.
pub(super) fn save(data: &Path, rules: &Rules) {
    let text = json_checksum::add(&rules::canonical(rules));
    if let Err(error) = replace_file(data, FILE, |mut out| out.write_all(text.as_bytes())) {
        tracing::warn!(%error, "cannot save the rules in rules.json; the checkpoint has them");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_the_rules_that_were_saved_and_names_the_file_of_invalid_ones() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(load(data.path()).unwrap(), None);
        let rules = Rules { excluded_racers: [7].into(), ..Rules::default() };
        save(data.path(), &rules);
        assert_eq!(load(data.path()).unwrap(), Some(rules));
        for (text, part) in [("{", "rules.json"), (r#"{"divisor":0}"#, "divisor is 0")] {
            fs::write(data.path().join(FILE), text).unwrap();
            let error = load(data.path()).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("remove the file"), "{error}");
        }
        // A file that cannot be read is not damaged, and must not be removed.
        fs::remove_file(data.path().join(FILE)).unwrap();
        fs::create_dir(data.path().join(FILE)).unwrap();
        let error = load(data.path()).unwrap_err().to_string();
        assert!(error.contains("cannot read") && !error.contains("remove"), "{error}");
    }
}
