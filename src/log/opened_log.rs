//! Opens the log of a data directory, and starts it.

use std::collections::HashSet;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use metrics::gauge;
use tracing::warn;

use super::admission::Admission;
use super::appender::Appender;
use super::archive::{self, ArchivedSegment, NewestSegments};
use super::arrival_slots::ArrivalSlots;
use super::checksums;
use super::clock::Clock;
use super::delivery::Delivery;
use super::error::LogError;
use super::handle::Log;
use super::log_files::LogFiles;
use super::positions::{LogPosition, Positions};
use super::queue::Queue;
use super::sealer::Sealer;
use super::segment::{self, CreateSegment};
use super::segment_contents::{SegmentContents, first_and_last};
use super::writer::Writer;
use crate::disk;
use crate::health::Component;
use crate::ingest::gunzip::Gunzip;
use crate::ingest::object_names::segment_key;
use crate::store::{Object, Store, StoreError};

/// A log that is open but not started.
#[derive(Debug)]
pub struct OpenedLog {
    log: PathBuf,
    archive: Arc<dyn Store>,
    clock: Clock,
    /// The number of segments that are not sealed. None of them is empty.
    segments: usize,
    /// The sequence of the next segment, greater than that of any segment or object.
    next: u64,
    last_ms: Option<u64>,
    /// The end of the log, if it has events.
    end: Option<LogPosition>,
    positions: Positions,
    accept_damage: bool,
    slots: ArrivalSlots,
    seals_at_end: bool,
}

/// Opens the log with segments in `dir/log` and objects in `archive`. Neither needs to exist yet.
///
/// Removes an interrupted write from the newest segment, with a warning. Removes segments that are empty or whose
/// object exists. Only one process at a time may open a log. With `accept_damage`, damaged and missing
/// segments are only warned about, now and by [`LogFiles::inputs_from`].
///
/// # Errors
/// When a segment differs from its checksums; when a file or object cannot be listed, read, truncated or removed; when a segment or the newest
/// object has no complete line; when the archive has another object with the name of a segment's
/// object.
pub fn open(
    dir: &Path,
    archive: Arc<dyn Store>,
    clock: Clock,
    accept_damage: bool,
) -> Result<OpenedLog, LogError> {
    let log = dir.join("log");
    let listed = segment::list(&log).map_err(LogError::disk("list", &log))?;
    let newest = listed.last().map(|(sequence, _)| *sequence);
    let oldest = listed.first().map_or(u64::MAX, |(sequence, _)| *sequence);
    let (object, names) = newest_objects(&*archive, oldest)?;

    checksums::remove_orphans(&log).map_err(LogError::disk("clean up", &log))?;
    let (mut segments, mut last_ms, mut end) = (0, None, None);
    for (sequence, path) in listed {
        let torn_from = verify(&path, accept_damage)?;
        let mut contents = SegmentContents::read(&path).map_err(LogError::disk("read", &path))?;
        let is_newest = Some(sequence) == newest;
        if is_newest {
            contents = contents.repair(&path, torn_from)?;
            checksums::renew(&path).map_err(LogError::disk("write the checksums of", &path))?;
        }
        let Some((first, last)) = contents.lines else {
            if contents.bytes > 0 && !is_newest {
                return Err(LogError::NoEvents(path.display().to_string()));
            }
            remove(&path)?;
            continue;
        };
        last_ms = Some(last.arrival_ms);
        end = Some(LogPosition { sequence, bytes: last.end });
        if names.contains(&segment_key(first.arrival_ms, sequence)) {
            // The process crashed between storing the object and removing the segment, so finish the
            // sealing.
            archive::seal(&path, sequence, &*archive)?;
            continue;
        }
        segments += 1;
    }
    if let (None, Some(object)) = (last_ms, &object) {
        last_ms = Some(last_arrival(&*archive, &object.object)?);
        end = Some(LogPosition { sequence: object.sequence, bytes: 0 });
    }
    let next = end.map_or(1, |end| end.sequence + 1);
    let positions = Positions::default();
    Ok(OpenedLog {
        log,
        archive,
        clock,
        segments,
        next,
        last_ms,
        end,
        positions,
        accept_damage,
        slots: ArrivalSlots::default(),
        seals_at_end: false,
    })
}

/// Compares a segment with its checksums. Damage that is accepted is the new state of the segment.
/// Returns the offset from which the segment can be torn.
fn verify(path: &Path, accept_damage: bool) -> Result<u64, LogError> {
    match checksums::verify(path) {
        Err(error @ LogError::Damaged { .. }) if accept_damage => {
            warn!(%error, "a segment is damaged; its readable lines count");
            checksums::renew(path).map_err(LogError::disk("write the checksums of", path))?;
            Ok(u64::MAX)
        }
        verified => verified,
    }
}

/// The newest object of the archive, and the names of all objects that can belong to segments from
/// `oldest` on.
fn newest_objects(
    archive: &dyn Store,
    oldest: u64,
) -> Result<(Option<ArchivedSegment>, HashSet<String>), LogError> {
    let (mut newest, mut names) = (None, HashSet::new());
    for archived in NewestSegments::new(archive) {
        let archived = archived?;
        names.insert(archived.object.key.clone());
        let is_oldest = archived.sequence <= oldest;
        newest.get_or_insert(archived);
        if is_oldest {
            break;
        }
    }
    Ok((newest, names))
}

/// The arrival of the last event of an object.
fn last_arrival(archive: &dyn Store, object: &Object) -> Result<u64, LogError> {
    let reader = BufReader::new(Gunzip::new(BufReader::new(archive.read(object, 0)?)));
    let name = || archive.name(&object.key);
    let failed = |reason| StoreError { action: "read", name: name(), reason };
    let last = first_and_last(reader).map_err(failed)?.map(|(_, last)| last.arrival_ms);
    last.ok_or_else(|| LogError::NoEvents(name()))
}

fn remove(path: &Path) -> Result<(), LogError> {
    let removed = disk::remove_file(path).and_then(|()| checksums::remove(path));
    removed.map_err(LogError::disk("remove", path))
}

impl OpenedLog {
    /// Where the log's files are. It stays valid after the start.
    pub fn files(&self) -> LogFiles {
        let (log, archive) = (self.log.clone(), Arc::clone(&self.archive));
        LogFiles { log, archive, accept_damage: self.accept_damage }
    }

    /// The positions of what the log writes from its start on, for checkpoints.
    pub fn positions(&self) -> Positions {
        self.positions.clone()
    }

    /// The sequence of the newest segment, sealed or not; 0 for an empty log.
    pub fn newest(&self) -> u64 {
        self.next - 1
    }

    /// The arrival of the last event, or `None` for an empty log. No later event arrives before it.
    pub fn last_arrival(&self) -> Option<u64> {
        self.last_ms
    }

    /// The same log, with no new arrivals before `ms`. A time that readers have seen as complete then
    /// stays complete, even if the clock has gone back.
    pub fn with_min_arrival(self, ms: u64) -> Self {
        Self { last_ms: self.last_ms.max(Some(ms)), ..self }
    }

    /// The same log as that of a node of a cluster: its events arrive at these milliseconds only, and when it is closed,
    /// all of it is in the archive, where the other nodes can read it.
    pub fn of_node(self, slots: ArrivalSlots) -> Self {
        Self { slots, seals_at_end: true, ..self }
    }

    /// Starts the writer and the sealer threads.
    ///
    /// The writer asks `admission` for each batch before it writes it. It calls `deliver` in order, with
    /// each durable batch and each advance; the first advance follows immediately. The log writes nothing
    /// while `deliver` runs. `component` receives the health of the archive.
    ///
    /// # Errors
    /// When a directory or a thread cannot be created.
    pub fn start<P: Send + 'static>(
        self,
        component: Component,
        admission: impl Admission<P> + 'static,
        deliver: impl FnMut(Delivery<P>) + Send + 'static,
    ) -> Result<Log<P>, LogError> {
        self.start_on(Box::new(segment::create), component, admission, deliver)
    }

    /// Starts the log as [`OpenedLog::start`] does, with segment files that `create` creates.
    pub(super) fn start_on<P: Send + 'static>(
        self,
        create: CreateSegment,
        component: Component,
        admission: impl Admission<P> + 'static,
        deliver: impl FnMut(Delivery<P>) + Send + 'static,
    ) -> Result<Log<P>, LogError> {
        disk::create_dir_all(&self.log).map_err(LogError::disk("create", &self.log))?;
        gauge!("velodrome_log_poisoned").set(0.0);
        gauge!("velodrome_log_segments").set(self.segments as f64);

        if let (Some(last_ms), Some(end)) = (self.last_ms, self.end) {
            self.positions.push(last_ms, end);
        }
        let (sealer, seal_requests) =
            Sealer::new(self.log.clone(), self.archive, component, self.seals_at_end);
        seal_requests.seal_below(self.next);
        let queue = Arc::new(Queue::new());
        let woken = Arc::downgrade(&queue);
        self.clock.on_set(move || {
            if let Some(queue) = woken.upgrade() {
                queue.wake();
            }
        });
        let writer = Writer {
            queue: Arc::clone(&queue),
            clock: self.clock,
            admission,
            deliver,
            appender: Appender::new(self.log, self.next, create),
            positions: self.positions,
            seal_requests,
            min_ms: self.last_ms.unwrap_or(0),
            next_advance_ms: 0,
            slots: self.slots,
            seals_at_end: self.seals_at_end,
            tick_opened: None,
        };
        let sealer = spawn("velodrome-sealer", move || sealer.run())?;
        let writer = spawn("velodrome-log", move || writer.run())?;
        Ok(Log::new(queue, vec![writer, sealer]))
    }
}

fn spawn(
    name: &'static str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, LogError> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(run).map_err(|reason| LogError::Thread { name, reason })
}
