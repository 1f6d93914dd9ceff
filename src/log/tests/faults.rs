//! Injects failures into single writes and fsyncs, on a simulated disk that retains only synced bytes.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::segment::{CreateError, CreateSegment, SegmentFile};
use super::*;

/// A disk on which some calls fail. Calls are numbered over all files.
#[derive(Clone)]
pub(super) struct Disk {
    calls: Arc<AtomicUsize>,
    failing: Arc<[usize]>,
    kind: ErrorKind,
}

/// A file whose writes stay in memory until they are synced, so that the disk has the state after a
/// power cut.
struct Unsynced {
    path: PathBuf,
    disk: Disk,
    bytes: Vec<u8>,
    /// How many of the bytes survive a power cut.
    durable: usize,
}

impl Disk {
    pub(super) fn new(failing: impl IntoIterator<Item = usize>, kind: ErrorKind) -> Self {
        Self { calls: Arc::default(), failing: failing.into_iter().collect(), kind }
    }

    fn call(&self) -> io::Result<()> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        if self.failing.contains(&call) { Err(self.kind.into()) } else { Ok(()) }
    }

    pub(super) fn create(self) -> CreateSegment {
        Box::new(move |path| {
            self.call().map_err(CreateError::Open)?;
            fs::write(path, b"").map_err(CreateError::Open)?;
            let (path, disk) = (path.to_owned(), self.clone());
            Ok(Box::new(Unsynced { path, disk, bytes: Vec::new(), durable: 0 }))
        })
    }
}

impl SegmentFile for Unsynced {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let called = self.disk.call();
        let written = if called.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        self.bytes.extend_from_slice(written);
        called
    }

    fn sync(&mut self) -> io::Result<()> {
        let called = self.disk.call();
        let torn = self.bytes.len().saturating_sub(7).max(self.durable.min(self.bytes.len()));
        self.durable = if called.is_ok() { self.bytes.len() } else { torn };
        fs::write(&self.path, &self.bytes[..self.durable])?;
        called
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.disk.call()?;
        self.bytes.truncate(usize::try_from(length).unwrap());
        Ok(())
    }
}

/// Starts a log on `disk` and the data directory `dir`.
fn start_on(disk: Disk, dir: &Path) -> Log<u64> {
    let opened = open(dir, Clock::manual(START_MS).0).unwrap();
    opened.start_on(disk.create(), component(), AdmitAll, |_| ()).unwrap()
}

/// Appends ten events one by one. Returns those acknowledged, and the errors of the others.
fn append_ten(log: &Log<u64>) -> (Vec<u64>, Vec<AppendError>) {
    let (mut acknowledged, mut errors) = (Vec::new(), Vec::new());
    for number in 0..10 {
        match append(log, number) {
            Ok(_) => acknowledged.push(number),
            Err(error) => errors.push(error),
        }
    }
    (acknowledged, errors)
}

fn numbers_in(dir: &Path) -> Vec<u64> {
    logged_events(dir).into_iter().map(|(number, _)| number).collect()
}

/// The calls for ten events: one create, then a write and a sync for each.
const CALLS: usize = 1 + 2 * 10;

#[test]
fn after_any_failure_nothing_is_acknowledged_and_nothing_acknowledged_is_lost() {
    for failing in 1..CALLS {
        let root = tempfile::tempdir().unwrap();
        let log = start_on(Disk::new([failing], ErrorKind::Other), root.path());
        let (acknowledged, errors) = append_ten(&log);
        let expected = failing.saturating_sub(1) as u64 / 2;
        assert!(acknowledged.iter().copied().eq(0..expected), "{failing}: {acknowledged:?}");
        let AppendError::Poisoned(reason) = &errors[0] else { panic!("{errors:?}") };
        assert!(reason.starts_with("cannot write '") && reason.contains("jsonl': other error"));
        assert!(errors.iter().all(|error| *error == errors[0]), "{failing}: {errors:?}");
        assert_eq!(log.health(), LogHealth::Poisoned(reason.clone()));
        log.close();
        assert_eq!(numbers_in(root.path()), acknowledged, "{failing}");
    }
}

#[test]
fn a_full_disk_refuses_one_group_and_has_no_part_of_it() {
    for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
        for failing in 0..CALLS {
            let root = tempfile::tempdir().unwrap();
            let log = start_on(Disk::new([failing], kind), root.path());
            let (acknowledged, errors) = append_ten(&log);
            assert_eq!(errors, [AppendError::Unavailable(Obstacle::DiskFull)], "{failing}");
            let last_failed = failing + 2 >= CALLS;
            let health = if last_failed {
                LogHealth::Unavailable(Obstacle::DiskFull)
            } else {
                LogHealth::Healthy
            };
            assert_eq!(log.health(), health, "{failing}");
            log.close();
            assert_eq!(acknowledged.len(), 9);
            // The other groups have their checksums, and so has the close.
            let sums = root.path().join("log/.00000000000000000001.sums");
            let sums = fs::read_to_string(sums).unwrap();
            assert_eq!(sums.lines().count(), 9 + 1, "{failing}");
            assert_eq!(numbers_in(root.path()), acknowledged, "{failing}");
        }
    }
}

#[test]
fn a_full_disk_refuses_groups_until_it_has_space() {
    let root = tempfile::tempdir().unwrap();
    // The first three attempts to create a segment fail.
    let log = start_on(Disk::new(0..3, ErrorKind::StorageFull), root.path());
    for number in 0..3 {
        assert_eq!(append(&log, number), Err(AppendError::Unavailable(Obstacle::DiskFull)));
        assert_eq!(log.health(), LogHealth::Unavailable(Obstacle::DiskFull));
    }
    append(&log, 3).unwrap();
    assert_eq!(log.health(), LogHealth::Healthy);
    log.close();
    assert_eq!(numbers_in(root.path()), [3]);
}

#[test]
fn a_segment_that_cannot_be_opened_refuses_groups_until_it_can() {
    for kind in [ErrorKind::Other, ErrorKind::PermissionDenied, ErrorKind::NotFound] {
        let root = tempfile::tempdir().unwrap();
        let (clock, time) = Clock::manual(START_MS);
        let opened = open(root.path(), clock).unwrap();
        let create = Disk::new(0..3, kind).create();
        let log = opened.start_on(create, component(), AdmitAll, |_| ()).unwrap();
        let obstacle = Obstacle::NoFile(io::Error::from(kind).to_string());
        for number in 0..2 {
            assert_eq!(append(&log, number), Err(AppendError::Unavailable(obstacle.clone())));
            assert_eq!(log.health(), LogHealth::Unavailable(obstacle.clone()));
        }
        // The first probe fails too, and the second one creates the segment.
        for seconds in 1.. {
            time.set(START_MS + seconds * 1_000);
            if log.health() == LogHealth::Healthy {
                break;
            }
        }
        append(&log, 2).unwrap();
        log.close();
        assert_eq!(numbers_in(root.path()), [2]);
    }
}

#[test]
fn a_segment_whose_directory_cannot_be_synced_poisons_the_log() {
    let root = tempfile::tempdir().unwrap();
    let opened = open(root.path(), Clock::manual(START_MS).0).unwrap();
    let create: CreateSegment = Box::new(|_| Err(CreateError::Sync(ErrorKind::Other.into())));
    let log = opened.start_on(create, component(), AdmitAll, |_| ()).unwrap();
    assert!(matches!(append(&log, 0), Err(AppendError::Poisoned(_))));
    log.close();
}

#[test]
fn a_full_disk_is_probed_once_a_second_and_the_probe_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (clock, time) = Clock::manual(START_MS);
    let (sender, delivered) = mpsc::channel();
    let opened = open(root.path(), clock).unwrap();
    // The write of the second event and the sync of the first probe fail.
    let create = Disk::new([3, 7], ErrorKind::StorageFull).create();
    let log: Log<u64> =
        opened.start_on(create, component(), AdmitAll, move |d| _ = sender.send(d)).unwrap();
    append(&log, 0).unwrap();
    assert_eq!(append(&log, 1), Err(AppendError::Unavailable(Obstacle::DiskFull)));
    for (seconds, health) in
        [(1, LogHealth::Unavailable(Obstacle::DiskFull)), (2, LogHealth::Healthy)]
    {
        let now = START_MS + seconds * 1_000;
        time.set(now);
        let is_now = |delivery| delivery == Delivery::Advance(now);
        while !is_now(delivered.recv_timeout(TIMEOUT).unwrap()) {}
        assert_eq!(log.health(), health, "{seconds}");
    }
    let segments = files(&root.path().join("log"));
    assert_eq!(segments.iter().flat_map(|path| events(path)).count(), 1);
    append(&log, 2).unwrap();
    log.close();
    assert_eq!(numbers_in(root.path()), [0, 2]);
}

#[test]
fn a_full_disk_whose_segment_cannot_be_truncated_poisons_the_log() {
    // The write or the sync of the second event fails, then the truncation or its sync.
    for failing in [[3, 4], [3, 5], [4, 5], [4, 6]] {
        let root = tempfile::tempdir().unwrap();
        let log = start_on(Disk::new(failing, ErrorKind::StorageFull), root.path());
        append(&log, 0).unwrap();
        let Err(AppendError::Poisoned(reason)) = append(&log, 1) else { panic!("{failing:?}") };
        assert!(reason.contains("cannot be truncated"), "{reason}");
        log.close();
        assert_eq!(numbers_in(root.path()), [0], "{failing:?}");
    }
}

#[test]
fn a_poisoned_log_still_delivers_advances() {
    let root = tempfile::tempdir().unwrap();
    let (clock, time) = Clock::manual(START_MS);
    let (sender, delivered) = mpsc::channel();
    let opened = open(root.path(), clock).unwrap();
    let create = Disk::new([1], ErrorKind::Other).create();
    let log: Log<u64> =
        opened.start_on(create, component(), AdmitAll, move |d| _ = sender.send(d)).unwrap();
    assert!(matches!(append(&log, 0), Err(AppendError::Poisoned(_))));
    time.set(START_MS + 5_000);
    for advance in [START_MS, START_MS + 5_000] {
        assert_eq!(delivered.recv_timeout(TIMEOUT), Ok(Delivery::Advance(advance)));
    }
    log.close();
}

#[test]
fn a_checkpoint_is_complete_only_up_to_a_group_that_failed() {
    let root = tempfile::tempdir().unwrap();
    let (clock, time) = Clock::manual(START_MS);
    let opened = open(root.path(), clock).unwrap();
    let positions = opened.positions();
    // The sync of the second event fails, so the next start can find it in the log.
    let create = Disk::new([4], ErrorKind::Other).create();
    let log: Log<u64> = opened.start_on(create, component(), AdmitAll, |_| ()).unwrap();
    append(&log, 0).unwrap();
    assert_eq!(positions.complete_until(START_MS + 9_000), START_MS + 9_000);
    time.set(START_MS + 5_000);
    append(&log, 1).unwrap_err();
    time.set(START_MS + 9_000);
    append(&log, 2).unwrap_err();
    assert_eq!(positions.complete_until(START_MS + 9_000), START_MS + 4_999);
    log.close();
}
