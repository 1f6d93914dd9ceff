//! Rides: groups samples by (class, race, racer), closes each ride, and repairs its result for an hour.

use std::collections::BTreeMap;
use std::mem;

use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::vec::{Broadcast, Map};
use timely::dataflow::operators::{Capability, Concat, Exchange, InputCapability};

use super::roster::{RIDES_TOGETHER_MAX, Roster};
use crate::values::{
    Ban, CLOSE_STEP_MS, Change, EVENT_LAG_MS_MAX, EventTime, Mode, RideKey, Rules, ScoredSample,
    racer_hash,
};

/// After this many changes the operator lets others run, which consume the changes. Many rides can start
/// or close at one time, and every consumer has its own copy of the changes that wait for it.
const CHANGES_PER_RUN: usize = 16_384;

/// Gathers samples into rides and emits the result of each ride when it closes.
///
/// A ride closes at [`Rules::closes_at`] of its first sample, rounded up to a whole second. A sample up
/// to [`REPAIR_WINDOW_MS`](crate::REPAIR_WINDOW_MS) after that still changes its result. A later sample
/// is late and changes only records and the leaderboard.
///
/// All samples of a racer in a class must be on one worker, as [`output`](crate::output()) sends them.
/// They are processed by ascending logical time, and within one time by ascending clock. In that order,
/// clocks must not decrease. In a service, a sample's clock is at most [`EVENT_LAG_MS_MAX`] less than
/// its time.
///
/// `saved` carries the changes restored from a checkpoint. They may enter on any worker, at earlier
/// times than any sample. `bans` may be sent on any worker; a ban takes effect before the samples of its
/// time. When a ban starts, the operator emits [`Stage::Expired`](crate::Stage::Expired) for the racer's
/// rides. It emits no stages of them until the ban is lifted.
///
/// ```
/// use timely::dataflow::operators::vec::Filter;
/// use timely::dataflow::operators::{Capture, ToStream, capture::Extract, generic::operator::empty};
/// use velodrome_dataflows::{Change, Mode, Rules, ScoredSample, rides};
///
/// let changes = timely::example(|scope| {
///     let rules = Rules { race_seconds: 10, grace_seconds: 3, ..Rules::default() };
///     let sample = |clock, second, output| ScoredSample {
///         clock,
///         second,
///         output,
///         ..ScoredSample::default()
///     };
///     let samples = vec![sample(1_500, 1, 97.5), sample(2_500, 2, 99.0)].to_stream(scope);
///     rides(samples, empty(scope), empty(scope), rules, Mode::Replay { until: u64::MAX })
///         .filter(|change| matches!(change, Change::Result(..)))
///         .capture()
/// });
/// let (time, changes) = changes.extract().remove(0);
/// // The first sample is at 1.5 s. With 9 s of race and 3 s of grace left, the ride closes at 13.5 s,
/// // rounded up.
/// assert_eq!(time, 14_000);
/// let [Change::Result(_, (_, result), 1)] = &changes[..] else { panic!("{changes:?}") };
/// assert_eq!((result.best.0, result.total.0, result.seconds), (99.0, 196.5, 2));
/// ```
pub fn rides<'scope>(
    samples: Stream<'scope, EventTime, Vec<ScoredSample>>,
    saved: Stream<'scope, EventTime, Vec<Change>>,
    bans: Stream<'scope, EventTime, Vec<Ban>>,
    rules: Rules,
    mode: Mode,
) -> Stream<'scope, EventTime, Vec<Change>> {
    let control = saved.exchange(saved_route).concat(bans.broadcast().map(Change::Ban));
    let scope = samples.scope();
    samples.binary_frontier(control, Pipeline, Pipeline, "Rides", move |capability, info| {
        let activator = scope.activator_for(info.address);
        // In a service, this capability emits the changes that only the passage of time causes: retired
        // and expired rides.
        let mut idle = (mode == Mode::Service).then_some(capability);
        let mut pending = Pending::default();
        let mut roster = Roster::new(rules, mode);
        let mut changes = Vec::new();
        move |(samples, sample_frontier), (control, control_frontier), output| {
            control.for_each(|capability, control| {
                for change in control.drain(..) {
                    match change {
                        Change::Ban(ban) => pending.add_ban(&capability, ban),
                        saved => roster.restore(saved, &mut changes),
                    }
                }
                output.session(&capability).give_iterator(changes.drain(..));
            });
            samples.for_each(|capability, samples| {
                pending.add_samples(&capability, mem::take(samples));
            });
            let has_passed = |time: &EventTime| {
                !sample_frontier.less_equal(time) && !control_frontier.less_equal(time)
            };
            let mut emitted = 0;
            while let Some(time) = pending.next_time().filter(has_passed) {
                if emitted > CHANGES_PER_RUN {
                    return activator.activate();
                }
                let capability = pending.process(time, &mut roster, &mut changes);
                let Some(capability) = capability else { break };
                emitted += changes.len();
                output.session(&capability).give_iterator(changes.drain(..));
            }
            if let (Some(capability), Some(now)) = (&mut idle, sample_frontier.frontier().first()) {
                capability.downgrade(now);
                // While `control` can still send at an earlier time, samples of that time are pending,
                // so rides must not retire yet.
                if !control_frontier.less_than(now)
                    && !roster.advance_to(now.saturating_sub(EVENT_LAG_MS_MAX), &mut changes)
                {
                    activator.activate();
                }
                output.session(capability).give_iterator(changes.drain(..));
            } else {
                idle = None;
            }
        }
    })
}

/// Bans, closes and samples that wait until the frontier passes their time. Each group has the
/// capability to emit the changes it causes.
#[derive(Default)]
struct Pending {
    bans: BTreeMap<EventTime, (Capability<EventTime>, Vec<Ban>)>,
    /// Rides to close.
    closing: BTreeMap<EventTime, (Capability<EventTime>, Vec<RideKey>)>,
    samples: BTreeMap<EventTime, (Capability<EventTime>, Vec<Vec<ScoredSample>>)>,
}

impl Pending {
    fn add_ban(&mut self, capability: &InputCapability<EventTime>, ban: Ban) {
        let Some(time) = capability.least().copied() else { return };
        if let Some((_, bans)) = self.bans.get_mut(&time) {
            bans.push(ban);
        } else if let Some(capability) = capability.retain_least(0) {
            self.bans.insert(time, (capability, vec![ban]));
        }
    }

    fn add_samples(&mut self, capability: &InputCapability<EventTime>, samples: Vec<ScoredSample>) {
        let Some(time) = capability.least().copied() else { return };
        if let Some((_, batches)) = self.samples.get_mut(&time) {
            batches.push(samples);
        } else if let Some(capability) = capability.retain_least(0) {
            self.samples.insert(time, (capability, vec![samples]));
        }
    }

    /// The earliest time of any pending group.
    fn next_time(&self) -> Option<EventTime> {
        let times =
            [self.bans.keys().next(), self.closing.keys().next(), self.samples.keys().next()];
        times.into_iter().flatten().min().copied()
    }

    /// Processes the next group at `time`, and returns the capability to emit its changes.
    ///
    /// Within one time, bans take effect first, then rides close, then samples are added.
    fn process(
        &mut self,
        time: EventTime,
        roster: &mut Roster,
        changes: &mut Vec<Change>,
    ) -> Option<Capability<EventTime>> {
        if let Some((capability, bans)) = self.bans.remove(&time) {
            roster.apply_bans(&bans, changes);
            return Some(capability);
        }
        if let Some((capability, keys)) = self.closing.get_mut(&time) {
            let rest = keys.len().saturating_sub(RIDES_TOGETHER_MAX);
            roster.close(keys.split_off(rest), changes);
            return match rest {
                0 => self.closing.remove(&time).map(|(capability, _)| capability),
                _ => Some(capability.clone()),
            };
        }
        let (capability, batches) = self.samples.remove(&time)?;
        roster.add_samples(&by_clock(batches), changes);
        for (closes_at, key) in roster.started.drain(..) {
            let at = closes_at.next_multiple_of(CLOSE_STEP_MS).max(time);
            let group = self.closing.entry(at);
            group.or_insert_with(|| (capability.delayed(&at), Vec::new())).1.push(key);
        }
        Some(capability)
    }
}

/// The worker of a change that a checkpoint saved: the one that receives the racer's samples.
fn saved_route(change: &Change) -> u64 {
    match change {
        Change::Saved((class, _, racer), _) => racer_hash(*class, *racer),
        Change::Record((class, racer), _)
        | Change::Final((class, racer), _)
        | Change::Name((class, racer), _) => racer_hash(*class, *racer),
        _ => 0,
    }
}

/// The samples of one time in the order of their clocks.
///
/// Samples of one partition arrive in that order, so only samples of several partitions need sorting.
fn by_clock(mut batches: Vec<Vec<ScoredSample>>) -> Vec<Vec<ScoredSample>> {
    let ordered = batches.iter().flatten().is_sorted_by_key(|sample| sample.clock);
    if !ordered {
        let mut all: Vec<_> = batches.drain(..).flatten().collect();
        all.sort_by_key(|sample| sample.clock);
        batches.push(all);
    }
    batches
}
