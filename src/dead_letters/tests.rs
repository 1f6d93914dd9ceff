//! The path of dead letters to the archive, and the contents of their objects.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use tempfile::TempDir;

use super::spool::SPOOL_BYTES_MAX;
use super::*;
use crate::health::Health;
use crate::log::{Clock, ManualClock};
use crate::store::{Directory, Object, Store};

const NOW_MS: u64 = 1_620_240_001_007;
const FOLDER: &str = "processing-failed/2021/05/05/18/";

/// A data directory with a queue of dead letters, and an archive in it.
struct Fixture {
    dir: TempDir,
    queue: DeadLetterQueue,
    time: ManualClock,
    health: Health,
    running: (Sender<()>, Receiver<()>),
}

impl Fixture {
    fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    fn at(dir: TempDir) -> Self {
        let (clock, time) = Clock::manual(NOW_MS);
        let health = Health::default();
        let queue = DeadLetterQueue::open(dir.path(), clock, &health).unwrap();
        Self { dir, queue, time, health, running: channel() }
    }

    /// The same directory, opened again as after a crash.
    fn reopen(self) -> Self {
        Self::at(self.dir)
    }

    fn add(&self, data: &[u8]) {
        let peer = "10.0.0.1:7".parse().unwrap();
        let source = Source::Request { peer, index: 3 };
        self.queue.add([DeadLetter { source, arrival_ms: None, reason: "no", data }]);
    }

    fn upload(&self) {
        let archive = Arc::new(Directory::new(self.path("archive")));
        Uploader::new(self.queue.clone(), archive).upload_closed(&self.running.1);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The names of the files in the spool.
    fn spooled(&self) -> Vec<String> {
        let names = fs::read_dir(self.path("rejected")).unwrap();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Keys and contents of the objects in the archive.
    fn archived(&self) -> Vec<(String, String)> {
        let archive = Directory::new(self.path("archive"));
        let objects = archive.walk("").unwrap().into_iter();
        objects
            .map(|Object { key, .. }| {
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
fn dead_letters_have_the_fields_of_firehose_and_their_source() {
    let letter = |source, arrival_ms| {
        let mut text = Vec::new();
        let letter = DeadLetter { source, arrival_ms, reason: "no", data: b"\xff5" };
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
fn dead_letters_become_an_object_after_a_minute() {
    let fixture = Fixture::new();
    fixture.add(b"x");
    fixture.time.set(NOW_MS + 59_999);
    fixture.queue.add([]);
    fixture.upload();
    assert_eq!((fixture.spooled().len(), fixture.archived().len()), (1, 0));
    fixture.time.set(NOW_MS + 60_000);
    fixture.upload();
    let [(key, text)] = &fixture.archived()[..] else { panic!("{:?}", fixture.archived()) };
    let uuid = key.strip_prefix(&format!("{FOLDER}velodrome-1-2021-05-05-18-40-01-")).unwrap();
    assert_eq!(uuid::Uuid::parse_str(uuid).unwrap().get_version_num(), 4);
    assert_eq!(*text, line("eA==", REQUEST));
    assert!(fixture.spooled().is_empty());
    fixture.add(b"y");
    fixture.time.set(NOW_MS + 120_000);
    fixture.upload();
    assert_eq!(fixture.archived().len(), 2);
}

#[test]
fn a_large_file_becomes_an_object_at_once() {
    let fixture = Fixture::new();
    let large = vec![b'x'; 1 << 20];
    (0..7).for_each(|_| fixture.add(&large));
    fixture.upload();
    let objects = fixture.archived();
    assert_eq!((objects.len(), fixture.spooled().len()), (1, 1));
    assert_eq!(objects[0].1.lines().count(), 6);
}

#[test]
fn complete_lines_survive_a_crash() {
    let fixture = Fixture::new();
    fixture.add(b"x");
    let name = &fixture.spooled()[0];
    let path = fixture.path("rejected").join(name);
    OpenOptions::new().append(true).open(path).unwrap().write_all(b"{\"rawData\":\"").unwrap();
    fs::write(fixture.path("rejected").join(name.replace("-2021-", "-2022-")), "{").unwrap();
    fs::write(fixture.path("rejected/notes"), "mine").unwrap();
    let fixture = fixture.reopen();
    // Files from before the crash are closed, so this goes into a new one.
    fixture.add(b"y");
    assert_eq!(fixture.spooled().len(), 3);
    fixture.upload();
    let archived = fixture.archived();
    let texts: Vec<_> = archived.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, [line("eA==", REQUEST)]);
    assert_eq!((fixture.spooled().len(), &fixture.spooled()[0][..]), (2, "notes"));
}

#[test]
fn a_shorter_or_damaged_copy_of_a_file_does_not_replace_its_object() {
    let mut fixture = Fixture::new();
    fixture.add(b"x");
    let path = fixture.path("rejected").join(&fixture.spooled()[0]);
    let begun = fs::read(&path).unwrap();
    fixture.add(b"y");
    // After a loss of power, the last line is complete and its beginning is zero.
    let mut damaged = fs::read(&path).unwrap();
    damaged[begun.len()..begun.len() + 5].fill(0);
    fixture.time.set(NOW_MS + 60_000);
    fixture.upload();
    let archived = fixture.archived();
    for copied in [begun, damaged] {
        fs::write(&path, copied).unwrap();
        fixture = fixture.reopen();
        fixture.upload();
        assert_eq!((fixture.archived(), fixture.spooled()), (archived.clone(), Vec::new()));
    }
}

#[test]
fn an_unreachable_archive_is_reported_and_dead_letters_wait_for_it() {
    let fixture = Fixture::new();
    File::create(fixture.path("archive")).unwrap();
    fixture.add(b"x");
    fixture.time.set(NOW_MS + 60_000);
    fixture.upload();
    let fault = &fixture.health.faults()[0];
    assert!(fault.starts_with("dead letters: cannot write '"), "{fault}");
    assert_eq!(fixture.spooled().len(), 1);
    fs::remove_file(fixture.path("archive")).unwrap();
    fixture.upload();
    assert!(fixture.health.faults().is_empty());
    assert_eq!((fixture.spooled().len(), fixture.archived().len()), (0, 1));
}

#[test]
fn a_full_spool_drops_dead_letters_and_reports_it_once() {
    let fixture = Fixture::new();
    let name = "velodrome-1-2021-05-05-18-00-00-0123";
    let full = File::create(fixture.path("rejected").join(name)).unwrap();
    let room = 5 * line("eA==", REQUEST).len() as u64 / 2;
    full.set_len(SPOOL_BYTES_MAX - room - 1).unwrap();
    OpenOptions::new()
        .append(true)
        .open(fixture.path("rejected").join(name))
        .unwrap()
        .write_all(b"\n")
        .unwrap();
    let fixture = fixture.reopen();
    (0..5).for_each(|_| fixture.add(b"x"));
    let written = |fixture: &Fixture| {
        let open = fixture.spooled().pop().unwrap();
        fs::read_to_string(fixture.path("rejected").join(open)).unwrap().lines().count()
    };
    assert_eq!(written(&fixture), 2);
    let notes = fixture.health.notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("dead letters: dead letters are dropped: '"), "{notes:?}");
    assert!(notes[0].contains("limit of 268435456 bytes"), "{notes:?}");
    assert!(fixture.health.faults().is_empty());
    fixture.queue.spool().remove(name).unwrap();
    fixture.add(b"x");
    assert_eq!((written(&fixture), fixture.health.notes().len()), (3, 1));
}
