//! Letters on their way to the archive, and what stands in it.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};

use tempfile::TempDir;

use super::spool::SPOOL_BYTES_MAX;
use super::*;
use crate::log::ManualTime;
use crate::store::{Directory, Store};

const NOW_MS: u64 = 1_620_240_001_007;
const FOLDER: &str = "processing-failed/2021/05/05/18/";

/// A data directory with its letters, and an archive in it.
struct Post {
    dir: TempDir,
    letters: DeadLetters,
    time: ManualTime,
    health: Health,
    running: (Sender<()>, Receiver<()>),
}

impl Post {
    fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    fn at(dir: TempDir) -> Self {
        let (clock, time) = Clock::manual(NOW_MS);
        let health = Health::default();
        let letters = DeadLetters::open(dir.path(), clock, &health).unwrap();
        Self { dir, letters, time, health, running: channel() }
    }

    /// The same directory after a crash.
    fn again(self) -> Self {
        Self::at(self.dir)
    }

    fn keep(&self, data: &[u8]) {
        let peer = "10.0.0.1:7".parse().unwrap();
        let source = Source::Request { peer, index: 3 };
        self.letters.keep([Letter { source, arrival_ms: None, reason: "no", data }]);
    }

    fn look(&self) {
        let archive = Arc::new(Directory::new(self.path("archive")));
        Courier::new(self.letters.clone(), archive).look(&self.running.1);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The names in the spool.
    fn waiting(&self) -> Vec<String> {
        let names = fs::read_dir(self.path("rejected")).unwrap();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Keys and texts of the objects.
    fn archived(&self) -> Vec<(String, String)> {
        let archive = Directory::new(self.path("archive"));
        let objects = archive.walk("").map(|object| object.unwrap().key);
        objects
            .map(|key| {
                let text = fs::read_to_string(self.path("archive").join(&key)).unwrap();
                (key, text)
            })
            .collect()
    }
}

fn line(data: &str, source: &str) -> String {
    format!(
        "{{\"rawData\":\"{data}\",\"errorCode\":\"Lambda.ProcessingFailedStatus\",\
         \"errorMessage\":\"no\",\"attemptsMade\":1,\"arrivalTimestamp\":{NOW_MS},\
         \"attemptEndingTimestamp\":{NOW_MS},\"lambdaARN\":\"\",\"source\":{source}}}\n"
    )
}

const REQUEST: &str = r#"{"peer":"10.0.0.1:7","index":3}"#;

#[test]
fn letters_have_the_fields_of_firehose_and_tell_where_they_came_from() {
    let letter = |source, arrival_ms| {
        let mut text = Vec::new();
        let letter = Letter { source, arrival_ms, reason: "no", data: b"\xff5" };
        letter.write(&mut text, NOW_MS);
        String::from_utf8(text).unwrap()
    };
    let peer = "10.0.0.1:7".parse().unwrap();
    assert_eq!(letter(Source::Request { peer, index: 3 }, None), line("/zU=", REQUEST));
    let delivery = Source::Delivery { request_id: "ed4a", record: 9 };
    let source = r#"{"requestId":"ed4a","record":9}"#;
    assert_eq!(letter(delivery, None), line("/zU=", source));
    let stream = Source::Stream { shard_id: "shardId-0", sequence_number: "496" };
    let source = r#"{"shardId":"shardId-0","sequenceNumber":"496"}"#;
    let arrived = format!("\"arrivalTimestamp\":{NOW_MS}");
    let expected = line("/zU=", source).replace(&arrived, "\"arrivalTimestamp\":7");
    assert_eq!(letter(stream, Some(7)), expected);
}

#[test]
fn letters_of_a_minute_become_an_object_named_by_the_first() {
    let post = Post::new();
    post.keep(b"x");
    post.time.set(NOW_MS + 59_999);
    post.letters.keep([]);
    post.look();
    assert_eq!((post.waiting().len(), post.archived().len()), (1, 0));
    post.time.set(NOW_MS + 60_000);
    post.look();
    let [(key, text)] = &post.archived()[..] else { panic!("{:?}", post.archived()) };
    let uuid = key.strip_prefix(&format!("{FOLDER}velodrome-1-2021-05-05-18-40-01-")).unwrap();
    assert_eq!(uuid::Uuid::parse_str(uuid).unwrap().get_version_num(), 4);
    assert_eq!(*text, line("eA==", REQUEST));
    assert!(post.waiting().is_empty());
    post.keep(b"y");
    post.time.set(NOW_MS + 120_000);
    post.look();
    assert_eq!(post.archived().len(), 2);
}

#[test]
fn a_large_file_becomes_an_object_at_once() {
    let post = Post::new();
    let large = vec![b'x'; 1 << 20];
    (0..7).for_each(|_| post.keep(&large));
    post.look();
    let objects = post.archived();
    assert_eq!((objects.len(), post.waiting().len()), (1, 1));
    assert_eq!(objects[0].1.lines().count(), 6);
}

#[test]
fn what_is_kept_outlives_a_crash_but_for_half_a_letter() {
    let post = Post::new();
    post.keep(b"x");
    let name = &post.waiting()[0];
    let path = post.path("rejected").join(name);
    OpenOptions::new().append(true).open(path).unwrap().write_all(b"{\"rawData\":\"").unwrap();
    fs::write(post.path("rejected").join(name.replace("-2021-", "-2022-")), "{").unwrap();
    fs::write(post.path("rejected/notes"), "mine").unwrap();
    let post = post.again();
    // What a crash left is no longer written to.
    post.keep(b"y");
    assert_eq!(post.waiting().len(), 3);
    post.look();
    let archived = post.archived();
    let texts: Vec<_> = archived.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, [line("eA==", REQUEST)]);
    assert_eq!((post.waiting().len(), &post.waiting()[0][..]), (2, "notes"));
}

#[test]
fn letters_wait_for_an_archive_that_is_away_which_is_told() {
    let post = Post::new();
    File::create(post.path("archive")).unwrap();
    post.keep(b"x");
    post.time.set(NOW_MS + 60_000);
    post.look();
    let fault = &post.health.faults()[0];
    assert!(fault.starts_with("dead letters: cannot write '"), "{fault}");
    assert_eq!(post.waiting().len(), 1);
    fs::remove_file(post.path("archive")).unwrap();
    post.look();
    assert!(post.health.faults().is_empty());
    assert_eq!((post.waiting().len(), post.archived().len()), (0, 1));
}

#[test]
fn over_its_bound_the_spool_drops_letters_and_tells_it_once() {
    let post = Post::new();
    let name = "velodrome-1-2021-05-05-18-00-00-0123";
    let full = File::create(post.path("rejected").join(name)).unwrap();
    let room = 5 * line("eA==", REQUEST).len() as u64 / 2;
    full.set_len(SPOOL_BYTES_MAX - room - 1).unwrap();
    OpenOptions::new()
        .append(true)
        .open(post.path("rejected").join(name))
        .unwrap()
        .write_all(b"\n")
        .unwrap();
    let post = post.again();
    (0..5).for_each(|_| post.keep(b"x"));
    let kept = |post: &Post| {
        let open = post.waiting().pop().unwrap();
        fs::read_to_string(post.path("rejected").join(open)).unwrap().lines().count()
    };
    assert_eq!(kept(&post), 2);
    let notes = post.health.notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("dead letters: dead letters are dropped: 268435456 bytes"));
    assert!(post.health.faults().is_empty());
    post.letters.spool().remove(name).unwrap();
    post.keep(b"x");
    assert_eq!((kept(&post), post.health.notes().len()), (3, 1));
}
