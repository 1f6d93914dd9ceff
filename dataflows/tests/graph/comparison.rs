//! Differences between two sets of rules, against the differences of the oracle under each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::Inspect;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::worker::Worker;
use velodrome_dataflows::{
    Board, ClassTotals, ComparisonTraces, Output, RideResult, Row, RowDifference, Rules,
    board_differences, class_totals, comparison_graph,
};

use super::oracle::as_of;
use super::outcome::Outcome;
use super::stream::{RULES, Tick, ticks};

/// The differences in the order in which they are emitted, and the totals of each class.
type Compared = (Vec<RowDifference>, BTreeMap<u16, ClassTotals>);

/// Rules close to those of the oracle.
fn rules() -> impl Strategy<Value = Rules> {
    let excluded = prop::collection::btree_set(0..4u32, 0..3);
    (prop::sample::select(vec![65.0, 65.0, 60.0]), 6..=10u16, 0..4u16, excluded).prop_map(
        |(resistance_offset, race_seconds, grace_seconds, excluded_racers)| Rules {
            resistance_offset,
            race_seconds,
            grace_seconds,
            excluded_racers,
            ..RULES
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn differences_and_totals_equal_those_of_the_oracle(
        ticks in ticks(),
        old in rules(),
        new in rules(),
        end in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let until = match end {
            Some(end) if !ticks.is_empty() => ticks[end.index(ticks.len())].time,
            _ => u64::MAX,
        };
        let rules = [old, new];
        let expected = expected(rules.each_ref().map(|rules| as_of(&ticks, rules, until)));
        for workers in [1, 2, 4] {
            let (differences, totals) = run(&ticks, &rules, until, workers);
            prop_assert_eq!(&differences, &expected.0, "{} workers", workers);
            prop_assert_eq!(&totals, &expected.1, "totals, {} workers", workers);
        }
    }

    #[test]
    fn equal_rules_have_no_differences(ticks in ticks(), rules in rules()) {
        let (differences, _) = run(&ticks, &[rules.clone(), rules], u64::MAX, 2);
        prop_assert_eq!(differences, []);
    }
}

/// Compares the rules on `workers` workers.
fn run(ticks: &[Tick], rules: &[Rules; 2], until: u64, workers: usize) -> Compared {
    let (ticks, rules) = (Arc::new(ticks.to_vec()), rules.clone());
    let differences = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&differences);
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        run_worker(worker, &ticks, &rules, until, &sink)
    });
    let mut totals: BTreeMap<u16, ClassTotals> = BTreeMap::new();
    for share in guards.unwrap().join() {
        for (class, share) in share.unwrap() {
            totals.entry(class).or_default().add(share);
        }
    }
    let differences = differences.lock().unwrap().clone();
    (differences, totals)
}

/// One worker's share of the totals. Worker 0 adds the differences to `sink`.
fn run_worker(
    worker: &mut Worker,
    ticks: &[Tick],
    rules: &[Rules; 2],
    until: u64,
    sink: &Arc<Mutex<Vec<RowDifference>>>,
) -> BTreeMap<u16, ClassTotals> {
    let (index, peers) = (worker.index(), worker.peers());
    let (mut samples, probe) = (InputHandle::new(), Handle::new());
    let mut traces: [ComparisonTraces; 2] = worker.dataflow(|scope| {
        comparison_graph(samples.to_stream(scope), rules.clone(), until).map(|graph| {
            graph.arranged.probe_with(&probe);
            graph.traces
        })
    });
    for tick in ticks {
        samples.advance_to(tick.time);
        let counts = tick.samples.iter().filter(|(n, s)| n % peers == index && s.clock <= until);
        counts.for_each(|(_, sample)| samples.send(sample.clone()));
        if tick.samples.len() % 3 != 0 {
            worker.step();
            probe.with_frontier(|frontier| traces.iter_mut().for_each(|t| t.compact(frontier)));
        }
    }
    samples.close();
    worker.step_or_park_while(None, || !probe.done());
    let totals = class_totals(&mut traces);
    let sink = Arc::clone(sink);
    let probe = worker.dataflow(|scope| {
        let differences = board_differences(scope, traces, |_, rows| rows.to_vec());
        differences
            .inspect(move |(board, differences)| {
                assert_eq!(index, 0, "all differences are emitted on worker 0");
                assert!(differences.iter().all(|difference| difference.board == *board));
                sink.lock().unwrap().extend_from_slice(differences);
            })
            .probe()
            .0
    });
    worker.step_or_park_while(None, || !probe.done());
    totals
}

/// Rows and their ranks by class, kind of board, race or second, and racer.
type Rows = BTreeMap<(u16, u8, u64, u32), (Row, Option<u32>)>;

/// What a comparison of the two outcomes must result in.
fn expected(outcomes: [Outcome; 2]) -> Compared {
    let totals = totals(&outcomes);
    let [mut old, mut new] = outcomes.map(|outcome| ranked_rows(&outcome));
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    let mut differences = Vec::new();
    for key in keys {
        let (old, new) = (old.remove(&key), new.remove(&key));
        let (class, kind, number, racer) = key;
        let board = match kind {
            0 => Board::Leaderboard(class),
            1 => Board::Race(class, number),
            _ => Board::Second(class, number as u16),
        };
        if old != new {
            differences.push(RowDifference { board, racer, old, new });
        }
    }
    (differences, totals)
}

fn ranked_rows(outcome: &Outcome) -> Rows {
    let output = |bits: u64| Output(f64::from_bits(bits));
    let mut rows = Rows::new();
    for ((class, racer), (bits, race, _)) in &outcome.leaderboard {
        rows.insert((*class, 0, 0, *racer), (Row::Best(output(*bits), *race), None));
    }
    for ((class, race, racer), (name, last, best, total, seconds)) in &outcome.results {
        let result = RideResult {
            name: name.as_deref().map(Into::into),
            final_output: last.map(output),
            best: output(*best),
            total: output(*total),
            seconds: *seconds,
        };
        rows.insert((*class, 1, *race, *racer), (Row::Result(Arc::new(result)), None));
    }
    for ((class, racer, second), bits) in &outcome.records {
        let key = (*class, 2, u64::from(*second), *racer);
        rows.insert(key, (Row::Record(output(*bits)), None));
    }
    let all = rows.clone();
    for ((class, kind, number, _), (row, rank)) in &mut rows {
        let board = all.range((*class, *kind, *number, 0)..=(*class, *kind, *number, u32::MAX));
        let better = board.filter(|(_, (other, _))| other.output() > row.output()).count();
        *rank = row.output().map(|_| better as u32 + 1);
    }
    rows
}

fn totals(outcomes: &[Outcome; 2]) -> BTreeMap<u16, ClassTotals> {
    let mut totals: BTreeMap<u16, ClassTotals> = BTreeMap::new();
    let racers = |outcome: &Outcome| -> BTreeSet<(u16, u32)> {
        outcome.records.keys().map(|(class, racer, _)| (*class, *racer)).collect()
    };
    let (old, new) = (racers(&outcomes[0]), racers(&outcomes[1]));
    for (class, _) in old.difference(&new) {
        totals.entry(*class).or_default().racers_removed += 1;
    }
    for (class, _) in new.difference(&old) {
        totals.entry(*class).or_default().racers_added += 1;
    }
    for (index, outcome) in outcomes.iter().enumerate() {
        for (class, _, second) in outcome.records.keys() {
            let class = totals.entry(*class).or_default();
            class.records[index] += 1;
            class.seconds.insert(*second);
        }
        for (class, _) in [&old, &new][index] {
            totals.entry(*class).or_default().racers[index] += 1;
        }
        for (class, _) in outcome.leaderboard.keys() {
            totals.entry(*class).or_default().leaderboard[index] += 1;
        }
        for (class, ..) in outcome.results.keys() {
            totals.entry(*class).or_default().rides[index] += 1;
        }
    }
    totals
}
