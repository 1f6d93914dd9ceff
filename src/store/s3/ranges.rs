//! The bytes of an object by ranges that are asked for ahead of the reader, side by side.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::S3;
use super::error::status;
use crate::aws::backoff;

/// The size of a range, and how many are there or on their way at a time: 16 MiB that one reader holds.
/// AWS advises 8 to 16 MB a request and one for each 85 to 90 MB/s ("Performance design patterns for
/// Amazon S3"); a smaller one begins sooner.
const RANGE_BYTES: u64 = 4 << 20;
const RANGES_MAX: usize = 4;

/// The first range goes a bit further, so that who reads 4 MiB and up to the end of a line asks once.
const FIRST_BYTES: u64 = RANGE_BYTES + (64 << 10);

/// How often a range's body may break off. A call that fails before it has a body was tried again by the
/// SDK already.
const BREAKS_MAX: u32 = 8;

/// How long the first wait after a body broke off is.
const WAIT: Duration = Duration::from_millis(100);

/// The one version of an object that is read.
#[derive(Clone, Debug)]
struct Version {
    etag: Option<String>,
    /// Its size.
    bytes: u64,
}

/// What the fetching of a range tells, in order.
enum Told {
    /// What the first answer is of.
    Version(Version),
    Bytes(Bytes),
}

type Answer = io::Result<Told>;

/// Reads an object from an offset on. It begins with one range, and asks for twice as many with each one
/// that is used up: who stops early has not asked for much.
pub(super) struct Ranges {
    store: S3,
    key: String,
    /// What was read last and not handed out yet.
    piece: Bytes,
    /// Ranges that were asked for, in order. Each holds at most its size.
    asked: VecDeque<UnboundedReceiver<Answer>>,
    /// How many may be asked for at a time.
    asked_max: usize,
    /// Where the next range begins.
    next: u64,
    version: Option<Version>,
    /// Ends the fetching with the reader.
    tasks: JoinSet<()>,
}

impl Ranges {
    pub(super) fn new(store: S3, key: String, from: u64) -> Self {
        let mut ranges = Self {
            store,
            key,
            piece: Bytes::new(),
            asked: VecDeque::new(),
            asked_max: 1,
            next: from,
            version: None,
            tasks: JoinSet::new(),
        };
        ranges.ask(FIRST_BYTES);
        ranges
    }

    /// Asks for the next range.
    fn ask(&mut self, bytes: u64) {
        let (told, answers) = unbounded_channel();
        let fetch = Fetch {
            store: self.store.clone(),
            key: self.key.clone(),
            version: self.version.clone(),
            at: self.next,
            until: self.next + bytes,
            told,
        };
        self.next = fetch.until;
        self.tasks.spawn_on(fetch.run(), &self.store.runtime);
        self.asked.push_back(answers);
    }

    /// Asks for as many ranges as may be on their way.
    fn ask_ahead(&mut self) {
        let end = self.version.as_ref().map_or(0, |version| version.bytes);
        while self.asked.len() < self.asked_max && self.next < end {
            self.ask(RANGE_BYTES);
        }
    }
}

impl Read for Ranges {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let Some(answers) = self.asked.front_mut() else { return Ok(0) };
            match answers.blocking_recv() {
                Some(Ok(Told::Bytes(bytes))) => self.piece = bytes,
                Some(Ok(Told::Version(version))) => {
                    self.version.get_or_insert(version);
                }
                Some(Err(error)) => {
                    self.asked.clear();
                    return Err(error);
                }
                None => {
                    self.asked.pop_front();
                    self.asked_max = (2 * self.asked_max).min(RANGES_MAX);
                    self.ask_ahead();
                }
            }
        }
        let length = out.len().min(self.piece.len());
        let (out, _) = out.split_at_mut(length);
        self.piece.copy_to_slice(out);
        Ok(length)
    }
}

/// The fetching of one range.
struct Fetch {
    store: S3,
    key: String,
    version: Option<Version>,
    /// What is still to come.
    at: u64,
    until: u64,
    told: UnboundedSender<Answer>,
}

impl Fetch {
    /// Fetches all of the range, or tells why not.
    async fn run(mut self) {
        let mut breaks = 0;
        loop {
            let broken = match self.go_on().await {
                Ok(None) => return,
                Ok(Some(broken)) => broken,
                Err(error) => return self.tell(Err(error)),
            };
            breaks += 1;
            if breaks == BREAKS_MAX {
                let reason =
                    format!("it broke off {breaks} times, last at byte {}: {broken}", self.at);
                return self.tell(Err(io::Error::other(reason)));
            }
            sleep(backoff(WAIT, breaks - 1)).await;
        }
    }

    /// Fetches on from where it is; gives what broke it off.
    async fn go_on(&mut self) -> io::Result<Option<String>> {
        let S3 { client, bucket, .. } = &self.store;
        let get = client.get_object().bucket(bucket).key(self.store.key(&self.key));
        let get = get.range(format!("bytes={}-{}", self.at, self.until - 1));
        let get = get.set_if_match(self.version.as_ref().and_then(|version| version.etag.clone()));
        let answer = get.send().await.map_err(|error| match status(&error) {
            Some(412) => io::Error::other("it was replaced while it was read; read it again"),
            _ => self.store.reason("read", &error),
        })?;
        let version = match &self.version {
            Some(version) => version.clone(),
            None => {
                let total = answer.content_range().and_then(|range| range.rsplit('/').next());
                let bytes = total.and_then(|total| total.parse().ok()).ok_or_else(|| {
                    io::Error::other("the answer does not tell the size of the object")
                })?;
                let version = Version { etag: answer.e_tag().map(str::to_owned), bytes };
                self.tell(Ok(Told::Version(version.clone())));
                self.version.insert(version).clone()
            }
        };
        let (mut body, end) = (answer.body, self.until.min(version.bytes));
        while self.at < end {
            match body.try_next().await {
                Ok(Some(bytes)) => {
                    self.at += bytes.len() as u64;
                    self.tell(Ok(Told::Bytes(bytes)));
                }
                Ok(None) => return Ok(Some("the answer is too short".to_owned())),
                Err(error) => return Ok(Some(error.to_string())),
            }
        }
        Ok(None)
    }

    /// Tells the reader, which ends this task when it is gone.
    fn tell(&self, answer: Answer) {
        self.told.send(answer).unwrap_or_default();
    }
}
