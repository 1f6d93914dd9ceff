//! Totals of each class under both rules. The list of differences does not include them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow::Continue;

use serde::{Deserialize, Serialize};

use super::graph::ComparisonTraces;
use crate::traces::read_trace;
use crate::values::{ClassId, EventTime, RacerId};

/// Totals of a class under two sets of rules. Where there are two numbers, the old rules' is first.
///
/// ```
/// use velodrome_dataflows::ClassTotals;
///
/// // The shares of two workers, which have different racers.
/// let mut totals = ClassTotals { racers: [3, 2], racers_removed: 1, ..ClassTotals::default() };
/// totals.add(ClassTotals { racers: [4, 4], seconds: [1, 2].into(), ..ClassTotals::default() });
/// assert_eq!((totals.racers, totals.racers_removed, totals.seconds.len()), ([7, 6], 1, 2));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassTotals {
    /// Distinct (second, racer) with a record.
    pub records: [u64; 2],
    /// Racers with a record.
    pub racers: [u64; 2],
    /// Racers with a record under the old rules only.
    pub racers_removed: u64,
    /// Racers with a record under the new rules only.
    pub racers_added: u64,
    /// Racers on the leaderboard.
    pub leaderboard: [u64; 2],
    /// Rides with a result.
    pub rides: [u64; 2],
    /// Seconds at which any racer has a record under either set of rules. Each is one board of the
    /// class.
    pub seconds: BTreeSet<u16>,
}

impl ClassTotals {
    /// Adds the share of another worker, which has other racers.
    pub fn add(&mut self, other: Self) {
        let add = |ours: &mut [u64; 2], theirs: [u64; 2]| {
            ours.iter_mut().zip(theirs).for_each(|(ours, theirs)| *ours += theirs);
        };
        add(&mut self.records, other.records);
        add(&mut self.racers, other.racers);
        add(&mut self.leaderboard, other.leaderboard);
        add(&mut self.rides, other.rides);
        self.racers_removed += other.racers_removed;
        self.racers_added += other.racers_added;
        self.seconds.extend(other.seconds);
    }
}

/// This worker's share of the totals of each class, once all samples have arrived.
///
/// ```
/// use timely::dataflow::operators::{ToStream, probe::Probe};
/// use velodrome_dataflows::{Rules, Sample, class_totals, comparison_graph};
///
/// let totals = timely::execute_directly(|worker| {
///     let rules = [Rules::default(), Rules { excluded_racers: [6].into(), ..Rules::default() }];
///     let graphs = worker.dataflow(|scope| {
///         let samples = [5, 6].map(|racer| Sample { class: 1, second: 1, racer, ..Sample::default() });
///         let graphs = comparison_graph(samples.to_stream(scope), rules, u64::MAX);
///         graphs.map(|graph| (graph.traces, graph.arranged.probe().0))
///     });
///     let mut traces = graphs.map(|(traces, probe)| {
///         worker.step_or_park_while(None, || !probe.done());
///         traces
///     });
///     class_totals(&mut traces)
/// });
/// assert_eq!((totals[&1].records, totals[&1].racers_removed), ([2, 1], 1));
/// ```
pub fn class_totals(traces: &mut [ComparisonTraces; 2]) -> BTreeMap<ClassId, ClassTotals> {
    let mut classes: BTreeMap<ClassId, ClassTotals> = BTreeMap::new();
    // One flag per second, because inserting every record into a set is slow.
    let mut seconds: BTreeMap<ClassId, Vec<bool>> = BTreeMap::new();
    let mut racers: BTreeMap<(ClassId, RacerId), [bool; 2]> = BTreeMap::new();
    for (index, traces) in traces.iter_mut().enumerate() {
        let count = |counts: &mut [u64; 2], by| {
            counts.iter_mut().skip(index).take(1).for_each(|count| *count += by);
        };
        read_trace(&mut traces.records, EventTime::MAX, None, |(class, racer), (), record| {
            let totals = classes.entry(*class).or_default();
            let mut records = 0;
            let seconds = seconds.entry(*class).or_default();
            seconds.resize(seconds.len().max(usize::from(record.seconds())), false);
            for (second, _) in record.outputs() {
                let slot = usize::from(second).saturating_sub(1);
                seconds.iter_mut().skip(slot).take(1).for_each(|has_record| *has_record = true);
                records += 1;
            }
            count(&mut totals.records, records);
            count(&mut totals.racers, 1);
            let under = racers.entry((*class, *racer)).or_default();
            under.iter_mut().skip(index).take(1).for_each(|has_record| *has_record = true);
            Continue(())
        });
        read_trace(&mut traces.leaderboard, EventTime::MAX, None, |(class, _), (), _| {
            count(&mut classes.entry(*class).or_default().leaderboard, 1);
            Continue(())
        });
        read_trace(&mut traces.results, EventTime::MAX, None, |(class, _), _, _| {
            count(&mut classes.entry(*class).or_default().rides, 1);
            Continue(())
        });
    }
    for (class, seconds) in seconds {
        let boards = (1..).zip(seconds).filter(|(_, has_record)| *has_record);
        classes.entry(class).or_default().seconds = boards.map(|(second, _)| second).collect();
    }
    for ((class, _), under) in racers {
        let totals = classes.entry(class).or_default();
        totals.racers_removed += u64::from(under == [true, false]);
        totals.racers_added += u64::from(under == [false, true]);
    }
    classes
}
