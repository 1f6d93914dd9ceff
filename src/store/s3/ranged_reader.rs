//! A reader of an object that requests ranges ahead of its reader, several at a time.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::bucket::S3;
use super::error::status;
use crate::aws::backoff;

/// The size of a range. AWS recommends 8 to 16 MB per request ("Performance design patterns for Amazon
/// S3"); a smaller first response arrives sooner.
const RANGE_BYTES: u64 = 4 << 20;
/// The number of ranges in memory or in flight, so one reader uses at most 16 MiB. AWS recommends one
/// request in flight per 85 to 90 MB/s (the same page).
const RANGES_MAX: usize = 4;

/// The first range is a bit longer, so that a caller that reads 4 MiB and then to the end of the line
/// needs only one request.
const FIRST_BYTES: u64 = RANGE_BYTES + (64 << 10);

/// The maximum number of times that the body of a range may break off before the read fails. The SDK
/// retries only calls that fail before their body begins.
const BREAKS_MAX: u32 = 8;

/// The first wait after a body broke off.
const WAIT: Duration = Duration::from_millis(100);

/// The version of an object, so that all ranges come from the same one.
#[derive(Clone, Debug)]
struct Version {
    etag: Option<String>,
    /// The object's size.
    bytes: u64,
}

/// What a range's fetch sends to the reader, in order.
enum Chunk {
    /// The version that the first response is from.
    Version(Version),
    Bytes(Bytes),
}

type ChunkResult = io::Result<Chunk>;

/// Reads an object from an offset.
///
/// It starts with one range, and doubles the ranges in flight with each one that is consumed. So little
/// is requested for a caller that stops early.
pub(super) struct RangedReader {
    store: S3,
    key: String,
    /// Bytes that were received and not returned yet.
    chunk: Bytes,
    /// The ranges that were requested, in order. Each buffers at most its own size.
    requested: VecDeque<UnboundedReceiver<ChunkResult>>,
    /// How many ranges may be requested at a time.
    requested_max: usize,
    /// The offset of the next range to request.
    next: u64,
    version: Option<Version>,
    /// Aborts the fetches when the reader is dropped.
    tasks: JoinSet<()>,
}

impl RangedReader {
    pub(super) fn new(store: S3, key: String, offset: u64) -> Self {
        let mut reader = Self {
            store,
            key,
            chunk: Bytes::new(),
            requested: VecDeque::new(),
            requested_max: 1,
            next: offset,
            version: None,
            tasks: JoinSet::new(),
        };
        reader.request(FIRST_BYTES);
        reader
    }

    /// Requests the next range.
    fn request(&mut self, bytes: u64) {
        let (sender, chunks) = unbounded_channel();
        let fetch = RangeFetch {
            store: self.store.clone(),
            key: self.key.clone(),
            version: self.version.clone(),
            at: self.next,
            until: self.next + bytes,
            sender,
        };
        self.next = fetch.until;
        self.tasks.spawn_on(fetch.run(), &self.store.runtime);
        self.requested.push_back(chunks);
    }

    /// Requests as many ranges as may be in flight.
    fn request_ahead(&mut self) {
        let end = self.version.as_ref().map_or(0, |version| version.bytes);
        while self.requested.len() < self.requested_max && self.next < end {
            self.request(RANGE_BYTES);
        }
    }
}

impl Read for RangedReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let Some(chunks) = self.requested.front_mut() else { return Ok(0) };
            match chunks.blocking_recv() {
                Some(Ok(Chunk::Bytes(bytes))) => self.chunk = bytes,
                Some(Ok(Chunk::Version(version))) => {
                    self.version.get_or_insert(version);
                }
                Some(Err(error)) => {
                    self.requested.clear();
                    return Err(error);
                }
                None => {
                    self.requested.pop_front();
                    self.requested_max = (2 * self.requested_max).min(RANGES_MAX);
                    self.request_ahead();
                }
            }
        }
        let length = out.len().min(self.chunk.len());
        let (out, _) = out.split_at_mut(length);
        self.chunk.copy_to_slice(out);
        Ok(length)
    }
}

/// The fetch of one range, a task of its own.
struct RangeFetch {
    store: S3,
    key: String,
    version: Option<Version>,
    /// The offset of the next byte to receive.
    at: u64,
    until: u64,
    sender: UnboundedSender<ChunkResult>,
}

impl RangeFetch {
    /// Fetches the complete range, or sends the error that prevents it.
    async fn run(mut self) {
        let mut breaks = 0;
        loop {
            let broken = match self.fetch_rest().await {
                Ok(None) => return,
                Ok(Some(broken)) => broken,
                Err(error) => return self.send(Err(error)),
            };
            breaks += 1;
            if breaks == BREAKS_MAX {
                let reason = format!(
                    "the response broke off {breaks} times, most recently at byte {}: {broken}",
                    self.at
                );
                return self.send(Err(io::Error::other(reason)));
            }
            sleep(backoff(WAIT, breaks - 1)).await;
        }
    }

    /// Requests the rest of the range; returns why the body broke off, if it did.
    async fn fetch_rest(&mut self) -> io::Result<Option<String>> {
        let S3 { client, bucket, .. } = &self.store;
        let get = client.get_object().bucket(bucket).key(self.store.key(&self.key));
        let get = get.range(format!("bytes={}-{}", self.at, self.until - 1));
        let get = get.set_if_match(self.version.as_ref().and_then(|version| version.etag.clone()));
        let response = get.send().await.map_err(|error| match status(&error) {
            Some(412) => {
                io::Error::other("the object was replaced while it was read; read it again")
            }
            _ => self.store.reason("read", &error),
        })?;
        let version = match &self.version {
            Some(version) => version.clone(),
            None => {
                let total = response.content_range().and_then(|range| range.rsplit('/').next());
                let bytes = total.and_then(|total| total.parse().ok()).ok_or_else(|| {
                    io::Error::other("the response does not include the size of the object")
                })?;
                let version = Version { etag: response.e_tag().map(str::to_owned), bytes };
                self.send(Ok(Chunk::Version(version.clone())));
                self.version.insert(version).clone()
            }
        };
        let (mut body, end) = (response.body, self.until.min(version.bytes));
        while self.at < end {
            match body.try_next().await {
                Ok(Some(bytes)) => {
                    self.at += bytes.len() as u64;
                    self.send(Ok(Chunk::Bytes(bytes)));
                }
                Ok(None) => return Ok(Some("the response is too short".to_owned())),
                Err(error) => return Ok(Some(error.to_string())),
            }
        }
        Ok(None)
    }

    /// Sends to the reader. After the reader is dropped this does nothing, and the task is aborted.
    fn send(&self, chunk: ChunkResult) {
        self.sender.send(chunk).unwrap_or_default();
    }
}
