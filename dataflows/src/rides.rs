//! Rides: samples gathered by (class, race, racer), told when they are over, repaired for an hour.

use std::collections::BTreeMap;
use std::mem;

use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::vec::{Broadcast, Map};
use timely::dataflow::operators::{Capability, Concat, Exchange};

use crate::bans::Ban;
use crate::change::{Change, RideKey};
use crate::event::Clock;
use crate::output::{Scored, worker_hash};
use crate::roster::{DUE_STEP_MS, Mode, Roster};
use crate::rules::Rules;

/// How far an event's clock may be behind its time in a service.
pub const SPAN_MS: u64 = 60_000;

/// Gathers samples to rides, and tells of each ride when it is over.
///
/// All samples of a racer in a class must come to one worker, where the racer's record is too. They
/// are taken in the order of time, within a time in the order of their clocks; along that order the
/// clock must never go back. A ride is over at the clock of its first sample plus what was left of
/// the race plus the grace; a sample within an hour of that changes its result, a later one only the
/// records and the leaderboard.
///
/// What a checkpoint kept comes in by `restored`, on any worker, at times before all samples. A ban,
/// of any worker, takes effect before the samples of its time; of racers who are banned no stage is
/// told, and when that begins, that their rides are forgotten.
///
/// In a service a sample's clock is at most [`SPAN_MS`] behind its time.
pub fn rides<'scope>(
    samples: Stream<'scope, Clock, Vec<Scored>>,
    restored: Stream<'scope, Clock, Vec<Change>>,
    bans: Stream<'scope, Clock, Vec<Ban>>,
    rules: Rules,
    mode: Mode,
) -> Stream<'scope, Clock, Vec<Change>> {
    let told = restored.exchange(home).concat(bans.broadcast().map(Change::Ban));
    samples.binary_frontier(told, Pipeline, Pipeline, "Rides", move |capability, _| {
        // A service tells what time alone brings about.
        let mut idle = (mode == Mode::Service).then_some(capability);
        let mut stash: BTreeMap<Clock, (Capability<Clock>, Vec<Vec<Scored>>)> = BTreeMap::new();
        let mut due: BTreeMap<Clock, (Capability<Clock>, Vec<RideKey>)> = BTreeMap::new();
        let mut bans: BTreeMap<Clock, (Capability<Clock>, Vec<Ban>)> = BTreeMap::new();
        let mut roster = Roster::new(rules, mode);
        let mut changes = Vec::new();
        move |(input, frontier), (told, telling), output| {
            told.for_each(|capability, told| {
                for change in told.drain(..) {
                    let Change::Ban(ban) = change else {
                        roster.restore(change, &mut changes);
                        continue;
                    };
                    let Some(time) = capability.least().copied() else { continue };
                    if let Some((_, held)) = bans.get_mut(&time) {
                        held.push(ban);
                    } else if let Some(capability) = capability.retain_least(0) {
                        bans.insert(time, (capability, vec![ban]));
                    }
                }
                output.session(&capability).give_iterator(changes.drain(..));
            });
            input.for_each(|capability, samples| {
                let Some(time) = capability.least().copied() else { return };
                if let Some((_, batches)) = stash.get_mut(&time) {
                    batches.push(mem::take(samples));
                } else if let Some(capability) = capability.retain_least(0) {
                    stash.insert(time, (capability, vec![mem::take(samples)]));
                }
            });
            loop {
                let next = [bans.keys().next(), due.keys().next(), stash.keys().next()];
                let next = next.into_iter().flatten().min().copied();
                let has_passed = |t: &Clock| !frontier.less_equal(t) && !telling.less_equal(t);
                let Some(time) = next.filter(has_passed) else { break };
                // Of one time, bans take effect first; then rides that are over are told of, before
                // samples come.
                let capability = if let Some((capability, bans)) = bans.remove(&time) {
                    roster.ban(&bans, &mut changes);
                    capability
                } else if let Some((capability, keys)) = due.remove(&time) {
                    roster.close(keys, &mut changes);
                    capability
                } else if let Some((capability, batches)) = stash.remove(&time) {
                    roster.take(&in_clock_order(batches), &mut changes);
                    for (over, key) in roster.begun.drain(..) {
                        let at = over.next_multiple_of(DUE_STEP_MS).max(time);
                        let group = due.entry(at);
                        group.or_insert_with(|| (capability.delayed(&at), Vec::new())).1.push(key);
                    }
                    capability
                } else {
                    break;
                };
                output.session(&capability).give_iterator(changes.drain(..));
            }
            if let (Some(capability), Some(now)) = (&mut idle, frontier.frontier().first()) {
                capability.downgrade(now);
                // Samples before it still wait as long as rides are restored or bans may come.
                if !telling.less_than(now) {
                    roster.age(now.saturating_sub(SPAN_MS), &mut changes);
                }
                output.session(capability).give_iterator(changes.drain(..));
            } else {
                idle = None;
            }
        }
    })
}

/// The worker of a change that a checkpoint kept: where the ride's samples come.
fn home(change: &Change) -> u64 {
    match change {
        Change::Kept((class, _, racer), _) => worker_hash(*class, *racer),
        Change::Record((class, racer), _) | Change::Final((class, racer), _) => {
            worker_hash(*class, *racer)
        }
        _ => 0,
    }
}

/// The updates of one kind among `changes`, at the time of each.
pub(crate) fn select<'scope, U: 'static>(
    changes: Stream<'scope, Clock, Vec<Change>>,
    name: &str,
    update: impl Fn(Change, Clock) -> Option<U> + 'static,
) -> Stream<'scope, Clock, Vec<U>> {
    changes.unary(Pipeline, name, move |_, _| {
        move |input, output| {
            input.for_each(|capability, changes| {
                let Some(time) = capability.least().copied() else { return };
                let updates = changes.drain(..).filter_map(|change| update(change, time));
                output.session(&capability).give_iterator(updates);
            });
        }
    })
}

/// The samples of one time; one partition's come in order, several partitions' are merged.
fn in_clock_order(mut batches: Vec<Vec<Scored>>) -> Vec<Vec<Scored>> {
    let ordered = batches.iter().flatten().is_sorted_by_key(|sample| sample.clock);
    if !ordered {
        let mut all: Vec<_> = batches.drain(..).flatten().collect();
        all.sort_by_key(|sample| sample.clock);
        batches.push(all);
    }
    batches
}
