//! A stream as the source of a node of a cluster: its shards are read while a generation answers reads.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{error, info};

use super::archiving::Archiving;
use super::config::Sinks;
use super::context::Context;
use super::deal::Deal;
use super::positions::{Origin, Positions, ShardPositions, SourceState, update};
use super::positions_file::PositionsError;
use super::reporting::{Announce, report_archived, report_progress};
use super::shard_report::ShardReport;
use super::source::{Source, read};
use crate::health::Component;
use crate::log::LogFiles;

/// The source of a node.
///
/// Reading stops before the node is ready for the next generation. So a shard never has two readers.
pub struct NodeSource {
    /// The stream, and where reading starts the first time.
    source: Source,
    deal: Deal,
    sinks: Sinks,
    component: Component,
    archiving: Arc<Archiving>,
    runtime: Handle,
    announce: Announce,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether the next readers start after the newest record.
    is_at_latest: bool,
    reading: Option<Reading>,
    /// Whether the node stops.
    is_closed: bool,
}

/// The tasks that read.
struct Reading {
    /// The generation that reads.
    generation: u64,
    context: Arc<Context>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Reads until it is dropped, unless a newer generation has replaced its generation.
#[must_use]
pub struct ReadingGeneration<'a> {
    source: &'a NodeSource,
    generation: u64,
}

impl NodeSource {
    /// The source of the node that reads the shards in `deal`. `files` are those of its log. `announce` sends reports to the
    /// other nodes.
    pub fn new(
        source: Source,
        deal: Deal,
        sinks: Sinks,
        component: Component,
        files: LogFiles,
        runtime: Handle,
        announce: impl Fn(ShardReport) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (archiving, announce) = (Arc::new(Archiving::new(files)), Arc::new(announce));
        let state = Mutex::default();
        Arc::new(Self { source, deal, sinks, component, archiving, runtime, announce, state })
    }

    /// The name of the stream.
    pub fn stream(&self) -> &str {
        self.source.stream.name().as_str()
    }

    /// What this node knows for the next generation. `None` if it knows nothing; the coordinator always does.
    pub fn ready(&self) -> Option<SourceState> {
        let is_at_latest = self.source.is_at_latest;
        match Positions::load(&self.source.data) {
            Ok(Some(positions)) => Some(SourceState { positions, origin: Origin::Read }),
            Ok(None) => self.deal.is_first().then(|| SourceState {
                positions: self.source.positions.clone(),
                origin: Origin::First { is_at_latest },
            }),
            Err(error) => {
                // The other nodes know what is in its archive.
                error!(%error, "cannot read the positions of the stream");
                None
            }
        }
    }

    /// Makes what a generation knows durable, before the node is part of it.
    ///
    /// # Errors
    /// Why it is not durable.
    pub fn join(&self, plan: &SourceState) -> Result<(), String> {
        let mut state = self.lock();
        let Source { stream, summary, data, .. } = &self.source;
        let known = plan.positions.check(data, stream, summary.created_ms);
        let save = || {
            let mut positions = self.load()?;
            positions.join(plan, |shard| self.deal.has(shard));
            positions.save(data)
        };
        known.and_then(|()| save()).map_err(|error| error.to_string())?;
        state.is_at_latest = plan.origin == Origin::First { is_at_latest: true };
        Ok(())
    }

    /// Starts to read for a generation that answers reads. If an earlier one still reads, it continues for this one.
    pub fn read(&self, generation: u64) -> ReadingGeneration<'_> {
        let mut state = self.lock();
        let is_at_latest = mem::take(&mut state.is_at_latest);
        if let Some(reading) = &mut state.reading {
            reading.generation = generation;
        } else if !state.is_closed {
            match self.load() {
                Ok(positions) => {
                    state.reading = Some(self.start(generation, positions, is_at_latest));
                }
                Err(error) => self.component.fail(error),
            }
        }
        drop(state);
        ReadingGeneration { source: self, generation }
    }

    fn start(&self, generation: u64, positions: Positions, is_at_latest: bool) -> Reading {
        let (stop, stopped) = watch::channel(false);
        let source = Source { positions, ..self.source.clone() };
        let (sinks, component) = (self.sinks.clone(), self.component.clone());
        let context = source.into_context(self.deal, sinks, component, stopped);
        let (reader, archiving) = (Arc::clone(&context), Arc::clone(&self.archiving));
        let announce = Arc::clone(&self.announce);
        info!(generation, stream = self.stream(), "reading the shards of this node");
        let task = self.runtime.spawn(async move {
            tokio::select! {
                () = read(&reader, is_at_latest) => (),
                () = report_progress(&reader, &announce) => (),
                () = report_archived(&reader, &archiving, &announce) => (),
            }
        });
        Reading { generation, context, stop, task }
    }

    /// Records what another node reports.
    pub fn apply(&self, report: &ShardReport) {
        let state = self.lock();
        if let Some(reading) = &state.reading {
            return reading.context.progress.apply(report);
        }
        if !report.archived.is_empty() {
            self.archive(&report.archived).unwrap_or_else(|error| self.component.note(error));
        }
    }

    /// The shards that this node reads now.
    pub fn shards(&self) -> Vec<String> {
        let state = self.lock();
        let reading = state.reading.as_ref();
        reading.map(|reading| reading.context.progress.own_shards()).unwrap_or_default()
    }

    /// Stops reading for good. Blocks the thread, which must not belong to the runtime.
    pub fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        self.end(state.reading.take());
    }

    /// Reports to the other nodes what the archive has after the log was closed, so that they can read the shards of a node
    /// that leaves the cluster.
    pub fn announce_archived(&self) {
        let _state = self.lock();
        let Ok(positions) = self.load() else { return };
        let own = || {
            let shards = positions.shards.clone().into_iter();
            shards.filter(|(shard, _)| self.deal.has(shard)).collect()
        };
        // The first check can be about older positions.
        for _ in 0..2 {
            if let Ok(Some(archived)) = self.archiving.check(own)
                && self.archive(&archived).is_ok()
            {
                (self.announce)(ShardReport { archived, ..ShardReport::default() });
            }
        }
    }

    /// Makes durable what is archived, while nothing is read.
    fn archive(&self, archived: &ShardPositions) -> Result<(), PositionsError> {
        let mut positions = self.load()?;
        update(&mut positions.archived, archived);
        positions.save(&self.source.data)
    }

    /// The positions of this node; none of any shard if there is no file yet.
    fn load(&self) -> Result<Positions, PositionsError> {
        let Source { stream, summary, data, .. } = &self.source;
        let (stream, created_ms) = (stream.name().as_str().to_owned(), summary.created_ms);
        let (shards, archived) = (ShardPositions::new(), ShardPositions::new());
        let none = || Positions { stream, created_ms, shards, archived };
        Ok(Positions::load(data)?.unwrap_or_else(none))
    }

    /// Waits until nothing is read and the positions are saved.
    fn end(&self, reading: Option<Reading>) {
        let Some(Reading { stop, task, .. }) = reading else { return };
        stop.send_replace(true);
        self.runtime.block_on(task).unwrap_or_default();
        // What failed is not tried until the next generation.
        self.component.set_ok();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ReadingGeneration<'_> {
    fn drop(&mut self) {
        let mut state = self.source.lock();
        let is_own = |reading: &mut Reading| reading.generation == self.generation;
        let reading = state.reading.take_if(is_own);
        self.source.end(reading);
    }
}
