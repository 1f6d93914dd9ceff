//! Checkpoints: the saved state of the graph, in an embedded store.
//!
//! The graph emits its state as changes. A checkpoint that is complete up to a time is the sum of all
//! changes up to that time. Each write adds the changes since the previous write in one transaction. So
//! the file always contains the sum up to exactly one time, which it records, even after a crash.
//! Changes do not depend on the number of workers, so they can be restored with any number.

mod delta;
mod error;
mod file;
mod format;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod inspect;
mod meta;
mod tables;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use redb::{Database, ReadableDatabase};
use velodrome_dataflows::{Change, EventTime, Rules, ViewChange};

use crate::atomic_file::remove_if_exists;
use crate::disk;
use crate::log::LogPosition;
use delta::Delta;
pub use error::CheckpointError;
use error::Fault;
pub use inspect::{Inspected, inspect};
use meta::Meta;
use tables::{FINALS, NAMES, RECORDS, RIDES, SEEN, VIEWS, rows};

/// The number of changes that are read at once: 2.5 MB of curves of 300 seconds.
pub const CHUNK: usize = 1024;

/// The checkpoint of a data directory: one file.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    rules: Rules,
    /// `None` after a failed write: redb requires the file to be opened again.
    store: Option<Database>,
    complete: Option<EventTime>,
    covered: Option<LogPosition>,
    /// Changes since `complete` that failed writes left unsaved.
    delta: Delta,
}

/// The size of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteStats {
    /// Rows that were written or removed.
    pub rows: u64,
    /// The length of the file.
    pub bytes: u64,
}

impl Checkpoint {
    /// Opens the checkpoint at `path`, regardless of its rules, or creates one under `rules`.
    ///
    /// Reads the complete file once to find damage. One bit has no checksum: the bit that selects the
    /// newer of two commits. If it is damaged, the store opens at the previous commit, which is complete
    /// and has its own time.
    ///
    /// # Errors
    /// When the file is damaged, has another format, is open in another process, or cannot be read or
    /// written.
    pub fn open(path: &Path, rules: &Rules) -> Result<Self, CheckpointError> {
        let opened = || {
            let store = if path.try_exists()? { file::open(path)? } else { file::create(path)? };
            let meta = meta::read(&store)?;
            Ok((store, meta))
        };
        let (store, meta) = opened().map_err(|fault: Fault| fault.at(path))?;
        let (rules, complete, covered) = match meta {
            Some(Meta { rules, complete, covered }) => (rules, Some(complete), covered),
            None => (rules.clone(), None, None),
        };
        let (path, delta) = (path.to_owned(), Delta::default());
        Ok(Self { path, rules, store: Some(store), complete, covered, delta })
    }

    /// The rules under which it was made.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Checks that it was made under `rules`.
    ///
    /// # Errors
    /// When it was made under different rules. The error names each rule that differs.
    pub fn check(&self, rules: &Rules) -> Result<(), CheckpointError> {
        meta::check(&self.rules, rules).map_err(|fault| fault.at(&self.path))
    }

    /// Renames its file to `path`, replacing any file there. If the machine crashes right afterwards,
    /// the previous file may reappear.
    ///
    /// # Errors
    /// When the file cannot be renamed. Nothing has changed then.
    pub fn rename_to(&mut self, path: &Path) -> Result<(), CheckpointError> {
        let renamed = disk::rename(&self.path, path);
        renamed.map_err(|reason| CheckpointError::Io { path: path.to_owned(), reason })?;
        self.path = path.to_owned();
        if let Err(error) = file::sync_directory(path) {
            tracing::warn!(%error, "the checkpoint's new name may not be on the disk yet");
        }
        Ok(())
    }

    /// Removes the file at `path`, if there is one.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn discard(path: &Path) -> Result<(), CheckpointError> {
        let removed = remove_if_exists(path);
        removed.map_err(|reason| CheckpointError::Io { path: path.to_owned(), reason })
    }

    /// The time up to which it is complete, or `None` before the first write.
    pub fn complete(&self) -> Option<EventTime> {
        self.complete
    }

    /// The part of the log that it covers, as far as it is known.
    pub fn covered(&self) -> Option<LogPosition> {
        self.covered
    }

    /// Passes all saved changes to `restore`, in chunks of up to [`CHUNK`] changes of rides or of views.
    ///
    /// # Errors
    /// When the file cannot be read or was damaged after opening. Some changes have already been passed
    /// then.
    pub fn read(
        &self,
        mut restore: impl FnMut(Vec<Change>, Vec<ViewChange>),
    ) -> Result<(), CheckpointError> {
        let mut read = || {
            if self.complete.is_none() {
                return Ok(());
            }
            let Some(store) = &self.store else { return Ok(()) };
            let read = store.begin_read()?;
            let changes = rows(&read, RECORDS, Change::Record)?
                .chain(rows(&read, FINALS, Change::Final)?)
                .chain(rows(&read, NAMES, Change::Name)?)
                .chain(rows(&read, RIDES, Change::Saved)?);
            for_each_chunk(changes, |chunk| restore(chunk, Vec::new()))?;
            let count = |project: String, count| ViewChange::Count(project.into(), count);
            let seen = read.open_table(SEEN)?.range::<(u64, u128)>(..)?.map(|row| {
                let (day, uuid) = row?.0.value();
                Ok(ViewChange::Seen(day, uuid))
            });
            let view_changes = rows(&read, VIEWS, count)?.chain(seen);
            for_each_chunk(view_changes, |chunk| restore(Vec::new(), chunk))
        };
        read().map_err(|fault: Fault| fault.at(&self.path))
    }

    /// Adds the changes since the previous write and advances the time to `complete`, in one durable
    /// transaction. The changes must be in the order of emission. They include those of all events up to
    /// `covered`, if it is known.
    ///
    /// # Errors
    /// When the file cannot be written or was damaged after opening. The changes are retained for the
    /// next write, so a temporarily full disk costs only memory.
    pub fn write(
        &mut self,
        complete: EventTime,
        changes: Vec<Change>,
        view_changes: Vec<ViewChange>,
        covered: Option<LogPosition>,
    ) -> Result<WriteStats, CheckpointError> {
        let began = Instant::now();
        self.covered = covered.or(self.covered);
        let write = || {
            let store = self.take_store();
            // Also if the store cannot be opened: nothing else has these changes.
            self.delta.add(changes, view_changes);
            let store = store?;
            let stats = self.commit(&store, complete)?;
            self.store = Some(store);
            Ok(stats)
        };
        let stats = write().map_err(|fault: Fault| fault.at(&self.path))?;
        self.delta = Delta::default();
        self.complete = Some(complete);
        metrics::histogram!("velodrome_checkpoint_seconds").record(began.elapsed());
        metrics::gauge!("velodrome_checkpoint_bytes").set(stats.bytes as f64);
        metrics::counter!("velodrome_checkpoint_rows_total").increment(stats.rows);
        Ok(stats)
    }

    /// Forgets the changes that failed writes left unsaved: the checkpoint is what its file contains.
    ///
    /// # Errors
    /// When the file is damaged or cannot be opened.
    pub fn revert(&mut self) -> Result<(), CheckpointError> {
        let store = self.take_store().map_err(|fault| fault.at(&self.path))?;
        (self.store, self.delta) = (Some(store), Delta::default());
        Ok(())
    }

    /// Takes the store, reopening it after a failed write. If the store turns out to contain that write,
    /// its changes are dropped from the delta so that they are not added twice.
    fn take_store(&mut self) -> Result<Database, Fault> {
        if let Some(store) = self.store.take() {
            return Ok(store);
        }
        let store = file::open(&self.path)?;
        let meta = meta::read(&store)?;
        if let Some(meta) = &meta {
            meta::check(&meta.rules, &self.rules)?;
        }
        let complete = meta.map(|meta| meta.complete);
        if complete != self.complete {
            (self.complete, self.delta) = (complete, Delta::default());
        }
        Ok(store)
    }

    fn commit(&self, store: &Database, complete: EventTime) -> Result<WriteStats, Fault> {
        let mut write = store.begin_write()?;
        // redb detects damage to a two-phase commit. Damage to a one-phase commit looks like a crash
        // during the commit, and redb would silently open the previous one.
        write.set_two_phase_commit(true);
        let rows = self.delta.apply(&write)?;
        meta::write(&write, complete, &self.rules, self.covered)?;
        write.commit()?;
        Ok(WriteStats { rows, bytes: fs::metadata(&self.path)?.len() })
    }
}

/// Passes the items to `consume` in chunks of up to [`CHUNK`].
fn for_each_chunk<T>(
    mut items: impl Iterator<Item = Result<T, Fault>>,
    mut consume: impl FnMut(Vec<T>),
) -> Result<(), Fault> {
    loop {
        let chunk = items.by_ref().take(CHUNK).collect::<Result<Vec<_>, _>>()?;
        if chunk.is_empty() {
            return Ok(());
        }
        consume(chunk);
    }
}
