//! Accepts a delivery in batches, so that its memory does not grow with its size.

use std::io::{BufReader, Read};
use std::net::SocketAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::{Buf, Bytes};
use metrics::counter;
use tokio::runtime::Handle;
use tokio::sync::mpsc::Receiver;

use crate::dead_letters::{DeadLetter, Source};
use crate::firehose::delivery::{BYTES_MAX, DeliveryError};
use crate::firehose::splitter::Splitter;
use crate::ingest::gunzip::Gunzip;
use crate::ingest::record::split_events;
use crate::serve::App;
use crate::serve::append::{AppendedBatch, append};
use crate::serve::batch::Batch;
use crate::serve::body::{
    BODY_BYTES_MAX, BodyBuffer, CHUNK_BYTES, bad_body, body_too_large, too_large,
};
use crate::serve::error::ApiError;
use crate::serve::permissions::Permissions;

/// A batch is appended to the log once it has this size: at most two of the largest records, or some
/// 5,000 typical events.
const BATCH_BYTES: usize = 1 << 20;
/// A batch is also appended once it has this many events, because short events need more memory once
/// they are decoded or rejected than their text.
const BATCH_EVENTS: usize = 8_192;

/// The intake of one delivery, on a thread that may block.
pub(super) struct DeliveryIntake {
    app: App,
    peer: SocketAddr,
    request_id: String,
    batch: Batch,
    /// The memory that is reserved for the body: its received size, up to the 8 MiB of an ordinary body.
    /// The batch, one record before and after decoding, and the queued chunks never use more.
    reserved: BodyBuffer,
    bytes: usize,
    runtime: Handle,
}

impl DeliveryIntake {
    /// An intake of the delivery `request_id`. Call it on a thread of the runtime.
    pub(super) fn new(
        app: App,
        peer: SocketAddr,
        permissions: Permissions,
        request_id: String,
    ) -> Self {
        let client = permissions.client(peer.ip());
        let reserved = app.limiter().body_buffer(client, BODY_BYTES_MAX);
        let batch = Batch::new(permissions, app.race_seconds());
        Self { app, peer, request_id, batch, reserved, bytes: 0, runtime: Handle::current() }
    }

    /// Accepts the events of a body that arrives in chunks. A body that turns out to be invalid at its
    /// end is rejected although its first events are in the log. Sending them again changes nothing.
    pub(super) fn run(mut self, chunks: Receiver<Bytes>, is_gzip: bool) -> Result<(), ApiError> {
        let body = ChunkReader { chunks, chunk: Bytes::new() };
        let mut reader: Box<dyn Read> = match is_gzip {
            true => Box::new(Gunzip::new(BufReader::new(body))),
            false => Box::new(body),
        };
        let (mut buffer, mut splitter) = (vec![0; CHUNK_BYTES], Splitter::default());
        loop {
            let length = reader.read(&mut buffer).map_err(|error| bad_body(error.to_string()))?;
            let Some(bytes @ [_, ..]) = buffer.get(..length) else { break };
            self.reserve(length)?;
            splitter.push(bytes, |index, record| self.accept_record(index, &record.data))?;
        }
        let body = splitter.finish()?;
        if body.request_id != self.request_id {
            return Err(bad_body("the requestId of the body differs from the header's"));
        }
        self.flush()
    }

    /// Counts received bytes against the limits of the body and of the service's memory.
    fn reserve(&mut self, bytes: usize) -> Result<(), ApiError> {
        let before = self.bytes;
        self.bytes += bytes;
        if self.bytes > BYTES_MAX {
            return Err(body_too_large(BYTES_MAX));
        }
        self.reserved.reserve(self.bytes.min(BODY_BYTES_MAX) - before.min(BODY_BYTES_MAX))
    }

    /// Adds the events of record `index` to the batch: one, or one per line.
    fn accept_record(&mut self, index: usize, data: &str) -> Result<(), ApiError> {
        let text = match BASE64_STANDARD.decode(data) {
            Ok(text) => text,
            Err(error) => {
                let reason = format!("the data of the record is not base64: {error}");
                self.batch.reject(index, reason, data.as_bytes());
                return self.flush_if_full();
            }
        };
        for event in split_events(&text, self.app.race_seconds()) {
            self.batch.push(index, event);
            self.flush_if_full()?;
        }
        Ok(())
    }

    fn flush_if_full(&mut self) -> Result<(), ApiError> {
        let is_full = self.batch.count() >= BATCH_EVENTS || self.batch.bytes() >= BATCH_BYTES;
        if is_full { self.flush() } else { Ok(()) }
    }

    /// Appends the batch to the log, durably, and adds its rejected events to the dead letters.
    fn flush(&mut self) -> Result<(), ApiError> {
        let batch = self.batch.take();
        let AppendedBatch { rejected, .. } = self.runtime.block_on(async {
            // Waits for the client's rate limit, because Firehose would send the complete delivery again
            // if it were rejected midway.
            self.app.limiter().wait_for_events(self.peer.ip(), batch.count()).await;
            append(&self.app, batch).await
        })?;
        let count = rejected.len() as u64;
        counter!("velodrome_events_total", "verdict" => "rejected").increment(count);
        self.app.dead_letters().add(rejected.iter().map(|rejected| DeadLetter {
            source: Source::Delivery { request_id: &self.request_id, record: rejected.index },
            arrival_ms: None,
            reason: &rejected.reason,
            data: &rejected.text,
        }));
        Ok(())
    }
}

/// Reads a body from its chunks as they arrive.
struct ChunkReader {
    chunks: Receiver<Bytes>,
    chunk: Bytes,
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.chunk.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.chunk = chunk,
                None => return Ok(0),
            }
        }
        let length = self.chunk.len().min(buffer.len());
        self.chunk.copy_to_slice(buffer.get_mut(..length).unwrap_or_default());
        Ok(length)
    }
}

impl From<DeliveryError> for ApiError {
    fn from(error: DeliveryError) -> Self {
        let message = error.to_string();
        match error {
            DeliveryError::TooManyRecords | DeliveryError::TooLarge => too_large(message),
            DeliveryError::Body(_) | DeliveryError::Record(..) | DeliveryError::Misplaced => {
                bad_body(message)
            }
        }
    }
}
