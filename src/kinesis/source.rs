//! A stream as the source of a service: its shards are read into the log.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::info;
use velodrome_dataflows::Rules;

use super::config::{Sinks, SourceConfig, max_drift_ms};
use super::context::Context;
use super::deal::Deal;
use super::failures::Failures;
use super::positions::Positions;
use super::positions_file::PositionsError;
use super::progress::Progress;
use super::start::Start;
use super::stream::{Stream, Summary};
use super::stream_error::StreamError;
use super::supervisor::Supervisor;
use crate::aws::AwsError;
use crate::health::Component;
use crate::lazy_aws::LazyAws;
use crate::log::{Clock, SourceClock, TICK_MS};

/// The interval between writes of the positions.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);
/// The name of the positions file among the components of a source that can fail.
const POSITIONS: &str = "positions";

/// Why a stream cannot be read.
#[derive(Debug, Error)]
pub enum SourceError {
    /// AWS cannot be used.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// A call for the stream failed.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The positions cannot be used.
    #[error(transparent)]
    Positions(#[from] PositionsError),
}

/// A source that is ready to read.
#[derive(Clone, Debug)]
pub struct Source {
    pub(super) stream: Stream,
    pub(super) summary: Summary,
    pub(super) data: PathBuf,
    pub(super) positions: Positions,
    /// Whether the positions are where reading starts the first time. They are in no file yet then.
    pub(super) is_new: bool,
    /// Whether the first readers start after the newest record.
    pub(super) is_at_latest: bool,
    pub(super) time: SourceClock,
}

impl Source {
    /// Opens the stream, with its positions from the data directory `data`.
    ///
    /// `last_ms` is the last arrival in the log. If the directory has no positions, reading starts where
    /// `config` says, or, if the log has events, before `last_ms` by the drift that `rules` allow
    /// between shards. From now on `time` sets the service's clock to the stream's time.
    ///
    /// Blocks the thread, which must not belong to a runtime.
    ///
    /// # Errors
    /// The stream cannot be described, or is not the one that the positions are of.
    pub fn open(
        config: &SourceConfig,
        lazy_aws: &LazyAws,
        data: &Path,
        last_ms: Option<u64>,
        rules: &Rules,
        time: SourceClock,
    ) -> Result<Self, SourceError> {
        let aws = lazy_aws.get()?;
        let stream = Stream::new(aws.config(), config.stream.clone());
        let summary = aws.runtime().block_on(stream.describe())?;
        let (name, now_ms) = (config.stream.as_str(), Clock::system().now());
        let known = Positions::load(data)?;
        let start = match last_ms {
            Some(ms) => Start::At(time.wall_ms_at(ms.saturating_sub(max_drift_ms(rules)))),
            None => config.start.clone(),
        };
        let is_new = known.is_none();
        let is_at_latest = is_new && start == Start::Latest;
        let positions = match known {
            Some(known) => {
                known.check(data, &stream, summary.created_ms)?;
                known
            }
            None => {
                let listed = aws.runtime().block_on(stream.shards())?;
                Positions::new(name, summary.created_ms, &listed, &start, now_ms)
            }
        };
        // No record that will be read arrived before this.
        let oldest_ms = match start {
            Start::At(ms) => ms.min(now_ms),
            Start::Latest => now_ms,
            Start::TrimHorizon | Start::After(_) => {
                summary.created_ms.max(now_ms.saturating_sub(summary.retention_ms))
            }
        };
        // Time moves past the last tick in the log, because startup waits until its events are complete.
        time.advance_to(last_ms.map_or_else(|| time.clock_ms_at(oldest_ms), |ms| ms + TICK_MS));
        let data = data.to_owned();
        Ok(Self { stream, summary, data, positions, is_new, is_at_latest, time })
    }

    /// Saves the positions if they are new, so that a later start resumes where this one began.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save_new(&self) -> Result<(), SourceError> {
        if self.is_new {
            self.positions.save(&self.data)?;
            let (stream, shards) = (self.stream.name().as_str(), self.positions.shards.len());
            info!(stream, shards, "reading a stream from its start");
        }
        Ok(())
    }

    /// Reads the stream into `sinks` until `stop` becomes true. On return, the log is durable up to the
    /// saved positions. `component` is the source's entry in `/readyz`.
    pub async fn run(self, sinks: Sinks, component: Component, stop: watch::Receiver<bool>) {
        let is_at_latest = self.is_at_latest;
        read(&self.into_context(Deal::default(), sinks, component, stop), is_at_latest).await;
    }

    /// What the tasks share that read the shards in `deal`.
    pub(super) fn into_context(
        self,
        deal: Deal,
        sinks: Sinks,
        component: Component,
        stop: watch::Receiver<bool>,
    ) -> Arc<Context> {
        let Self { stream, summary, data, positions, time, .. } = self;
        let retention_ms = summary.retention_ms;
        let max_drift_ms = sinks.max_drift_ms();
        let component_of_gaps = component.clone();
        let progress = Progress::new(
            deal,
            positions,
            data,
            max_drift_ms,
            retention_ms,
            time,
            component_of_gaps,
        );
        Arc::new(Context {
            stream,
            created_ms: summary.created_ms,
            progress,
            failures: Failures::new(component),
            sinks,
            wall: Clock::system(),
            stop,
        })
    }
}

/// Reads shards until the source stops. With `is_at_latest`, the first readers start after the newest record.
pub(super) async fn read(context: &Arc<Context>, is_at_latest: bool) {
    tokio::select! {
        () = Supervisor::new(Arc::clone(context), is_at_latest).run() => (),
        () = save_periodically(context) => (),
    }
    save(context).await;
}

async fn save_periodically(context: &Arc<Context>) {
    loop {
        sleep(SAVE_INTERVAL).await;
        save(context).await;
    }
}

/// Saves the positions if they have changed.
async fn save(context: &Arc<Context>) {
    let saving = Arc::clone(context);
    match spawn_blocking(move || saving.progress.save()).await {
        Ok(Err(error)) => context.failures.fail(POSITIONS, error),
        Ok(Ok(())) | Err(_) => context.failures.set_ok(POSITIONS),
    }
}
