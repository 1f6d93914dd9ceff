use std::fs;
use std::sync;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;

use futures_util::FutureExt;
use tempfile::TempDir;
use tokio::sync::watch;

use super::*;
use crate::engine::{Command, CommandSender, command_channel};
use crate::json_checksum;
use crate::live_state::LiveState;

/// A worker that handles only bans. It replies with the time that `apply` returns.
pub(crate) fn worker(
    mut apply: impl FnMut(Vec<Ban>) -> EventTime + Send + 'static,
) -> CommandSender {
    let (started, workers) = mpsc::channel();
    thread::spawn(move || {
        let (worker, commands) = command_channel();
        started.send(worker).unwrap();
        loop {
            match commands.try_recv() {
                Ok(Command::Ban(bans, reply)) => reply.send(apply(bans)).unwrap_or_default(),
                Ok(_) => {}
                Err(TryRecvError::Empty) => thread::park(),
                Err(TryRecvError::Disconnected) => return,
            }
        }
    });
    workers.recv().unwrap()
}

/// The bans that the engine received, each with the text of the file at that time.
type Received = Arc<sync::Mutex<Vec<(Vec<Ban>, String)>>>;

/// A data directory, and the bans that its engine received.
struct Fixture {
    directory: TempDir,
    received: Received,
}

/// The ban list in a file, without its checksum; empty if there is no file.
fn without_checksum(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    json_checksum::remove(&text).unwrap().into_owned()
}

impl Fixture {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), received: Received::default() }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("bans.json")
    }

    fn write(&self, text: &str) {
        fs::write(self.file(), text).unwrap();
    }

    fn text(&self) -> String {
        without_checksum(&self.file())
    }

    /// Opens the bans with an engine that applies the first change at time 1, the next at time 2, and
    /// so on.
    fn open(&self) -> Result<Bans, BansError> {
        let (received, file) = (Arc::clone(&self.received), self.file());
        let worker = worker(move |bans| {
            let mut received = received.lock().unwrap();
            received.push((bans, without_checksum(&file)));
            received.len() as EventTime
        });
        Bans::open(self.directory.path(), engine(vec![worker]))
    }

    fn received(&self) -> Vec<(Vec<Ban>, String)> {
        self.received.lock().unwrap().clone()
    }
}

fn engine(workers: Vec<CommandSender>) -> Engine {
    Engine::new(workers, watch::channel(0).1, Arc::new(LiveState::default()))
}

fn ban(racer: RacerId) -> Ban {
    Ban { racer, is_banned: true }
}

fn lift(racer: RacerId) -> Ban {
    Ban { racer, is_banned: false }
}

#[tokio::test]
async fn a_change_is_in_the_file_before_the_engine_receives_it() {
    let fixture = Fixture::new();
    let bans = fixture.open().unwrap();
    for (change, since) in [(ban(7), 1), (ban(3), 2), (lift(7), 3)] {
        assert_eq!(bans.set(change).await.unwrap(), since);
    }
    assert_eq!(bans.racers().await, [3]);
    let expected = [
        (vec![ban(7)], r#"{"racers":[7]}"#.to_owned()),
        (vec![ban(3)], r#"{"racers":[3,7]}"#.to_owned()),
        (vec![lift(7)], r#"{"racers":[3]}"#.to_owned()),
    ];
    assert_eq!(fixture.received(), expected);
}

#[tokio::test]
async fn a_ban_that_does_not_change_is_not_sent_again() {
    let fixture = Fixture::new();
    let bans = fixture.open().unwrap();
    assert_eq!(bans.set(lift(7)).await.unwrap(), 0);
    assert_eq!(bans.set(ban(7)).await.unwrap(), 1);
    assert_eq!(bans.set(ban(7)).await.unwrap(), 1);
    assert_eq!(fixture.received().len(), 1);
}

#[test]
fn opening_sends_the_saved_bans_to_the_engine() {
    let fixture = Fixture::new();
    fixture.open().unwrap();
    assert_eq!(fixture.received(), [], "none");
    fixture.write(r#"{"racers":[7,3]}"#);
    fixture.open().unwrap();
    assert_eq!(fixture.received(), [(vec![ban(3), ban(7)], fixture.text())]);
}

#[tokio::test]
async fn a_change_completes_even_if_its_caller_stops_waiting() {
    let fixture = Fixture::new();
    let bans = fixture.open().unwrap();
    assert!(bans.set(ban(7)).now_or_never().is_none());
    assert_eq!(bans.racers().await, [7]);
    assert_eq!(fixture.received().len(), 1);
}

#[test]
fn a_damaged_file_is_reported_with_its_path_and_a_remedy() {
    let fixture = Fixture::new();
    let too_many = (0..=100_000).map(|racer| racer.to_string()).collect::<Vec<_>>().join(",");
    for (text, part) in [
        ("", "EOF"),
        ("{}", "racers"),
        (r#"{"racers":[7"#, "EOF"),
        (r#"{"racers":[-1]}"#, "-1"),
        (r#"{"racers":[4294967296]}"#, "4294967296"),
        (r#"{"racers":[],"more":1}"#, "more"),
        (&format!(r#"{{"racers":[{too_many}]}}"#), "it has 100001 racers"),
    ] {
        fixture.write(text);
        let error = fixture.open().unwrap_err();
        assert!(matches!(error, BansError::Damaged { .. }), "{error:?}");
        let error = error.to_string();
        assert!(error.contains(&fixture.file().display().to_string()), "{error}");
        assert!(error.contains(part) && error.contains("remove it to lift all bans"), "{error}");
        assert_eq!(fixture.received(), []);
    }
}

#[tokio::test]
async fn a_full_list_refuses_a_ban_until_another_is_lifted() {
    let fixture = Fixture::new();
    let full = (0..100_000).map(|racer| racer.to_string()).collect::<Vec<_>>().join(",");
    fixture.write(&format!(r#"{{"racers":[{full}]}}"#));
    let opened = &fixture;
    let bans = thread::scope(|scope| scope.spawn(move || opened.open()).join().unwrap()).unwrap();
    let before = fixture.text();
    let error = bans.set(ban(100_000)).await.unwrap_err();
    assert!(matches!(error, BansError::TooMany { .. }), "{error}");
    assert_eq!((fixture.text(), fixture.received().len()), (before, 1));
    bans.set(lift(5)).await.unwrap();
    bans.set(ban(100_000)).await.unwrap();
}

#[tokio::test]
async fn a_change_that_cannot_be_written_is_not_sent() {
    let fixture = Fixture::new();
    let bans = fixture.open().unwrap();
    bans.set(ban(7)).await.unwrap();
    let hidden = fixture.directory.path().join(".bans.json");
    fs::create_dir(&hidden).unwrap();
    let error = bans.set(ban(8)).await.unwrap_err();
    assert!(matches!(error, BansError::Io { .. }), "{error}");
    assert_eq!((bans.racers().await, fixture.text()), (vec![7], r#"{"racers":[7]}"#.to_owned()));
    assert_eq!(fixture.received().len(), 1);
    fs::remove_dir(&hidden).unwrap();
    assert_eq!(bans.set(ban(8)).await.unwrap(), 2);
}

#[tokio::test]
async fn a_change_that_the_engine_misses_is_in_the_file_for_the_next_start() {
    let fixture = Fixture::new();
    let (ended, _) = command_channel();
    let bans = Bans::open(fixture.directory.path(), engine(vec![ended])).unwrap();
    let error = bans.set(ban(7)).await.unwrap_err();
    assert!(matches!(error, BansError::Engine(EngineError::Stopped)), "{error}");
    assert_eq!(fixture.text(), r#"{"racers":[7]}"#);
}
