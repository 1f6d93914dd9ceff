//! Copies all files of a service in a safe order, and checks the copy.

use std::collections::HashSet;
use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::copy::{copy, copy_missing};
use super::error::BackupError;
use crate::backup_manifest::BackupManifest;
use crate::bans::BANS;
use crate::check::{self, DataPlace, Outcome, progress_bar};
use crate::cluster::GENERATION;
use crate::dead_letters::SPOOL;
use crate::kinesis::POSITIONS;
use crate::log::{LOG_FOLDER, SegmentId, checksums_key};
use crate::service::{CHECKPOINT, LAYOUT, saved_rules};
use crate::store::{Location, Object, Store};

/// How often a checkpoint is copied that a service writes at the same time, and the time between the copies.
const CHECKPOINT_COPIES: usize = 5;
const CHECKPOINT_WAIT: Duration = Duration::from_millis(500);

/// The stores of a backup.
pub(super) struct Backup {
    pub(super) data: Arc<dyn Store>,
    pub(super) archive: Arc<dyn Store>,
    /// The copy of the archive, if it is copied.
    pub(super) archive_copy: Option<Arc<dyn Store>>,
    pub(super) to: DataPlace,
}

impl Backup {
    /// Copies everything. `previous` is the manifest of the destination, and `location` that of the archive.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub(super) fn run(
        &self,
        previous: BackupManifest,
        location: &Location,
        out: &mut dyn Write,
    ) -> Result<Outcome, BackupError> {
        let to = &*self.to.store;
        let elsewhere = self.archive_copy.is_none().then(|| location.to_string());
        let manifest =
            BackupManifest { is_complete: false, archive: elsewhere, ..previous.clone() };
        manifest.write(to)?;

        let mut copied = HashSet::new();
        self.copy_file(POSITIONS, &mut copied)?;
        // Before the checkpoint: under another layout, a node does not use its checkpoint.
        self.copy_file(GENERATION, &mut copied)?;
        self.copy_file(LAYOUT, &mut copied)?;
        self.copy_checkpoint(&mut copied, out)?;
        self.copy_spool(&mut copied)?;
        self.copy_log(&mut copied)?;
        let objects = self.copy_archive(location, out)?;
        self.copy_file(saved_rules::FILE, &mut copied)?;
        self.copy_file(BANS, &mut copied)?;
        self.remove_others(&copied)?;

        let archive = self.archive_copy.as_ref().unwrap_or(&self.archive);
        // A complete backup was read when it was made.
        let is_read = |object: &Object| {
            self.archive_copy.is_some() && (!previous.is_complete || objects.contains(&object.key))
        };
        let outcome = check::verify(&self.to, archive, is_read, out)?;
        if outcome == Outcome::Undamaged {
            let newest = SegmentId::newest(to, &**archive)?;
            BackupManifest { is_complete: true, newest, ..manifest }.write(to)?;
            writeln!(out, "the backup in '{}' is complete", to.name(""))?;
        }
        Ok(outcome)
    }

    /// Copies the file `key`, if it exists, and adds it to `copied`.
    fn copy_file(&self, key: &str, copied: &mut HashSet<String>) -> Result<(), BackupError> {
        if copy(&*self.data, &*self.to.store, key)? {
            copied.insert(key.to_owned());
        }
        Ok(())
    }

    /// Copies the checkpoint until the copy is undamaged. A service may write it at the same time.
    fn copy_checkpoint(
        &self,
        copied: &mut HashSet<String>,
        out: &mut dyn Write,
    ) -> Result<(), BackupError> {
        for number in 1..=CHECKPOINT_COPIES {
            self.copy_file(CHECKPOINT, copied)?;
            let Some(object) =
                self.to.store.find(CHECKPOINT)?.filter(|_| copied.contains(CHECKPOINT))
            else {
                return Ok(());
            };
            match check::inspect(&self.to, &object) {
                Ok(_) => return Ok(()),
                Err(_) if number < CHECKPOINT_COPIES => thread::sleep(CHECKPOINT_WAIT),
                Err(error) => {
                    copied.remove(CHECKPOINT);
                    writeln!(
                        out,
                        "the checkpoint is left out, and a service on the backup computes its \
                        state from the log and the archive: {error}"
                    )?;
                }
            }
        }
        Ok(())
    }

    fn copy_spool(&self, copied: &mut HashSet<String>) -> Result<(), BackupError> {
        let files = self.data.list(&format!("{SPOOL}/"))?.objects;
        files.iter().try_for_each(|file| self.copy_file(&file.key, copied))
    }

    /// Copies each segment after its checksums, because a service writes checksums after their group.
    fn copy_log(&self, copied: &mut HashSet<String>) -> Result<(), BackupError> {
        for segment in self.data.list(LOG_FOLDER)?.objects {
            if let Some(checksums) = checksums_key(&segment.key) {
                self.copy_file(&checksums, copied)?;
                self.copy_file(&segment.key, copied)?;
            }
        }
        Ok(())
    }

    /// Copies the objects that the backup lacks, and returns their keys.
    fn copy_archive(
        &self,
        location: &Location,
        out: &mut dyn Write,
    ) -> Result<HashSet<String>, BackupError> {
        let Some(archive_copy) = &self.archive_copy else {
            writeln!(out, "the archive '{location}' is not copied; --with-archive copies it")?;
            return Ok(HashSet::new());
        };
        let progress = progress_bar("copied");
        let objects = copy_missing(&*self.archive, &**archive_copy, &progress)?;
        progress.finish_and_clear();
        writeln!(out, "copied {} objects of the archive", objects.len())?;
        Ok(objects)
    }

    /// Removes the files of an earlier backup that the service no longer has.
    fn remove_others(&self, copied: &HashSet<String>) -> Result<(), BackupError> {
        let to = &*self.to.store;
        let files = [POSITIONS, GENERATION, LAYOUT, CHECKPOINT, saved_rules::FILE, BANS];
        let mut keys = files.map(str::to_owned).to_vec();
        keys.extend(to.list(&format!("{SPOOL}/"))?.objects.into_iter().map(|file| file.key));
        for segment in to.list(LOG_FOLDER)?.objects {
            keys.extend(checksums_key(&segment.key));
            keys.push(segment.key);
        }
        for key in keys.iter().filter(|key| !copied.contains(*key)) {
            to.remove(key, u64::MAX)?;
        }
        Ok(())
    }
}
