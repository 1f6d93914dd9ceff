use std::sync::mpsc::{self, TryRecvError};
use std::sync::{self};
use std::thread;

use futures_util::FutureExt;
use tempfile::TempDir;
use tokio::sync::watch;

use super::*;
use crate::engine::{Command, Mailbox};
use crate::feeds::Feeds;

/// A worker that takes bans alone, and answers them with the time that `take` gives.
pub(crate) fn worker(mut take: impl FnMut(Vec<Ban>) -> Clock + Send + 'static) -> Mailbox {
    let (started, mailbox) = mpsc::channel();
    thread::spawn(move || {
        let (mailbox, inbox) = Mailbox::new();
        started.send(mailbox).unwrap();
        loop {
            match inbox.take() {
                Ok(Command::Ban(bans, reply)) => reply.send(take(bans)).unwrap_or_default(),
                Ok(_) => {}
                Err(TryRecvError::Empty) => thread::park(),
                Err(TryRecvError::Disconnected) => return,
            }
        }
    });
    mailbox.recv().unwrap()
}

/// What the engine was told, each time with what the file held then.
type Told = Arc<sync::Mutex<Vec<(Vec<Ban>, String)>>>;

struct Place {
    directory: TempDir,
    told: Told,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), told: Told::default() }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("bans.json")
    }

    fn write(&self, text: &str) {
        fs::write(self.file(), text).unwrap();
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap_or_default()
    }

    /// Opens it with an engine in which a change holds from 1 on, then one from 2 on, and so on.
    fn open(&self) -> Result<Bans, BansError> {
        let (told, file) = (Arc::clone(&self.told), self.file());
        let worker = worker(move |bans| {
            let mut told = told.lock().unwrap();
            told.push((bans, fs::read_to_string(&file).unwrap()));
            told.len() as Clock
        });
        Bans::open(self.directory.path(), engine(vec![worker]))
    }

    fn told(&self) -> Vec<(Vec<Ban>, String)> {
        self.told.lock().unwrap().clone()
    }
}

fn engine(workers: Vec<Mailbox>) -> Engine {
    Engine::new(workers, watch::channel(0).1, Arc::new(Feeds::default()))
}

fn ban(racer: RacerId) -> Ban {
    Ban { racer, is_banned: true }
}

fn lift(racer: RacerId) -> Ban {
    Ban { racer, is_banned: false }
}

#[tokio::test]
async fn a_change_is_in_the_file_before_the_engine_hears_of_it() {
    let place = Place::new();
    let bans = place.open().unwrap();
    for (change, since) in [(ban(7), 1), (ban(3), 2), (lift(7), 3)] {
        assert_eq!(bans.set(change).await.unwrap(), since);
    }
    assert_eq!(bans.racers().await, [3]);
    let expected = [
        (vec![ban(7)], r#"{"racers":[7]}"#.to_owned()),
        (vec![ban(3)], r#"{"racers":[3,7]}"#.to_owned()),
        (vec![lift(7)], r#"{"racers":[3]}"#.to_owned()),
    ];
    assert_eq!(place.told(), expected);
}

#[tokio::test]
async fn what_is_so_already_is_not_told_again() {
    let place = Place::new();
    let bans = place.open().unwrap();
    assert_eq!(bans.set(lift(7)).await.unwrap(), 0);
    assert_eq!(bans.set(ban(7)).await.unwrap(), 1);
    assert_eq!(bans.set(ban(7)).await.unwrap(), 1);
    assert_eq!(place.told().len(), 1);
}

#[test]
fn what_is_opened_again_is_told_at_once() {
    let place = Place::new();
    place.open().unwrap();
    assert_eq!(place.told(), [], "none");
    place.write(r#"{"racers":[7,3]}"#);
    place.open().unwrap();
    assert_eq!(place.told(), [(vec![ban(3), ban(7)], place.text())]);
}

#[tokio::test]
async fn a_change_comes_to_its_end_where_nobody_waits_for_it() {
    let place = Place::new();
    let bans = place.open().unwrap();
    assert!(bans.set(ban(7)).now_or_never().is_none());
    assert_eq!(bans.racers().await, [7]);
    assert_eq!(place.told().len(), 1);
}

#[test]
fn damage_names_the_file_and_what_to_do() {
    let place = Place::new();
    let too_many = (0..=100_000).map(|racer| racer.to_string()).collect::<Vec<_>>().join(",");
    for (text, says) in [
        ("", "EOF"),
        ("{}", "racers"),
        (r#"{"racers":[7"#, "EOF"),
        (r#"{"racers":[-1]}"#, "-1"),
        (r#"{"racers":[4294967296]}"#, "4294967296"),
        (r#"{"racers":[],"more":1}"#, "more"),
        (&format!(r#"{{"racers":[{too_many}]}}"#), "it has 100001 racers"),
    ] {
        place.write(text);
        let error = place.open().unwrap_err();
        assert!(matches!(error, BansError::Damaged { .. }), "{error:?}");
        let error = error.to_string();
        assert!(error.contains(&place.file().display().to_string()), "{error}");
        assert!(error.contains(says) && error.contains("remove it to lift all bans"), "{error}");
        assert_eq!(place.told(), []);
    }
}

#[tokio::test]
async fn there_are_no_more_than_can_be() {
    let place = Place::new();
    let full = (0..100_000).map(|racer| racer.to_string()).collect::<Vec<_>>().join(",");
    place.write(&format!(r#"{{"racers":[{full}]}}"#));
    let opened = &place;
    let bans = thread::scope(|scope| scope.spawn(move || opened.open()).join().unwrap()).unwrap();
    let before = place.text();
    let error = bans.set(ban(100_000)).await.unwrap_err();
    assert!(matches!(error, BansError::TooMany), "{error}");
    assert_eq!((place.text(), place.told().len()), (before, 1));
    bans.set(lift(5)).await.unwrap();
    bans.set(ban(100_000)).await.unwrap();
}

#[tokio::test]
async fn a_change_that_cannot_be_kept_is_not_told() {
    let place = Place::new();
    let bans = place.open().unwrap();
    bans.set(ban(7)).await.unwrap();
    let hidden = place.directory.path().join(".bans.json");
    fs::create_dir(&hidden).unwrap();
    let error = bans.set(ban(8)).await.unwrap_err();
    assert!(matches!(error, BansError::Io { .. }), "{error}");
    assert_eq!((bans.racers().await, place.text()), (vec![7], r#"{"racers":[7]}"#.to_owned()));
    assert_eq!(place.told().len(), 1);
    fs::remove_dir(&hidden).unwrap();
    assert_eq!(bans.set(ban(8)).await.unwrap(), 2);
}

#[tokio::test]
async fn a_change_that_the_engine_misses_holds_from_the_next_start_on() {
    let place = Place::new();
    let bans = Bans::open(place.directory.path(), engine(Vec::new())).unwrap();
    let error = bans.set(ban(7)).await.unwrap_err();
    assert!(matches!(error, BansError::Engine(EngineError::Stopped)), "{error}");
    assert_eq!(place.text(), r#"{"racers":[7]}"#);
}
