//! Taking a delivery: batch after batch, so that what it holds does not grow with it.

use std::io::{BufReader, Read};
use std::net::SocketAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::{Buf, Bytes};
use metrics::counter;
use tokio::runtime::Handle;
use tokio::sync::mpsc::Receiver;

use crate::dead_letters::{Letter, Source};
use crate::firehose::delivery::{BYTES_MAX, DeliveryError, Splitter};
use crate::ingest::gunzip::Gunzip;
use crate::ingest::record::events;
use crate::serve::App;
use crate::serve::batch::Batch;
use crate::serve::body::{BODY_BYTES_MAX, Held, PIECE_BYTES, bad_body, body_too_large, too_large};
use crate::serve::error::ApiError;
use crate::serve::grant::Grant;
use crate::serve::ingest::append;

/// From here on a batch goes into the log: two records of the largest, some 5,000 events of the usual size.
const BATCH_BYTES: usize = 1 << 20;
/// The same for lines that are short: decoded or rejected they take more memory than as they came.
const BATCH_EVENTS: usize = 8_192;

/// A delivery that is being taken, on a thread that may block.
pub(super) struct Taking {
    app: App,
    peer: SocketAddr,
    request_id: String,
    batch: Batch,
    /// What was taken so far of what the body counts for: all of it, up to a body's 8 MiB. More than that is never
    /// held of it: its batch, a record as sent and decoded, and pieces that wait.
    held: Held,
    bytes: usize,
    runtime: Handle,
}

impl Taking {
    /// Nothing of it yet; to be called where the runtime is at hand.
    pub(super) fn new(app: App, peer: SocketAddr, grant: Grant, request_id: String) -> Self {
        let held = app.admission().hold(BODY_BYTES_MAX);
        let batch = Batch::new(grant, app.race_seconds());
        Self { app, peer, request_id, batch, held, bytes: 0, runtime: Handle::current() }
    }

    /// Takes the body that comes in pieces. A body that turns out to be none at its end is refused, though what came
    /// before may be taken: whoever sends that again changes nothing.
    pub(super) fn run(mut self, pieces: Receiver<Bytes>, is_gzip: bool) -> Result<(), ApiError> {
        let pieces = Pieces { pieces, piece: Bytes::new() };
        let mut reader: Box<dyn Read> = match is_gzip {
            true => Box::new(Gunzip::new(BufReader::new(pieces))),
            false => Box::new(pieces),
        };
        let (mut buffer, mut splitter) = (vec![0; PIECE_BYTES], Splitter::default());
        loop {
            let length = reader.read(&mut buffer).map_err(|error| bad_body(error.to_string()))?;
            let Some(bytes @ [_, ..]) = buffer.get(..length) else { break };
            self.charge(length)?;
            splitter.push(bytes, |index, record| self.take(index, &record.data))?;
        }
        let body = splitter.finish()?;
        if body.request_id != self.request_id {
            return Err(bad_body("the requestId of the body is not that of the header"));
        }
        self.flush()
    }

    fn charge(&mut self, bytes: usize) -> Result<(), ApiError> {
        let before = self.bytes;
        self.bytes += bytes;
        if self.bytes > BYTES_MAX {
            return Err(body_too_large(BYTES_MAX));
        }
        self.held.charge(self.bytes.min(BODY_BYTES_MAX) - before.min(BODY_BYTES_MAX))
    }

    /// Takes the events of record `index`: one, or one a line.
    fn take(&mut self, index: usize, data: &str) -> Result<(), ApiError> {
        let text = match BASE64_STANDARD.decode(data) {
            Ok(text) => text,
            Err(error) => {
                let reason = format!("the data of the record are no base64: {error}");
                self.batch.reject(index, reason, data.as_bytes());
                return self.flush_full();
            }
        };
        for event in events(&text, self.app.race_seconds()) {
            self.batch.take(index, event);
            self.flush_full()?;
        }
        Ok(())
    }

    fn flush_full(&mut self) -> Result<(), ApiError> {
        let is_full = self.batch.count() >= BATCH_EVENTS || self.batch.bytes() >= BATCH_BYTES;
        if is_full { self.flush() } else { Ok(()) }
    }

    /// Has the batch in the log, durably, and what is rejected among the dead letters.
    fn flush(&mut self) -> Result<(), ApiError> {
        let batch = self.batch.next();
        let count = batch.count();
        let Batch { lines, events, rejected, .. } = batch;
        self.runtime.block_on(async {
            // The rate is waited for: one that is refused for it in its middle would come again as a whole.
            self.app.admission().pace(self.peer.ip(), count).await;
            match lines.is_empty() {
                true => Ok(()),
                false => append(&self.app, lines, events).await.map(drop),
            }
        })?;
        let count = rejected.len() as u64;
        counter!("velodrome_events_total", "verdict" => "rejected").increment(count);
        self.app.dead_letters().keep(rejected.iter().map(|rejected| Letter {
            source: Source::Delivery { request_id: &self.request_id, record: rejected.index },
            arrival_ms: None,
            reason: &rejected.reason,
            data: &rejected.text,
        }));
        Ok(())
    }
}

/// A body's pieces as they come, up to its end.
struct Pieces {
    pieces: Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let length = self.piece.len().min(buffer.len());
        self.piece.copy_to_slice(buffer.get_mut(..length).unwrap_or_default());
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
