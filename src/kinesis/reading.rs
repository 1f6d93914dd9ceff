//! Reading a shard into the log, until it is closed or the source is stopped.

use std::future::pending;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Gauge, counter, gauge};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::sleep;

use super::Sinks;
use super::decode::{Decoded, bury};
use super::faults::Faults;
use super::progress::Progress;
use super::shard::{Batch, Record, ShardReader};
use super::stream::{Stream, StreamError};
use crate::log::{AppendError, Clock, SourceTime};

/// A chunk is closed with so many bytes of records: some 5,000 events, which take a millisecond to decode.
const CHUNK_BYTES: usize = 1 << 20;
/// And before so many ms of the service's time: its events have one time in the graph, and their clocks may
/// be behind that by a minute at most (`SPAN_MS` of the dataflow crate).
const CHUNK_MS: u64 = 5_000;
/// How many chunks of a shard wait for the log at a time; more gain nothing, as it writes all that waits.
const CHUNKS_MAX: usize = 8;
/// How long to wait for a log that is full: some groups' time.
const FULL_WAIT: Duration = Duration::from_millis(20);
/// How long to wait for a log that cannot be written; it looks for itself as often.
const FAILED_WAIT: Duration = Duration::from_secs(1);
/// What of a source fails where it is the log.
const LOG: &str = "log";

/// What readers of all shards use.
pub(super) struct Shared {
    pub(super) stream: Stream,
    /// When it was made.
    pub(super) created_ms: u64,
    pub(super) progress: Progress,
    pub(super) faults: Faults,
    pub(super) sinks: Sinks,
    /// The wall's clock.
    pub(super) wall: Clock,
    /// Whether to stop.
    pub(super) stop: watch::Receiver<bool>,
}

/// How far a shard is behind its newest record; 0 once it is not read any more.
pub(super) fn behind(shard: &str) -> Gauge {
    gauge!("velodrome_source_behind_seconds", "shard" => shard.to_owned())
}

/// Reads the shard of `reader` until it is closed and all of it taken, the stream of this name is another
/// one, or it is to stop.
pub(super) async fn read(shared: Arc<Shared>, mut reader: ShardReader) {
    let shard = reader.shard().to_owned();
    let mut stop = shared.stop.clone();
    let behind = behind(&shard);
    loop {
        shared.progress.check(&shard, shared.wall.now());
        let answer = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            answer = reader.next() => answer,
        };
        let batch = match answer {
            Ok(batch) => batch,
            Err(error) => {
                if matches!(error, StreamError::Throttled { .. }) {
                    counter!("velodrome_source_throttles_total").increment(1);
                }
                shared.faults.fail(&shard, &error);
                if matches!(error, StreamError::Missing { .. })
                    && let Ok(summary) = shared.stream.describe().await
                    && summary.created_ms != shared.created_ms
                {
                    return;
                }
                continue;
            }
        };
        shared.faults.well(&shard);
        behind.set(batch.behind_ms as f64 / 1_000.0);
        let is_closed = batch.is_closed;
        if take(&shared, &shard, &mut stop, batch).await == Flow::Stop {
            return;
        }
        if is_closed {
            shared.progress.finish(&shard);
            return;
        }
    }
}

/// Whether a reader goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Go,
    Stop,
}

/// Takes a batch into the log; returns once that has all of it.
async fn take(
    shared: &Arc<Shared>,
    shard: &str,
    stop: &mut watch::Receiver<bool>,
    batch: Batch,
) -> Flow {
    let (progress, is_all) = (&shared.progress, batch.is_all());
    let records: Arc<[Record]> = batch.records.into();
    let mut done = 0;
    while let Some(next) = records.get(done) {
        let next_ms = progress.time().at(next.arrival_ms);
        let limit_ms = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return Flow::Stop,
            limit_ms = progress.admit(shard, next_ms) => limit_ms,
        };
        let failed = append(shared, shard, &records, &mut done, limit_ms).await.err();
        let wait = match failed {
            None => continue,
            Some(AppendError::Closed) => return Flow::Stop,
            Some(AppendError::Full) => FULL_WAIT,
            Some(error @ (AppendError::DiskFull | AppendError::Poisoned(_))) => {
                shared.faults.fail(LOG, &error);
                FAILED_WAIT
            }
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return Flow::Stop,
            () = sleep(wait) => (),
        }
    }
    let bytes: usize = records.iter().map(|record| record.data.len()).sum();
    counter!("velodrome_source_records_total").increment(records.len() as u64);
    counter!("velodrome_source_bytes_total").increment(bytes as u64);
    let last_ms = records.last().map(|record| record.arrival_ms);
    let until_ms = match is_all {
        true => batch.polled_ms,
        false => last_ms.unwrap_or_else(|| batch.polled_ms.saturating_sub(batch.behind_ms)),
    };
    progress.passed(shard, until_ms, is_all, shared.wall.now());
    Flow::Go
}

/// A chunk that the log was given.
struct InFlight {
    records: Range<usize>,
    accepted: usize,
    rejected: usize,
    /// None where nothing of it is for the log.
    answer: Option<oneshot::Receiver<Result<u64, AppendError>>>,
}

/// Gives the log some chunks of `records`, from the one at `done` on, up to those that arrived at `limit_ms`,
/// waits until they are durable, and moves `done` behind them.
///
/// # Errors
/// What the log says of the chunk at `done`; those behind it may be in the log all the same.
async fn append(
    shared: &Arc<Shared>,
    shard: &str,
    records: &Arc<[Record]>,
    done: &mut usize,
    limit_ms: u64,
) -> Result<(), AppendError> {
    let (mut in_flight, mut queued, mut at) = (Vec::new(), Ok(()), *done);
    while in_flight.len() < CHUNKS_MAX && queued.is_ok() {
        let chunk = chunk(records, at, shared.progress.time(), limit_ms);
        if chunk.is_empty() {
            break;
        }
        at = chunk.end;
        let Decoded { lines, events, rejected } = decode(shared, records, chunk.clone()).await;
        let accepted = lines.len();
        let add = |answer| {
            in_flight.push(InFlight { records: chunk, accepted, rejected, answer });
        };
        match accepted {
            0 => add(None),
            _ => queued = shared.sinks.log.append(lines, events).map(|answer| add(Some(answer))),
        }
    }
    for InFlight { records: chunk, accepted, rejected, answer } in in_flight {
        let arrival_ms = match answer {
            Some(answer) => Some(answer.await.map_err(|_| AppendError::Closed)??),
            None => None,
        };
        shared.faults.well(LOG);
        if rejected > 0 {
            let (shared, shard) = (Arc::clone(shared), shard.to_owned());
            blocking(records, chunk.clone(), move |records| {
                bury(records, &shard, shared.sinks.race_seconds(), &shared.sinks.letters);
            })
            .await;
        }
        counter!("velodrome_events_total", "verdict" => "accepted").increment(accepted as u64);
        counter!("velodrome_events_total", "verdict" => "rejected").increment(rejected as u64);
        *done = chunk.end;
        if let Some(last) = records.get(chunk).and_then(<[_]>::last) {
            shared.progress.took(shard, last, arrival_ms, shared.wall.now());
        }
    }
    queued
}

/// Decodes a chunk.
async fn decode(shared: &Arc<Shared>, records: &Arc<[Record]>, chunk: Range<usize>) -> Decoded {
    let shared = Arc::clone(shared);
    let (time, race_seconds) = (shared.progress.time().clone(), shared.sinks.race_seconds());
    blocking(records, chunk, move |records| Decoded::of(records, &time, race_seconds)).await
}

/// Works on a chunk, not on the runtime's own threads.
async fn blocking<T: Send + 'static>(
    records: &Arc<[Record]>,
    chunk: Range<usize>,
    work: impl FnOnce(&[Record]) -> T + Send + 'static,
) -> T {
    let records = Arc::clone(records);
    let work = spawn_blocking(move || work(records.get(chunk).unwrap_or_default()));
    match work.await.map_err(JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => resume_unwind(panic),
        // The runtime ends, and this with it.
        Err(Err(_)) => pending().await,
    }
}

/// The chunk of `records` that begins at `from`: it ends before a record that arrived after `limit_ms` of the
/// service's time.
fn chunk(records: &[Record], from: usize, time: &SourceTime, limit_ms: u64) -> Range<usize> {
    let rest = records.get(from..).unwrap_or_default();
    let first_ms = rest.first().map_or(0, |first| time.at(first.arrival_ms));
    let last_ms = limit_ms.min(first_ms.saturating_add(CHUNK_MS));
    let mut bytes = 0;
    let fits = |record: &&Record| {
        let has_room = bytes < CHUNK_BYTES;
        bytes += record.data.len();
        has_room && time.at(record.arrival_ms) <= last_ms
    };
    from..from + rest.iter().take_while(fits).count()
}
