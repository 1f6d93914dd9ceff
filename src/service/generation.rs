//! A generation on one node, from its start until it answers reads.

use std::mem;
use std::time::{Duration, Instant};

use tokio::time::timeout;
use velodrome_dataflows::{EventTime, Rules};

use super::catch_up::catch_up;
use super::checkpoint_file::{CHECKPOINT, REBUILT};
use super::cluster_node::ClusterNode;
use super::layout::Layout;
use super::mutex::lock;
use super::rebuild_error::RebuildError;
use super::saved_rules;
use super::saver::Saver;
use super::sealed_meanwhile::replay_sealed;
use crate::checkpoint::Checkpoint;
use crate::cluster::Plan;
use crate::engine::{
    Command, Events, FrozenReaders, Place, RecoveryCounts, RunningEngine, recover,
    recovery_window_ms,
};
use crate::log::{LogPosition, Positions, TICK_MS};
use crate::mesh::{Fate, Peer};
use crate::rules;

/// The interval at which a wait checks whether the generation has ended, and has idle logs advance.
const POLL: Duration = Duration::from_millis(20);

/// A generation that catches up.
pub(super) struct Generation<'a> {
    node: &'a ClusterNode,
    plan: &'a Plan,
    fate: Fate,
    rules: Rules,
    next: RunningEngine,
    /// The saver of a generation that uses no checkpoint. It saves to a new one, which replaces the node's in the end.
    standby_saver: Option<Saver>,
}

impl<'a> Generation<'a> {
    /// Starts the workers of this node.
    ///
    /// # Errors
    /// When the rules are not valid, the workers cannot be started, and when a checkpoint cannot be created.
    pub(super) fn start(
        node: &'a ClusterNode,
        plan: &'a Plan,
        peers: Vec<Option<Peer>>,
        fate: Fate,
    ) -> Result<Self, RebuildError> {
        let rules = rules::parse(&plan.rules)?;
        let place = Place {
            process: node.config.index,
            processes: node.config.nodes.len(),
            workers: node.config.workers,
        };
        let next = RunningEngine::start_on_mesh(place, peers, fate.clone(), rules.clone())?;
        // A plan without bans replaces a generation, which saves meanwhile. Without a checkpoint of a node, all
        // logs are replayed from their beginnings.
        let standby_saver = match (&plan.bans, plan.complete_from) {
            (Some(_), Some(_)) => None,
            (None, _) | (_, None) => {
                let path = node.data.join(REBUILT);
                Checkpoint::discard(&path)?;
                let checkpoint = Checkpoint::open(&path, &rules)?;
                Some(Saver::new(checkpoint, &next, Positions::default()))
            }
        };
        Ok(Self { node, plan, fate, rules, next, standby_saver })
    }

    /// Catches up, waits until all nodes have, and answers reads. Returns false if the generation ended.
    ///
    /// # Errors
    /// When the checkpoint or the log cannot be read, or the checkpoint cannot be replaced.
    pub(super) fn run(mut self, caught_up: &dyn Fn() -> bool) -> Result<bool, RebuildError> {
        let node = self.node;
        let detach = || node.bans.detach_standby(|| node.log.standby_feed.detach(|| ()));
        if node.config.is_coordinator() {
            // The bans must be the first command that the engine receives, so that no reader ever sees a banned racer.
            node.bans.attach_standby(self.next.engine.clone())?;
        }
        let is_wanted = self.restore().and_then(|covered| self.catch_up(covered));
        match is_wanted {
            Ok(true) if caught_up() => self.answer_reads(),
            is_wanted => {
                if let Err(error) = &is_wanted {
                    // Before the workers are dropped, which ends the generation without naming the cause.
                    self.fate.end(error.to_string());
                }
                detach();
                is_wanted.map(|_| false)
            }
        }
    }

    /// Sends the state of this node's shard to the workers, which own it. Returns the part of the log that the
    /// checkpoint covers.
    ///
    /// Nothing is saved until the generation answers reads. Until then a checkpoint can lack rides: the graph
    /// receives a minute of events at a time, and finishes rides at its end, so a ride can be finished at a time
    /// that is complete already. The next generation would replay only its last samples.
    fn restore(&self) -> Result<Option<LogPosition>, RebuildError> {
        if self.standby_saver.is_some() {
            return Ok(None);
        }
        let mut saver = lock(&self.node.saver);
        saver.pause()?;
        let workers = self.next.engine.workers();
        let mut workers = workers.iter().cycle();
        saver.checkpoint.read(|changes, view_changes| {
            if let Some(worker) = workers.next() {
                worker.send(Command::Restore(changes, view_changes));
            }
        })?;
        Ok(saver.checkpoint.covered())
    }

    /// Replays the log of this node, and waits until the generation is complete up to the present. Returns false if it
    /// ended.
    fn catch_up(&mut self, mut covered: Option<LogPosition>) -> Result<bool, RebuildError> {
        let Self { node, plan, fate, rules, next, standby_saver } = self;
        let window = recovery_window_ms(rules);
        let from = plan.complete_from.map_or(0, |complete| complete.saturating_sub(window));
        let (mut saved, mut announced) = (Instant::now(), Instant::now());
        let mut recovered = RecoveryCounts::default();
        // Checkpoints contain the events of nodes that have left.
        let mut reads_former = plan.complete_from.is_none();
        let engine = &next.engine;
        let mut should_continue = |counts: &RecoveryCounts| {
            // What this node has replayed is complete when the logs of the others pass it. Those that have caught up earlier
            // wait, and the clock of a stream stands still.
            if announced.elapsed() > POLL {
                node.clock.follow(counts.clock + TICK_MS);
                node.announcements.tick(node.clock.now());
                announced = Instant::now();
            }
            // No stream consumes the list of changes yet, so clear it here or it would grow without bound.
            drop(engine.live_state().1.take_changed());
            if let Some(saver) = standby_saver.as_mut()
                && saved.elapsed() > node.checkpoint_every
            {
                // The next attempt follows, and the last one must succeed.
                saver.try_save().unwrap_or_default();
                saved = Instant::now();
            }
            !fate.has_ended()
        };
        let replay = |from, until| -> Result<bool, RebuildError> {
            // Later passes begin after the part that the checkpoint covers, and after the logs of former nodes.
            let (covered, reads_former) = (covered.take(), mem::take(&mut reads_former));
            replay_sealed(from, &mut recovered, |from, recovered| {
                let mut logs = vec![node.log.files.inputs_from(from, covered)?];
                for files in node.logs.former().filter(|_| reads_former) {
                    logs.push(files.inputs_from(from, None)?);
                }
                let (span, observe) = (from..until, |_: &Events| ());
                let runtime = &node.runtime;
                Ok(recover(&logs, span, engine, runtime, recovered, observe, &mut should_continue)?)
            })?;
            Ok(!fate.has_ended())
        };
        let is_wanted = || !fate.has_ended();
        let advance = |past| {
            // The clock of a stream stands still, because no generation reads it.
            node.clock.follow(past + 1);
            node.log.handle.advance();
        };
        let feed = &node.log.standby_feed;
        if !catch_up(feed, engine, from, replay, advance, is_wanted)? {
            return Ok(false);
        }
        let present = node.clock.now().saturating_sub(TICK_MS);
        Ok(self.wait_complete(present.max(self.plan.complete_until)))
    }

    /// Waits until the engine is complete up to `time`. Returns false if the generation ended.
    fn wait_complete(&self, time: EventTime) -> bool {
        // Again, the clock of a stream would not get there.
        self.node.clock.follow(time + TICK_MS);
        while self.next.engine.complete() < time {
            if self.fate.has_ended() {
                return false;
            }
            self.node.log.handle.advance();
            self.node.announcements.tick(self.node.clock.now());
            let reached = self.next.engine.wait_complete(time);
            _ = self.node.runtime.block_on(async { timeout(POLL, reached).await });
        }
        true
    }

    /// Replaces the service's engine. Returns false if the generation ended.
    fn answer_reads(mut self) -> Result<bool, RebuildError> {
        let node = self.node;
        let (mut saver, mut running) = (lock(&node.saver), lock(&node.running));
        if let Some(mut standby) = self.standby_saver.take() {
            // Do everything that can fail before the first change to the service.
            standby.save()?;
            // Without its layout, a node does not use a checkpoint. So it never has that of another layout.
            Layout::remove(&node.data)?;
            standby.checkpoint.rename_to(&node.data.join(CHECKPOINT))?;
            Layout::of(&node.config).save(&node.data)?;
            saved_rules::save(&node.data, &self.rules);
            *saver = Saver::new(standby.checkpoint, &self.next, node.log.positions.clone());
        }
        let frozen = lock(&node.frozen).take().unwrap_or_else(|| running.freeze());
        // The later time makes readers see every difference as a change since the last time that they saw.
        if !self.wait_complete(FrozenReaders::last_time(&frozen) + 1) {
            *lock(&node.frozen) = Some(frozen);
            node.bans.detach_standby(|| node.log.standby_feed.detach(|| ()));
            return Ok(false);
        }
        let (next, feed) = (self.next, &node.log.standby_feed);
        let previous = node.bans.detach_standby(|| feed.detach(|| running.switch_to(frozen, next)));
        saver.follow(&running);
        *lock(&node.live) = Some(self.plan.generation);
        drop((saver, running));
        // End the workers of the previous generation, which receive no more queries.
        drop(previous);
        Ok(true)
    }
}
