//! Checkpoints: what the graph held at a time, in an embedded store.
//!
//! The graph tells what is to be kept as changes; a checkpoint that is complete to a time is the sum of
//! all changes up to it. A write adds what changed since the last one, in one transaction, so that the
//! file holds at every moment, a crash included, the sum up to one time and says which. Changes know
//! nothing of workers: what is read goes back into the graph on any of them.

mod delta;
mod error;
mod meta;
mod tables;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use redb::{Builder, Database, ReadableDatabase};
use velodrome_dataflows::{Change, Clock, Rules, Viewed};

use crate::replace::remove;
use delta::Delta;
pub use error::CheckpointError;
use error::Fault;
use tables::{FINALS, NAMES, RECORDS, RIDES, SEEN, VIEWS, rows};

/// How many changes are read at once: 2.5 MB of curves of 300 seconds.
pub const CHUNK: usize = 1024;

/// What redb may hold of the file in memory, instead of its 1 GiB: the graph has it all anyway.
const CACHE_BYTES: usize = 32 << 20;

/// The store of one data directory: a file.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    rules: Rules,
    /// None after a write that failed: redb must open the file anew.
    store: Option<Database>,
    complete: Option<Clock>,
    /// What changed since `complete`, in writes that failed.
    delta: Delta,
}

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Rows that were put or removed.
    pub rows: u64,
    /// Length of the file.
    pub bytes: u64,
}

impl Checkpoint {
    /// Opens the checkpoint at `path`, whatever the rules that it was made under, or begins one under `rules`
    /// where nothing is. All of it is read once, to find damage anywhere; but for the bit that says which of
    /// two commits is the newer. Where that is wrong after a crash, what the write before came to opens,
    /// whole, with its time.
    ///
    /// # Errors
    /// Damage, a checkpoint made in another format, one in use by another process, I/O.
    pub fn open(path: &Path, rules: &Rules) -> Result<Self, CheckpointError> {
        let opened = || {
            let store = if path.try_exists()? { open(path)? } else { begin(path)? };
            let meta = meta::read(&store)?;
            Ok((store, meta))
        };
        let (store, meta) = opened().map_err(|fault: Fault| fault.at(path))?;
        let (rules, complete) = match meta {
            Some((made_under, complete)) => (made_under, Some(complete)),
            None => (rules.clone(), None),
        };
        let (path, delta) = (path.to_owned(), Delta::default());
        Ok(Self { path, rules, store: Some(store), complete, delta })
    }

    /// The rules that it is made under.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether it is made under `rules`.
    ///
    /// # Errors
    /// It is not; each rule that differs is named.
    pub fn check(&self, rules: &Rules) -> Result<(), CheckpointError> {
        meta::check(&self.rules, rules).map_err(|fault| fault.at(&self.path))
    }

    /// Moves its file to `path`, in the place of what is there. A crash soon after may bring that back.
    ///
    /// # Errors
    /// I/O; then nothing was moved.
    pub fn take_place(&mut self, path: &Path) -> Result<(), CheckpointError> {
        let moved = fs::rename(&self.path, path);
        moved.map_err(|reason| CheckpointError::Io { path: path.to_owned(), reason })?;
        self.path = path.to_owned();
        if let Err(error) = sync_directory(path) {
            tracing::warn!(%error, "the checkpoint's new name may not be on the disk yet");
        }
        Ok(())
    }

    /// Removes what is at `path`, if anything is.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn discard(path: &Path) -> Result<(), CheckpointError> {
        remove(path).map_err(|reason| CheckpointError::Io { path: path.to_owned(), reason })
    }

    /// The time that it is complete to, if anything was ever written.
    pub fn complete(&self) -> Option<Clock> {
        self.complete
    }

    /// Hands all that is kept to `take`, in chunks of up to [`CHUNK`] changes of rides or of views.
    ///
    /// # Errors
    /// I/O, or damage that came after it was opened; then what was handed out is not all.
    pub fn read(
        &self,
        mut take: impl FnMut(Vec<Change>, Vec<Viewed>),
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
                .chain(rows(&read, RIDES, Change::Kept)?);
            hand_out(changes, |chunk| take(chunk, Vec::new()))?;
            let count = |project: String, count| Viewed::Count(project.into(), count);
            let seen = read.open_table(SEEN)?.range::<(u64, u128)>(..)?.map(|row| {
                let (day, uuid) = row?.0.value();
                Ok(Viewed::Seen(day, uuid))
            });
            let viewed = rows(&read, VIEWS, count)?.chain(seen);
            hand_out(viewed, |chunk| take(Vec::new(), chunk))
        };
        read().map_err(|fault: Fault| fault.at(&self.path))
    }

    /// Adds what changed since the last write, in the order that it was told, and moves the time on to
    /// `complete`; all of it or nothing. Once it returns, it is on the disk.
    ///
    /// # Errors
    /// I/O, or damage that came after it was opened. What changed is kept for the next write, so that a
    /// disk that was full for some time costs nothing but memory.
    pub fn write(
        &mut self,
        complete: Clock,
        changes: Vec<Change>,
        viewed: Vec<Viewed>,
    ) -> Result<Written, CheckpointError> {
        let began = Instant::now();
        let write = || {
            let store = self.take_store()?;
            self.delta.add(changes, viewed);
            let written = self.commit(&store, complete)?;
            self.store = Some(store);
            Ok(written)
        };
        let written = write().map_err(|fault: Fault| fault.at(&self.path))?;
        self.delta = Delta::default();
        self.complete = Some(complete);
        metrics::histogram!("velodrome_checkpoint_seconds").record(began.elapsed());
        metrics::gauge!("velodrome_checkpoint_bytes").set(written.bytes as f64);
        metrics::counter!("velodrome_checkpoint_rows_total").increment(written.rows);
        Ok(written)
    }

    /// The store; after a write that failed it is opened anew, and where that write is in it after all,
    /// its changes must not be added again.
    fn take_store(&mut self) -> Result<Database, Fault> {
        if let Some(store) = self.store.take() {
            return Ok(store);
        }
        let store = open(&self.path)?;
        let meta = meta::read(&store)?;
        if let Some((made_under, _)) = &meta {
            meta::check(made_under, &self.rules)?;
        }
        let complete = meta.map(|(_, complete)| complete);
        if complete != self.complete {
            (self.complete, self.delta) = (complete, Delta::default());
        }
        Ok(store)
    }

    fn commit(&self, store: &Database, complete: Clock) -> Result<Written, Fault> {
        let mut write = store.begin_write()?;
        // Of a commit in two phases redb knows that it was whole: damage to it is told, where it
        // would else be taken for a crash and the commit before it opened.
        write.set_two_phase_commit(true);
        let rows = self.delta.apply(&write)?;
        meta::say(&write, complete, &self.rules)?;
        write.commit()?;
        Ok(Written { rows, bytes: fs::metadata(&self.path)?.len() })
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Opens what is there, every page held against its checksum.
fn open(path: &Path) -> Result<Database, Fault> {
    Ok(builder().set_check_integrity_on_open(true).open(path)?)
}

/// Begins a file under another name, so that one cut short by a crash is never taken for damage, nor an
/// emptied one for new.
fn begin(path: &Path) -> Result<Database, Fault> {
    let new = path.with_extension("new");
    remove(&new)?;
    let store = builder().create(&new)?;
    fs::rename(&new, path)?;
    sync_directory(path)?;
    Ok(store)
}

/// A new name is on the disk only once its directory is.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// Hands the items to `take`, [`CHUNK`] by [`CHUNK`].
fn hand_out<T>(
    mut items: impl Iterator<Item = Result<T, Fault>>,
    mut take: impl FnMut(Vec<T>),
) -> Result<(), Fault> {
    loop {
        let chunk = items.by_ref().take(CHUNK).collect::<Result<Vec<_>, _>>()?;
        if chunk.is_empty() {
            return Ok(());
        }
        take(chunk);
    }
}
