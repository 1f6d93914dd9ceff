//! The generations that run on a member: how they start, answer reads, and end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::event::Event;
use super::interface::Generations;
use super::links;
use super::member::Member;
use super::message::{Message, Plan, Ready};
use super::reporter::record_archived;
use super::run::Run;
use crate::mesh::Fate;

/// The interval at which a generation that has caught up checks whether it has ended.
const POLL: Duration = Duration::from_millis(50);

/// A generation that ends earlier after its start is not followed by another at once, or a lasting cause would keep
/// the nodes busy.
const DURATION_MIN: Duration = Duration::from_secs(1);

impl<G: Generations> Member<G> {
    /// What this node has for the next generation.
    pub(super) fn ready(&self) -> Ready {
        let ready = self.generations.ready();
        // The reporter may not have recorded the last view before the coordinator was lost.
        record_archived(&self.status, &self.newest);
        let newest = self.newest();
        let ready = Ready {
            generation: newest.number(),
            rules_since: newest.rules_since(),
            archived: newest.archived().clone(),
            ..ready
        };
        match newest.rules() {
            // The node was killed before its checkpoint was replaced by that of a switch.
            Some(rules) if rules != ready.rules => {
                Ready { complete: None, rules: rules.to_owned(), ..ready }
            }
            _ => ready,
        }
    }

    /// Starts to be part of a generation, on a thread of its own.
    pub(super) fn start(&mut self, plan: Plan) {
        let (generation, fate) = (plan.generation, Fate::default());
        let bans = plan.bans.as_deref();
        let persist = || bans.map_or(Ok(()), |bans| self.generations.persist_all(bans));
        if let Err(reason) = self.join(&plan).and_then(|()| persist()) {
            let lost = Message::Lost { generation, reason: reason.clone(), is_consequence: false };
            self.send(lost);
            return self.rest(&reason, Instant::now());
        }
        self.status.joined();
        if self.runs.is_empty() {
            self.status.forms(generation);
        }
        let (live, allowed) = sync_channel(1);
        let (began, rules, rules_since) = (Instant::now(), plan.rules.clone(), plan.rules_since);
        self.runs.push(Run {
            generation,
            began,
            rules,
            rules_since,
            fate: fate.clone(),
            live,
            cause: None,
        });
        let (config, settings, room) =
            (Arc::clone(&self.config), self.settings.clone(), Arc::clone(&self.links));
        let (generations, sender) = (Arc::clone(&self.generations), self.sender.clone());
        thread::spawn(move || {
            let caught_up = || {
                sender.send(Event::CaughtUp(generation)).unwrap_or_default();
                wait_until_allowed(&allowed, &fate)
            };
            let run = || match links::open(&config, &settings, &room, generation, &fate) {
                Ok(peers) => generations.run(&plan, peers, &fate, &caught_up),
                Err(reason) => fate.end(reason),
            };
            if catch_unwind(AssertUnwindSafe(run)).is_err() {
                fate.end("the node failed");
            }
            let reason = fate.reason().unwrap_or_default().to_owned();
            let is_consequence = fate.is_consequence();
            sender.send(Event::Ended { generation, reason, is_consequence }).unwrap_or_default();
        });
    }

    /// Makes durable that this node joins a generation.
    ///
    /// # Errors
    /// When it has joined a newer one, and when the number cannot be written.
    fn join(&self, plan: &Plan) -> Result<(), String> {
        let generation = plan.generation;
        let mut newest = self.newest();
        match newest.number() {
            // The coordinator, which shares the file, has written the number, and perhaps that of a switch.
            number if number >= generation && self.config.is_coordinator() => Ok(()),
            number if number < generation => newest
                .set_number(generation, plan.archived.clone())
                .map_err(|error| error.to_string()),
            number => Err(format!("this node was part of generation {number} already")),
        }
    }

    /// Lets a generation answer reads, which has caught up on all nodes.
    pub(super) fn let_live(&self, generation: u64) {
        let Some(run) = self.runs.iter().find(|run| run.generation == generation) else { return };
        let mut newest = self.newest();
        if newest.rules_since() != run.rules_since
            && let Err(error) = newest.set_rules(&run.rules, run.rules_since)
        {
            return run.fate.end(error.to_string());
        }
        run.live.try_send(()).unwrap_or_default();
    }

    /// Ends a generation. [`Event::Ended`] follows.
    pub(super) fn end(&mut self, generation: u64, reason: &str) {
        let is_idle = self.runs.is_empty();
        match self.runs.iter_mut().find(|run| run.generation == generation) {
            Some(run) => {
                run.cause = Some(reason.to_owned());
                run.fate.end(reason);
            }
            // It ended here first, perhaps because other nodes ended it. The coordinator knows why.
            None if is_idle => self.status.ended(reason),
            None => {}
        }
    }

    /// Ends all generations.
    pub(super) fn end_runs(&mut self, reason: &str) {
        for run in &mut self.runs {
            // The coordinator may have sent a cause before it was lost.
            run.cause.get_or_insert_with(|| reason.to_owned());
            run.fate.end(reason);
        }
    }

    /// Reports the end of a generation.
    pub(super) fn ended(&mut self, generation: u64, noticed: &str, is_consequence: bool) {
        let run = self.runs.iter().position(|run| run.generation == generation);
        let Some(run) = run.map(|position| self.runs.remove(position)) else { return };
        // Another node's reason counts, unless this node ended the generation by itself.
        let others = run.cause.filter(|cause| is_consequence || cause == noticed);
        let is_consequence = is_consequence || others.is_some();
        let reason = others.unwrap_or_else(|| noticed.to_owned());
        self.send(Message::Lost { generation, reason: reason.clone(), is_consequence });
        if self.runs.is_empty() {
            tracing::warn!(generation, reason, noticed, "the generation ended");
            self.rest(&reason, run.began);
        }
    }

    /// No generation runs here any more since one that began at `began`: the node is ready for the next.
    fn rest(&self, reason: &str, began: Instant) {
        self.status.ended(reason);
        thread::sleep(DURATION_MIN.saturating_sub(began.elapsed()));
        if self.control.is_some() {
            self.send(Message::Ready(Box::new(self.ready())));
        }
    }
}

/// Waits until the generation may answer reads. Returns false if it has ended.
fn wait_until_allowed(allowed: &Receiver<()>, fate: &Fate) -> bool {
    loop {
        match allowed.recv_timeout(POLL) {
            Ok(()) => return !fate.has_ended(),
            Err(RecvTimeoutError::Timeout) if !fate.has_ended() => {}
            Err(_) => return false,
        }
    }
}
