//! Runs the generations of a cluster on its node.
//!
//! Each node has a shard: its checkpoint contains the state of its own workers, complete up to a time of its own. A
//! generation restores all shards, and replays the logs of all nodes from the least of these times on. A shard
//! that is newer takes some events a second time, which changes nothing: rides keep their greatest outputs, and
//! views that were counted do not count again.

use std::time::{Duration, Instant};

use velodrome_dataflows::{Ban, EventTime, RacerId};

use super::cluster_node::ClusterNode;
use super::generation::Generation;
use super::layout::Layout;
use super::mutex::lock;
use crate::cluster::{Generations, Plan, Ready, Report, Sequences};
use crate::kinesis::ShardReport;
use crate::mesh::{Fate, Peer};
use crate::rules;

/// The interval at which a running generation is checked.
const POLL: Duration = Duration::from_millis(500);

/// A generation whose results do not advance for this long ends, because a worker hangs.
const STUCK_TIME_MAX: Duration = Duration::from_secs(10);

impl Generations for ClusterNode {
    fn stream(&self) -> Option<&str> {
        self.source.as_ref().map(|source| source.stream())
    }

    fn ready(&self) -> Ready {
        let mut saver = lock(&self.saver);
        // What is complete when a generation ends need not be computed again.
        saver.try_save().unwrap_or_default();
        // Under another layout, other workers had the state.
        let is_own = Layout::load(&self.data).ok().flatten() == Some(Layout::of(&self.config));
        let complete = saver.checkpoint.complete().filter(|_| is_own);
        let rules = rules::canonical(saver.checkpoint.rules());
        drop(saver);
        let shown = lock(&self.running).engine.complete();
        let clock_ms = self.source.is_none().then(|| self.clock.now());
        let (bans, source) =
            (self.bans.durable(), self.source.as_ref().and_then(|source| source.ready()));
        Ready {
            generation: 0,
            complete,
            shown,
            clock_ms,
            bans,
            rules,
            rules_since: 0,
            source,
            logs: self.logs.ends(),
            archived: Sequences::new(),
            accept_damage: self.logs.accept_damage(),
        }
    }

    fn report(&self) -> Report {
        let (engine, clock_ms) = (lock(&self.running).engine.clone(), self.clock.now());
        let checkpoint = lock(&self.saver).checkpoint.complete();
        let results = engine.complete().max(checkpoint.unwrap_or_default());
        let lag_ms = match *lock(&self.live) {
            Some(_) => engine.lag().as_millis() as u64,
            // A new cluster has no results that could lag.
            None if results == 0 => 0,
            None => clock_ms.saturating_sub(results),
        };
        let shards = self.source.as_ref().map(|source| source.shards()).unwrap_or_default();
        Report { clock_ms, lag_ms, checkpoint, shards, archived: self.logs.archived() }
    }

    fn run(
        &self,
        plan: &Plan,
        peers: Vec<Option<Peer>>,
        fate: &Fate,
        caught_up: &dyn Fn() -> bool,
    ) {
        // The log feeds one engine besides the one that readers see. So generations catch up one after the other, also
        // if one is replaced or ended while it does.
        let catching_up = lock(&self.catching_up);
        if fate.has_ended() {
            return;
        }
        let began = Instant::now();
        if let (Some(source), Some(state)) = (&self.source, &plan.source)
            && let Err(reason) = source.join(state)
        {
            return fate.end(reason);
        }
        let generation = Generation::start(self, plan, peers, fate.clone());
        let answers = generation.and_then(|generation| generation.run(caught_up));
        drop(catching_up);
        match answers {
            Ok(true) => {
                self.status.lives(plan.generation);
                let (generation, seconds) = (plan.generation, began.elapsed().as_secs_f64());
                tracing::info!(generation, seconds, "the generation answers reads");
                self.read_until_end(plan.generation, fate);
                self.retire(plan.generation);
            }
            Ok(false) => {}
            Err(error) => fate.end(error.to_string()),
        }
    }

    fn advance(&self) {
        self.log.handle.advance();
    }

    fn shards(&self, report: &ShardReport) {
        if let Some(source) = &self.source {
            source.apply(report);
        }
    }

    fn persist(&self, ban: Ban) -> Result<(), String> {
        self.bans.persist(ban).map_err(|error| error.to_string())
    }

    fn persist_all(&self, racers: &[RacerId]) -> Result<(), String> {
        self.bans.persist_all(racers).map_err(|error| error.to_string())
    }

    fn apply(&self) -> Result<EventTime, String> {
        self.bans.apply().map_err(|error| error.to_string())
    }
}

impl ClusterNode {
    /// Reads the shards of this node until the generation ends. Ends it if its results do not advance although the log
    /// does.
    fn read_until_end(&self, generation: u64, fate: &Fate) {
        let _reading = self.source.as_ref().map(|source| source.read(generation));
        let engine = lock(&self.running).engine.clone();
        let (mut complete, mut advanced) = (engine.complete(), Instant::now());
        while fate.wait_timeout(POLL).is_none() {
            if engine.complete() > complete || engine.lag().is_zero() {
                (complete, advanced) = (engine.complete(), Instant::now());
            } else if advanced.elapsed() > STUCK_TIME_MAX {
                let seconds = STUCK_TIME_MAX.as_secs();
                fate.end(format!("the results did not advance for {seconds} s"));
            }
        }
    }

    /// Freezes what readers see, and ends the workers of this node, unless another generation has replaced this one.
    fn retire(&self, generation: u64) {
        let mut running = lock(&self.running);
        if lock(&self.live).take_if(|live| *live == generation).is_none() {
            return;
        }
        let (frozen, workers) = running.retire();
        lock(&self.frozen).get_or_insert(frozen);
        drop(running);
        // After the lock, because it can take a while.
        drop(workers);
    }
}
