//! A stream as the source of a service: its shards are read into the log, each by a reader.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet, spawn_blocking};
use tokio::time::sleep;
use tracing::info;
use velodrome_dataflows::Rules;

use super::faults::Faults;
use super::positions::{Positions, PositionsError};
use super::progress::Progress;
use super::reading::{Shared, behind, read};
use super::shard::ShardReader;
use super::stream::{Stream, StreamError, Summary};
use super::{Sinks, SourceConfig, Start, distance_ms};
use crate::aws::{AwsError, backoff};
use crate::health::Part;
use crate::log::{Clock, SourceTime, TICK_MS};
use crate::remote::Remote;

/// How often a stream's shards are listed, beside each time that one is read to its end.
const LOOK: Duration = Duration::from_secs(30);
/// The first wait after that failed.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How often positions are written.
const SAVE: Duration = Duration::from_secs(1);
/// What of a source fails where it is the stream as a whole, or the file of its positions.
const STREAM: &str = "stream";
const POSITIONS: &str = "positions";

/// A stream that cannot be read.
#[derive(Debug, Error)]
pub enum SourceError {
    /// No way to AWS.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// The stream itself.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// How far it is read.
    #[error(transparent)]
    Positions(#[from] PositionsError),
}

/// A stream that can be read.
#[derive(Debug)]
pub struct Source {
    pub(super) stream: Stream,
    pub(super) summary: Summary,
    pub(super) data: PathBuf,
    pub(super) positions: Positions,
    /// Whether shards are begun with what comes from now on.
    pub(super) is_at_latest: bool,
    pub(super) time: SourceTime,
}

impl Source {
    /// Finds the stream, and how far it is read into the data directory `data`, whose log's last event arrived
    /// at `last_ms`. Where nothing of it is, it is begun where `config` says, or as far before the log's end as
    /// shards may be apart under `rules`; that is kept. The service's clock, which `time` sets, is the stream's
    /// from then on.
    ///
    /// Blocks the thread, which must not be one of a runtime.
    ///
    /// # Errors
    /// A stream that cannot be described, or that is not the one that was read before.
    pub fn open(
        config: &SourceConfig,
        remote: &Remote,
        data: &Path,
        last_ms: Option<u64>,
        rules: &Rules,
        time: SourceTime,
    ) -> Result<Self, SourceError> {
        let aws = remote.aws()?;
        let stream = Stream::new(aws.config(), config.stream.clone());
        let summary = aws.runtime().block_on(stream.describe())?;
        let (name, now_ms) = (config.stream.as_str(), Clock::system().now());
        let known = Positions::load(data)?;
        let start = match last_ms {
            Some(ms) => Start::At(time.wall_at(ms.saturating_sub(distance_ms(rules)))),
            None => config.start.clone(),
        };
        let is_at_latest = known.is_none() && start == Start::Latest;
        let positions = match known {
            Some(known) => {
                known.check(data, &stream, summary.created_ms)?;
                known
            }
            None => {
                let listed = aws.runtime().block_on(stream.shards())?;
                let begun = Positions::begin(name, summary.created_ms, &listed, &start, now_ms);
                begun.save(data)?;
                info!(stream = name, ?start, shards = listed.len(), "beginning a stream");
                begun
            }
        };
        // No record is older than what is read first.
        let oldest_ms = match start {
            Start::At(ms) => ms.min(now_ms),
            Start::Latest => now_ms,
            Start::TrimHorizon | Start::After(_) => {
                summary.created_ms.max(now_ms.saturating_sub(summary.retention_ms))
            }
        };
        // The last tick of the log is over: what is in it is waited for before anything more is read.
        time.reach(last_ms.map_or_else(|| time.at(oldest_ms), |ms| ms + TICK_MS));
        let data = data.to_owned();
        Ok(Self { stream, summary, data, positions, is_at_latest, time })
    }

    /// Reads the stream into `sinks` until `stop` says so; then all that was taken is durable, and so is how
    /// far that is. Tells `part` how it is.
    pub async fn run(self, sinks: Sinks, part: Part, stop: watch::Receiver<bool>) {
        let Self { stream, summary, data, positions, is_at_latest, time } = self;
        let retention_ms = summary.retention_ms;
        let distance_ms = sinks.distance_ms();
        let progress =
            Progress::new(positions, data, distance_ms, retention_ms, time, part.clone());
        let shared = Shared {
            stream,
            created_ms: summary.created_ms,
            progress,
            faults: Faults::new(part),
            sinks,
            wall: Clock::system(),
            stop,
        };
        let readers = Readers {
            shared: Arc::new(shared),
            tasks: JoinSet::new(),
            running: BTreeMap::new(),
            is_at_latest,
        };
        let shared = Arc::clone(&readers.shared);
        tokio::select! {
            () = readers.run() => (),
            () = save_now_and_then(&shared) => (),
        }
        save(&shared).await;
    }
}

/// The readers of a stream's shards.
struct Readers {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    running: BTreeMap<String, AbortHandle>,
    is_at_latest: bool,
}

impl Readers {
    /// Has all shards read, each once its parents are, until the source is to stop.
    async fn run(mut self) {
        let mut stop = self.shared.stop.clone();
        let mut failures = 0;
        loop {
            let looked = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                looked = self.look() => looked,
            };
            let wait = match looked {
                Ok(()) => {
                    self.shared.faults.well(STREAM);
                    failures = 0;
                    LOOK
                }
                Err(SourceError::Stream(error)) => {
                    self.shared.faults.fail(STREAM, error);
                    failures += 1;
                    backoff(LOOK_AGAIN, failures)
                }
                Err(error) => {
                    // It does not pass: what becomes of the positions is for people to decide.
                    self.tasks.shutdown().await;
                    self.shared.faults.part().fail(error);
                    stop.wait_for(|stop| *stop).await.map(drop).unwrap_or_default();
                    break;
                }
            };
            let is_panicked = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                Some(ended) = self.tasks.join_next() => ended.is_err_and(|error| error.is_panic()),
                () = sleep(wait) => false,
            };
            if is_panicked {
                // It begins again where it was, but not at once.
                sleep(LOOK_AGAIN).await;
            }
        }
        while self.tasks.join_next().await.is_some() {}
    }

    /// Looks which shards there are, and has those read that may be.
    async fn look(&mut self) -> Result<(), SourceError> {
        let Shared { stream, progress, faults, sinks, .. } = &*self.shared;
        let summary = stream.describe().await?;
        progress.is_of(stream, summary.created_ms)?;
        let listed = stream.shards().await?;
        let (readable, lost) = progress.list(&listed, summary.retention_ms, sinks.distance_ms());
        for shard in &lost {
            if let Some(reader) = self.running.get(shard) {
                reader.abort();
            }
        }
        let is_gone =
            |shard: &String, reader: &mut AbortHandle| reader.is_finished() || lost.contains(shard);
        let gone: Vec<_> = self.running.extract_if(.., is_gone).map(|(shard, _)| shard).collect();
        for shard in &readable {
            if !self.running.contains_key(shard) {
                let start = match progress.start(shard) {
                    Start::At(_) if self.is_at_latest => Start::Latest,
                    start => start,
                };
                info!(shard, ?start, "reading a shard");
                let wall = self.shared.wall.clone();
                let reader = ShardReader::new(stream.clone(), shard.clone(), start, wall);
                let reader = self.tasks.spawn(read(Arc::clone(&self.shared), reader));
                self.running.insert(shard.clone(), reader);
            }
        }
        self.is_at_latest = false;
        // Those that go on with them have joined by now, and hold the others up in their place.
        for shard in gone.iter().filter(|shard| !readable.contains(shard)) {
            faults.well(shard);
            behind(shard).set(0.0);
            progress.leave(shard);
        }
        Ok(())
    }
}

async fn save_now_and_then(shared: &Arc<Shared>) {
    loop {
        sleep(SAVE).await;
        save(shared).await;
    }
}

async fn save(shared: &Arc<Shared>) {
    let saving = Arc::clone(shared);
    match spawn_blocking(move || saving.progress.save()).await {
        Ok(Err(error)) => shared.faults.fail(POSITIONS, error),
        Ok(Ok(())) | Err(_) => shared.faults.well(POSITIONS),
    }
}
