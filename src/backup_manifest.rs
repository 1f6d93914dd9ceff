//! The manifest of a backup: whether it is complete, and of which log it is.

use std::io::Write;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::json_checksum;
use crate::log::SegmentId;
use crate::store::{Condition, PutOptions, Store, StoreError};

/// The name of the manifest in a backup.
pub const MANIFEST: &str = "backup.json";

const OPTIONS: PutOptions =
    PutOptions { content_type: "application/json", condition: Condition::Always, acl: None };

/// The manifest of a backup. It is written before the first file, as incomplete, and after the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackupManifest {
    /// Whether the backup was verified after its last file.
    pub is_complete: bool,
    /// The newest segment, which only the backed up service has. `None` if the log has no events.
    pub newest: Option<SegmentId>,
    /// Where the archive is, if it is not part of the backup.
    pub archive: Option<String>,
}

/// A manifest that cannot be used.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// It is damaged.
    #[error("'{0}' is damaged; remove the backup, and make another one")]
    Damaged(String),
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackupManifest {
    /// The manifest in `store`, if it has one.
    ///
    /// # Errors
    /// When it cannot be read or parsed.
    pub fn read(store: &dyn Store) -> Result<Option<Self>, ManifestError> {
        let Some(text) = store.get(MANIFEST)? else { return Ok(None) };
        let parse = || {
            let text = json_checksum::remove(str::from_utf8(&text).ok()?).ok()?;
            serde_json::from_str(&text).ok()
        };
        parse().map(Some).ok_or_else(|| ManifestError::Damaged(store.name(MANIFEST)))
    }

    /// Replaces the manifest in `store`, atomically and durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, store: &dyn Store) -> Result<(), StoreError> {
        let text = serde_json::to_string(self).unwrap_or_default();
        let text = json_checksum::add(&text);
        store.put(MANIFEST, OPTIONS, &mut |out: &mut dyn Write| out.write_all(text.as_bytes()))?;
        Ok(())
    }
}
