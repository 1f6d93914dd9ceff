//! Opening a data directory: what its log holds, and its torn end cut.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use metrics::gauge;
use tracing::warn;

use super::appender::Appender;
use super::archive::{self, NewestFirst};
use super::clock::Clock;
use super::error::LogError;
use super::files::Files;
use super::handle::Log;
use super::queue::Queue;
use super::scan::{Whole, WholeLines};
use super::sealer::Sealer;
use super::segment::{self, Create};
use super::writer::{Delivery, Writer};
use crate::health::Part;
use crate::ingest::gunzip::Gunzip;
use crate::store::{Object, Store, StoreError, durable};

/// A log that was opened and is not written to yet.
#[derive(Debug)]
pub struct Recovered {
    log: PathBuf,
    archive: Arc<dyn Store>,
    clock: Clock,
    /// How many segments are no objects yet; none is empty.
    segments: usize,
    /// Greater than the sequence of any segment and object.
    next: u64,
    last_ms: Option<u64>,
}

/// Opens the log whose segments are in `dir/log` and whose objects are in `archive`; neither need be
/// there. The torn end of the newest segment is cut, with a warning; segments that hold nothing or are
/// objects already are removed. Only one process may do so at a time.
///
/// # Errors
/// What cannot be listed, read, cut or removed; a damaged segment or newest object; an object with the
/// name of a segment and other bytes.
pub fn open(dir: &Path, archive: Arc<dyn Store>, clock: Clock) -> Result<Recovered, LogError> {
    let log = dir.join("log");
    let listed = segment::list(&log).map_err(LogError::disk("list", &log))?;
    let newest = listed.last().map(|(sequence, _)| *sequence);
    let oldest = listed.first().map_or(u64::MAX, |(sequence, _)| *sequence);
    // The newest object, and those before it that may be of a segment which is still there: a crash
    // came between the two.
    let (mut object, mut names) = (None, HashSet::new());
    for archived in NewestFirst::new(&*archive) {
        let archived = archived?;
        names.insert(archived.object.key.clone());
        let is_enough = archived.sequence <= oldest;
        object.get_or_insert(archived);
        if is_enough {
            break;
        }
    }

    let (mut segments, mut last_ms) = (0, None);
    for (sequence, path) in listed {
        let held = Held::of(&path).map_err(LogError::disk("read", &path))?;
        let is_newest = Some(sequence) == newest;
        if is_newest {
            held.cut_tear(&path)?;
        }
        let Some((first, last)) = held.lines else {
            if held.bytes > 0 && !is_newest {
                return Err(LogError::NoEvents(path));
            }
            remove(&path)?;
            continue;
        };
        last_ms = Some(last.arrival_ms);
        if names.contains(&archive::name(first.arrival_ms, sequence)) {
            archive::seal(&path, sequence, &*archive)?;
            continue;
        }
        segments += 1;
    }
    if let (None, Some(object)) = (last_ms, &object) {
        last_ms = Some(last_arrival(&*archive, &object.object)?);
    }
    let archived = object.map(|object| object.sequence);
    let next = newest.max(archived).map_or(1, |sequence| sequence + 1);
    Ok(Recovered { log, archive, clock, segments, next, last_ms })
}

impl Recovered {
    /// Where its events are, from its start on too.
    pub fn files(&self) -> Files {
        Files { log: self.log.clone(), archive: Arc::clone(&self.archive) }
    }

    /// The arrival of the last event, before which none will arrive; none in an empty log.
    pub fn last_arrival(&self) -> Option<u64> {
        self.last_ms
    }

    /// The same log that takes nothing before `ms`: what was told of a later time stays true though
    /// the clock went back meanwhile.
    pub fn not_before(self, ms: u64) -> Self {
        Self { last_ms: self.last_ms.max(Some(ms)), ..self }
    }

    /// Starts the threads that write and seal; `part` is told how the archive is. `deliver` is called on the
    /// writer's, in order, with each durable batch and each advance; the first advance comes at once. While it
    /// runs, nothing is written.
    ///
    /// # Errors
    /// Directories that cannot be made, threads that cannot be had.
    pub fn start<P: Send + 'static>(
        self,
        part: Part,
        deliver: impl FnMut(Delivery<P>) + Send + 'static,
    ) -> Result<Log<P>, LogError> {
        self.start_on(Box::new(segment::create), part, deliver)
    }

    /// Starts with segments that `create` makes.
    pub(super) fn start_on<P: Send + 'static>(
        self,
        create: Create,
        part: Part,
        deliver: impl FnMut(Delivery<P>) + Send + 'static,
    ) -> Result<Log<P>, LogError> {
        durable::create(&self.log).map_err(LogError::disk("make", &self.log))?;
        gauge!("velodrome_log_poisoned").set(0.0);
        gauge!("velodrome_log_segments").set(self.segments as f64);

        let (sealer, closed) = Sealer::new(self.log.clone(), self.archive, part);
        closed.below(self.next);
        let queue = Arc::new(Queue::new());
        let waiting = Arc::downgrade(&queue);
        self.clock.on_set(move || {
            if let Some(queue) = waiting.upgrade() {
                queue.wake();
            }
        });
        let writer = Writer {
            queue: Arc::clone(&queue),
            clock: self.clock,
            deliver,
            appender: Appender::new(self.log, self.next, create),
            closed,
            floor_ms: self.last_ms.unwrap_or(0),
            due_ms: 0,
            is_tick: false,
        };
        let sealing = spawn("velodrome-sealer", move || sealer.run())?;
        let writing = spawn("velodrome-log", move || writer.run())?;
        Ok(Log::new(queue, vec![writing, sealing]))
    }
}

fn spawn(
    name: &'static str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, LogError> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(run).map_err(|reason| LogError::Thread { name, reason })
}

/// What is in a segment.
struct Held {
    bytes: u64,
    /// Its first and its last whole line.
    lines: Option<(Whole, Whole)>,
}

impl Held {
    fn of(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        Ok(Self { bytes: file.metadata()?.len(), lines: ends(BufReader::new(file))? })
    }

    /// Cuts what comes after the last whole line: a write that was under way when the power went.
    /// The rest becomes durable, as it may have been under way too, and is read from now on.
    fn cut_tear(&self, path: &Path) -> Result<(), LogError> {
        let end = self.lines.map_or(0, |(_, last)| last.end);
        let bytes = self.bytes - end;
        if bytes > 0 {
            warn!(path = %path.display(), bytes, "cutting the torn end of the log");
        }
        let file = OpenOptions::new().write(true).open(path);
        file.and_then(|file| file.set_len(end).and_then(|()| file.sync_all()))
            .map_err(LogError::disk("cut", path))
    }
}

/// The first and the last whole line of `reader`.
fn ends(reader: impl BufRead) -> io::Result<Option<(Whole, Whole)>> {
    let mut lines = WholeLines::new(reader);
    let Some(first) = lines.next().transpose()? else { return Ok(None) };
    let last = lines.try_fold(first, |_, line| line)?;
    Ok(Some((first, last)))
}

/// The arrival of the last event of an object.
fn last_arrival(archive: &dyn Store, object: &Object) -> Result<u64, LogError> {
    let ends = ends(BufReader::new(Gunzip::new(BufReader::new(archive.read(object, 0)?))));
    let name = || archive.name(&object.key);
    let failed = |reason| StoreError { action: "read", name: name(), reason };
    let last = ends.map_err(failed)?.map(|(_, last)| last.arrival_ms);
    last.ok_or_else(|| LogError::NoEvents(name().into()))
}

fn remove(path: &Path) -> Result<(), LogError> {
    fs::remove_file(path).map_err(LogError::disk("remove", path))
}
