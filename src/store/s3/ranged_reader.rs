//! A reader of an object that requests ranges ahead of its reader, several at a time.

use std::collections::VecDeque;
use std::io::{self, Read};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

use super::bucket::S3;
use super::range_fetch::{Chunk, ChunkResult, RangeFetch, Version};
use crate::store::interface::Object;

/// The size of a range. AWS recommends 8 to 16 MB per request ("Performance design patterns for Amazon
/// S3"); a smaller first response arrives sooner.
const RANGE_BYTES: u64 = 4 << 20;
/// The number of ranges in memory or in flight, so one reader uses at most 16 MiB. AWS recommends one
/// request in flight per 85 to 90 MB/s (the same page).
const RANGES_MAX: usize = 4;

/// The first range is a bit longer, so that a caller that reads 4 MiB and then to the end of the line
/// needs only one request.
const FIRST_BYTES: u64 = RANGE_BYTES + (64 << 10);

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
    /// Reads the version of `object` that was listed.
    pub(super) fn new(store: S3, object: &Object, offset: u64) -> Self {
        let version = Version { etag: object.etag.clone(), bytes: object.bytes };
        Self::open(store, &object.key, Some(version), offset)
    }

    /// Reads the newest version of the object with this key.
    pub(super) fn newest(store: S3, key: &str) -> Self {
        Self::open(store, key, None, 0)
    }

    fn open(store: S3, key: &str, version: Option<Version>, offset: u64) -> Self {
        let mut reader = Self {
            store,
            key: key.to_owned(),
            chunk: Bytes::new(),
            requested: VecDeque::new(),
            requested_max: 1,
            next: offset,
            version,
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
                Some(Ok(Chunk::Version(version))) => self.version = Some(version),
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
