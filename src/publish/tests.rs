//! Tests of the publisher over an engine with fixed data, and of objects that are read concurrently.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, TryRecvError};
use std::thread;

use flate2::read::GzDecoder;
use futures_util::TryStreamExt;
use tempfile::TempDir;
use tokio::time::timeout;
use velodrome_dataflows::{Answer, Curve};

use super::history_file::HistoryFile;
use super::*;
use crate::engine::{Command, command_channel};
use crate::health::Health;
use crate::live_state::{LiveChange, LiveState};
use crate::log::ManualClock;

/// Time limit for an object on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The objects that may be open at a time.
const OPEN_MAX: usize = 2;

/// Start of the service's clock.
const START_MS: u64 = 1_620_240_000_000;

/// A publisher of class 1, where racer 5 has a record. Its output is the time up to which the state is
/// complete.
struct Publishing {
    publisher: Publisher,
    objects: HistoryObjects,
    directory: TempDir,
    live_state: Arc<LiveState>,
    complete: watch::Sender<EventTime>,
    /// Whether the class has no records.
    is_empty: Arc<AtomicBool>,
    time: ManualClock,
}

impl Publishing {
    fn new() -> Self {
        let (complete, completed) = watch::channel(10);
        let is_empty = Arc::<AtomicBool>::default();
        let (started, commands) = mpsc::channel();
        thread::spawn({
            let (completed, is_empty) = (completed.clone(), Arc::clone(&is_empty));
            move || {
                let (commands, receiver) = command_channel();
                started.send(commands).unwrap();
                loop {
                    match receiver.try_recv() {
                        Ok(Command::Query(_, reply)) => {
                            let at = *completed.borrow();
                            let mut curve = Curve::default();
                            curve.raise(1, at as f64);
                            let mut rows = vec![(5, curve.into())];
                            rows.retain(|_| !is_empty.load(Ordering::Relaxed));
                            reply.send((at, Answer::ClassCurves(rows))).unwrap_or_default();
                        }
                        Err(TryRecvError::Empty) => thread::park(),
                        Ok(_) | Err(TryRecvError::Disconnected) => return,
                    }
                }
            }
        });
        let live_state = Arc::<LiveState>::default();
        live_state.apply(10, vec![LiveChange::Records(1)]);
        let engine =
            Engine::new(vec![commands.recv().unwrap()], completed, Arc::clone(&live_state));
        let (clock, time) = log::Clock::manual(START_MS);
        let directory = tempfile::tempdir().unwrap();
        let objects = HistoryObjects::open(directory.path(), Some(0), OPEN_MAX);
        let path = directory.path().to_owned();
        let publisher = Publisher::new(engine, path, None, objects.clone(), clock, component());
        Self { publisher, objects, directory, live_state, complete, is_empty, time }
    }

    /// Applies `change` at the tick `time` and completes the tick.
    fn tick(&self, time: EventTime, change: LiveChange) {
        self.live_state.apply(time, vec![change]);
        self.complete.send(time).unwrap();
    }

    /// The class's object as it is served, as of `since` or later.
    async fn served(&self, since: EventTime) -> Option<String> {
        let object = timeout(PATIENCE, self.objects.get(1, since)).await;
        let object = object.expect("it is published").unwrap();
        Some(content(&bytes(object?).await))
    }

    /// The class's object as it is in the directory.
    fn written(&self) -> Option<String> {
        Some(content(&fs::read(self.path()).ok()?))
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("class-1.gz")
    }
}

fn component() -> Component {
    Health::default().component("history files")
}

async fn bytes(object: HistoryObject) -> Vec<u8> {
    let chunks: Vec<_> = object.chunks().try_collect().await.unwrap();
    chunks.concat()
}

fn content(gzip: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(gzip).read_to_string(&mut text).unwrap();
    text
}

fn at(second: u64) -> Option<String> {
    Some(format!(r#"{{"1":{{"5":{second}.0}}}}"#))
}

#[tokio::test]
async fn a_class_that_changed_is_published_at_most_once_a_minute() {
    let mut publishing = Publishing::new();
    assert!(publishing.publisher.publish(false).await);
    assert_eq!((publishing.served(0).await, publishing.written()), (at(10), at(10)));
    publishing.tick(20, LiveChange::Records(1));
    publishing.time.set(START_MS + MIN_INTERVAL_MS - 1);
    publishing.publisher.publish(false).await;
    assert_eq!((publishing.served(0).await, publishing.written()), (at(10), at(10)));
    publishing.time.set(START_MS + MIN_INTERVAL_MS);
    publishing.publisher.publish(false).await;
    assert_eq!((publishing.served(0).await, publishing.written()), (at(20), at(20)));
    // Nothing has changed since.
    publishing.complete.send(30).unwrap();
    publishing.time.set(START_MS + 9 * MIN_INTERVAL_MS);
    publishing.publisher.publish(true).await;
    assert_eq!(publishing.written(), at(20));
    // At shutdown, all changes are published.
    publishing.tick(40, LiveChange::Records(1));
    publishing.time.set(START_MS);
    publishing.publisher.publish(true).await;
    assert_eq!(publishing.written(), at(40));
}

#[tokio::test]
async fn an_object_stays_readable_after_it_is_replaced() {
    let mut publishing = Publishing::new();
    publishing.publisher.publish(false).await;
    let first = publishing.objects.get(1, 0).await.unwrap().unwrap();
    publishing.tick(20, LiveChange::Bans);
    publishing.publisher.publish(false).await;
    let second = publishing.objects.get(1, 0).await.unwrap().unwrap();
    assert_ne!(first.hash, second.hash);
    for (object, time) in [(first, 10), (second, 20)] {
        let (length, hash) = (object.length, object.hash);
        let bytes = bytes(object).await;
        assert_eq!((bytes.len() as u64, Some(content(&bytes))), (length, at(time)));
        assert_eq!(xxhash_rust::xxh3::xxh3_128(&bytes), hash);
    }
}

#[tokio::test]
async fn an_object_whose_file_is_lost_is_published_again() {
    let mut publishing = Publishing::new();
    publishing.publisher.publish(false).await;
    fs::remove_file(publishing.path()).unwrap();
    let objects = publishing.objects.clone();
    let asking = tokio::spawn(async move { objects.get(1, 0).await.unwrap() });
    timeout(PATIENCE, publishing.objects.requested()).await.unwrap();
    assert!(publishing.publisher.publish(false).await);
    let object = timeout(PATIENCE, asking).await.unwrap().unwrap().unwrap();
    assert_eq!(Some(content(&bytes(object).await)), at(10));
}

#[tokio::test]
async fn too_many_open_objects_are_refused_until_one_is_dropped() {
    let mut publishing = Publishing::new();
    publishing.publisher.publish(false).await;
    let get = || async { publishing.objects.get(1, 0).await };
    let mut open = Vec::new();
    for _ in 0..OPEN_MAX {
        open.push(get().await.unwrap().unwrap());
    }
    assert_eq!(get().await.unwrap_err().kind(), ErrorKind::WouldBlock);
    open.pop();
    assert!(get().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_request_after_a_ban_waits_for_an_object_that_applies_it() {
    let mut publishing = Publishing::new();
    publishing.publisher.publish(false).await;
    let (stop, stopped) = watch::channel(false);
    // The live state is a tick ahead of the state that answers queries.
    publishing.live_state.apply(20, vec![LiveChange::Bans]);
    let publisher = tokio::spawn(publishing.publisher.run(stopped));
    let objects = publishing.objects.clone();
    let asking = tokio::spawn(async move { objects.get(1, 20).await.unwrap() });
    tokio::task::yield_now().await;
    assert!(!asking.is_finished());
    publishing.complete.send(20).unwrap();
    let began = tokio::time::Instant::now();
    // There is no timeout here, because a paused clock would jump to its end.
    let object = asking.await.unwrap().unwrap();
    assert_eq!(Some(content(&bytes(object).await)), at(20));
    // The request woke the publisher before its next poll.
    assert!(began.elapsed() < POLL_INTERVAL, "{:?}", began.elapsed());
    stop.send(true).unwrap();
    publisher.await.unwrap();
}

#[tokio::test]
async fn the_object_of_an_empty_class_is_removed_and_published_again_with_its_records() {
    let mut publishing = Publishing::new();
    publishing.publisher.publish(false).await;
    publishing.is_empty.store(true, Ordering::Relaxed);
    publishing.tick(20, LiveChange::Bans);
    assert!(publishing.publisher.publish(false).await);
    assert_eq!((publishing.served(20).await, publishing.written()), (None, None));
    publishing.is_empty.store(false, Ordering::Relaxed);
    publishing.tick(30, LiveChange::Bans);
    publishing.publisher.publish(false).await;
    assert_eq!((publishing.served(30).await, publishing.written()), (at(30), at(30)));
}

#[tokio::test]
async fn objects_of_an_earlier_run_are_served_until_they_are_published_again() {
    let mut publishing = Publishing::new();
    publishing.publisher.publish(false).await;
    let earlier = publishing.objects.get(1, 0).await.unwrap().unwrap();
    fs::copy(publishing.path(), publishing.directory.path().join("class-7.gz")).unwrap();
    fs::write(publishing.directory.path().join(".class-8.gz"), "half").unwrap();
    fs::write(publishing.directory.path().join("class-9.txt"), "other").unwrap();

    let objects = HistoryObjects::open(publishing.directory.path(), Some(0), OPEN_MAX);
    assert_eq!(objects.classes(), [1, 7]);
    assert_eq!(objects.get(1, 0).await.unwrap().unwrap().hash, earlier.hash);

    // If any racer is banned, requests wait for the publisher.
    let objects = HistoryObjects::open(publishing.directory.path(), None, OPEN_MAX);
    let fresh = tokio::spawn({
        let objects = objects.clone();
        async move { objects.get(1, 0).await.unwrap() }
    });
    tokio::task::yield_now().await;
    assert!(!fresh.is_finished());
    publishing.complete.send(20).unwrap();
    let Publisher { writer, clock, .. } = publishing.publisher;
    let ObjectWriter { engine, directory, .. } = writer;
    let mut publisher =
        Publisher::new(engine, directory, None, objects.clone(), clock, component());
    assert!(publisher.publish(false).await);
    let fresh = timeout(PATIENCE, fresh).await.unwrap().unwrap().unwrap();
    assert_eq!(Some(content(&bytes(fresh).await)), at(20));
}

#[tokio::test]
async fn a_failed_write_is_retried_and_the_old_object_stays() {
    let mut publishing = Publishing::new();
    publishing.publisher.publish(false).await;
    let hidden = publishing.directory.path().join(".class-1.gz");
    fs::create_dir(&hidden).unwrap();
    publishing.tick(20, LiveChange::Bans);
    assert!(!publishing.publisher.publish(false).await);
    assert_eq!((publishing.served(0).await, publishing.written()), (at(10), at(10)));
    fs::remove_dir(&hidden).unwrap();
    assert!(publishing.publisher.publish(false).await);
    assert_eq!(publishing.served(20).await, at(20));
}

#[test]
fn without_a_directory_there_are_no_objects() {
    assert!(HistoryObjects::open(Path::new("nowhere"), Some(0), OPEN_MAX).classes().is_empty());
}

#[tokio::test]
async fn objects_of_classes_without_records_stay_and_are_not_served() {
    let mut publishing = Publishing::new();
    let path = publishing.directory.path().join("class-9.gz");
    fs::write(&path, "of another service").unwrap();
    let object = HistoryFile::read(path.clone()).unwrap();
    publishing.objects.publish(9, Published { as_of: None, object: Some(object) });
    assert!(publishing.publisher.publish(false).await);
    assert!(publishing.objects.get(9, 10).await.unwrap().is_none() && path.exists());
}

#[tokio::test]
async fn an_object_with_the_same_content_is_not_written_again() {
    let mut publishing = Publishing::new();
    publishing.publisher.publish(false).await;
    let path = publishing.path();
    // A file that is written again is another file.
    let inode = || fs::metadata(&path).unwrap().ino();
    let first = inode();
    // A change that does not change the records, and a restart.
    publishing.live_state.apply(10, vec![LiveChange::Bans]);
    publishing.publisher.publish(true).await;
    assert_eq!(publishing.served(10).await, at(10));
    let objects = HistoryObjects::open(publishing.directory.path(), Some(0), 9);
    let Publisher { writer, clock, .. } = publishing.publisher;
    let ObjectWriter { engine, directory, .. } = writer;
    let mut restarted =
        Publisher::new(engine, directory, None, objects.clone(), clock, component());
    assert!(restarted.publish(true).await);
    assert_eq!(inode(), first);
    assert!(objects.get(1, 10).await.unwrap().is_some());
    // A change of the records replaces the file.
    publishing.live_state.apply(20, vec![LiveChange::Records(1)]);
    publishing.complete.send(20).unwrap();
    assert!(restarted.publish(true).await);
    assert_ne!(inode(), first);
}
