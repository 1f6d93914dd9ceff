//! Copies the data of a service, which may be running, to a directory or a bucket.
//!
//! ```text
//! manifest (incomplete) ─► positions, checkpoint ─► dead letters, log ─► archive ─► rules, bans
//!   ─► files that the service no longer has are removed ─► check ─► manifest (complete)
//! ```
//!
//! A file moves from the log and the dead letters to the archive only after its object exists, so none is
//! missed in this order. The positions in a stream and the checkpoint are copied before the log, so the copied
//! log has all events that they cover.

mod copy;
mod error;
mod making;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::Path;

pub use error::BackupError;

use crate::backup_manifest::BackupManifest;
use crate::check::{DataPlace, Outcome, default_archive, open_archive};
use crate::lazy_aws::LazyAws;
use crate::log::SegmentId;
use crate::service::LOCK;
use crate::store::{Listing, Location, Store};
use making::Backup;

/// What to copy, and where to.
#[derive(Debug)]
pub struct Plan {
    /// The data directory.
    pub data: Location,
    /// The archive, if it is not in the data directory.
    pub archive: Option<Location>,
    /// Whether to copy an archive that is in a bucket.
    pub with_bucket: bool,
    /// The backup.
    pub to: Location,
}

/// Makes a backup, or continues a previous one of the same service. Prints what it copies, and the report of
/// the check at its end. The backup is complete if the check finds no damage.
///
/// # Errors
/// When the destination is not a backup of this service, and when a file cannot be read or written. The
/// backup is incomplete then.
pub fn run(plan: &Plan, lazy_aws: &LazyAws, out: &mut dyn Write) -> Result<Outcome, BackupError> {
    let data = DataPlace::find(&plan.data, lazy_aws)?;
    let data = data.ok_or_else(|| BackupError::NoData(plan.data.to_string()))?.store;
    let location = plan.archive.clone().unwrap_or_else(|| default_archive(&plan.data));
    for source in [&plan.data, &location] {
        ensure_outside(&plan.to, source)?;
    }
    if BackupManifest::read(&*data)?.is_some_and(|manifest| !manifest.is_complete) {
        return Err(BackupError::IncompleteSource(plan.data.to_string()));
    }
    let archive = open_archive(&location, lazy_aws)?;
    let mut to = DataPlace::new(&plan.to, lazy_aws)?;
    let previous = previous_manifest(&*data, &*archive, &*to.store)?;
    to.lock()?;
    let is_copied = plan.with_bucket || matches!(location, Location::Directory(_));
    let archive_copy = default_archive(&plan.to).open(lazy_aws)?;
    let archive_copy = is_copied.then_some(archive_copy);
    Backup { data, archive, archive_copy, to }.run(previous, &location, out)
}

/// The manifest of the backup that is continued, or that of a new one.
fn previous_manifest(
    data: &dyn Store,
    archive: &dyn Store,
    to: &dyn Store,
) -> Result<BackupManifest, BackupError> {
    match BackupManifest::read(to)? {
        Some(manifest) => match &manifest.newest {
            Some(newest) if !newest.is_in(data, archive)? => {
                let (to, newest) = (to.name(""), newest.key.clone());
                Err(BackupError::OtherService { to, newest })
            }
            _ => Ok(manifest),
        },
        None => {
            let Listing { folders, objects } = to.list("")?;
            match folders.is_empty() && objects.iter().all(|object| object.key == LOCK) {
                true => {
                    let newest = SegmentId::newest(data, archive)?;
                    Ok(BackupManifest { newest, ..BackupManifest::default() })
                }
                false => Err(BackupError::NoBackup(to.name(""))),
            }
        }
    }
}

/// Checks that the directory `to` is not in the directory `source`, whose files would then never end.
fn ensure_outside(to: &Location, source: &Location) -> Result<(), BackupError> {
    let (Location::Directory(to_path), Location::Directory(source_path)) = (to, source) else {
        return Ok(());
    };
    let Ok(source_path) = source_path.canonicalize() else { return Ok(()) };
    let existing = to_path.ancestors().find_map(|path| match path.as_os_str().is_empty() {
        true => Path::new(".").canonicalize().ok(),
        false => path.canonicalize().ok(),
    });
    match existing.is_some_and(|path| path.starts_with(&source_path)) {
        true => {
            let (to, source_directory) = (to.to_string(), source.to_string());
            Err(BackupError::Inside { to, source_directory })
        }
        false => Ok(()),
    }
}
