//! Differences between two sets of rules, against the differences of the oracle under each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::Inspect;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::worker::Worker;
use velodrome_dataflows::{
    Board, BoardDifferences, ClassTotals, ComparisonTraces, Name, Output, PODIUM, RankedRow,
    RideResult, Row, RowDifference, Rules, board_differences, class_totals, comparison_graph,
    racer_names,
};

use super::oracle::as_of;
use super::outcome::Outcome;
use super::stream::{RULES, Tick, ticks};

/// What a comparison results in.
#[derive(Debug, Default, PartialEq)]
struct Compared {
    /// In the order in which they are emitted.
    differences: Vec<RowDifference>,
    /// The unchanged rows of each board with a difference.
    unchanged: BTreeMap<Board, Vec<(u32, RankedRow)>>,
    totals: BTreeMap<u16, ClassTotals>,
}

/// The racers of all streams.
const RACERS: std::ops::Range<u32> = 0..4;

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
        let outcomes = rules.each_ref().map(|rules| as_of(&ticks, rules, until));
        let expected_names = outcomes.each_ref().map(|outcome| outcome.names.clone());
        let expected = expected(outcomes);
        for workers in [1, 2, 4] {
            let (compared, names) = run(&ticks, &rules, until, workers);
            prop_assert_eq!(&compared, &expected, "{} workers", workers);
            for racer in RACERS.flat_map(|racer| [(1, racer), (2, racer)]) {
                let either: Vec<_> = expected_names.iter().filter_map(|n| n.get(&racer)).collect();
                match names.get(&racer) {
                    Some(name) => prop_assert!(either.contains(&name), "{}: {:?}", name, either),
                    None => prop_assert!(either.is_empty(), "racer {:?}: {:?}", racer, either),
                }
            }
        }
    }

    #[test]
    fn equal_rules_have_no_differences(ticks in ticks(), rules in rules()) {
        let (compared, _) = run(&ticks, &[rules.clone(), rules], u64::MAX, 2);
        prop_assert_eq!(compared.differences, []);
    }
}

/// Compares the rules on `workers` workers. Returns the names of all racers too.
fn run(
    ticks: &[Tick],
    rules: &[Rules; 2],
    until: u64,
    workers: usize,
) -> (Compared, BTreeMap<(u16, u32), String>) {
    let (ticks, rules) = (Arc::new(ticks.to_vec()), rules.clone());
    let compared = Arc::new(Mutex::new(Compared::default()));
    let sink = Arc::clone(&compared);
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        run_worker(worker, &ticks, &rules, until, &sink)
    });
    let mut names = BTreeMap::new();
    for share in guards.unwrap().join() {
        let (totals, share) = share.unwrap();
        names.extend(share);
        for (class, totals) in totals {
            compared.lock().unwrap().totals.entry(class).or_default().add(totals);
        }
    }
    let compared = std::mem::take(&mut *compared.lock().unwrap());
    (compared, names)
}

/// One worker's share of the totals, and the names that it looked up. Worker 0 adds the differences to
/// `sink`.
fn run_worker(
    worker: &mut Worker,
    ticks: &[Tick],
    rules: &[Rules; 2],
    until: u64,
    sink: &Arc<Mutex<Compared>>,
) -> (BTreeMap<u16, ClassTotals>, BTreeMap<(u16, u32), String>) {
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
    let names = look_up(worker, &traces);
    let sink = Arc::clone(sink);
    let probe = worker.dataflow(|scope| {
        let owned = |board: BoardDifferences<'_>| {
            assert!(board.rows.iter().all(|difference| difference.board == board.board));
            (board.rows.to_vec(), board.unchanged.to_vec())
        };
        board_differences(scope, traces, owned)
            .inspect(move |(board, (differences, unchanged))| {
                assert_eq!(index, 0, "all differences are emitted on worker 0");
                let mut sink = sink.lock().unwrap();
                sink.differences.extend_from_slice(differences);
                if !unchanged.is_empty() {
                    sink.unchanged.insert(*board, unchanged.clone());
                }
            })
            .probe()
            .0
    });
    worker.step_or_park_while(None, || !probe.done());
    (totals, names)
}

/// The names of all racers that are arranged on this worker. Each worker asks for some of the racers.
fn look_up(worker: &mut Worker, traces: &[ComparisonTraces; 2]) -> BTreeMap<(u16, u32), String> {
    let (index, peers) = (worker.index(), worker.peers());
    let names = Arc::new(Mutex::new(BTreeMap::new()));
    let (sink, traces) = (Arc::clone(&names), traces.each_ref().map(|traces| traces.names.clone()));
    let mut racers = InputHandle::new();
    let probe = worker.dataflow(|scope| {
        let insert = move |(racer, Name { text, .. }): &((u16, u32), Name)| {
            sink.lock().unwrap().insert(*racer, text.to_string());
        };
        racer_names(racers.to_stream(scope), traces).inspect(insert).probe().0
    });
    RACERS
        .filter(|racer| *racer as usize % peers != index || peers == 1)
        .for_each(|racer| (1..3).for_each(|class| racers.send((class, racer))));
    racers.close();
    worker.step_or_park_while(None, || !probe.done());
    let names = names.lock().unwrap();
    names.clone()
}

/// Rows and their ranks by class, kind of board, race or second, and racer.
type Rows = BTreeMap<(u16, u8, u64, u32), RankedRow>;

/// What a comparison of the two outcomes must result in.
fn expected(outcomes: [Outcome; 2]) -> Compared {
    let totals = totals(&outcomes);
    let [mut old, mut new] = outcomes.map(|outcome| ranked_rows(&outcome));
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    let mut compared = Compared { totals, ..Compared::default() };
    let mut unchanged: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for key in keys {
        let (old, new) = (old.remove(&key), new.remove(&key));
        let (class, kind, number, racer) = key;
        let board = match kind {
            0 => Board::Leaderboard(class),
            1 => Board::Race(class, number),
            _ => Board::Second(class, number as u16),
        };
        if old != new {
            compared.differences.push(RowDifference { board, racer, old, new });
        } else if let Some((row, Some(rank))) = old
            && (rank <= PODIUM || kind == 0)
            && kind < 2
        {
            unchanged.entry(board).or_default().push((racer, (row, Some(rank))));
        }
    }
    let differing: BTreeSet<_> = compared.differences.iter().map(|row| row.board).collect();
    unchanged.retain(|board, _| differing.contains(board));
    Compared { unchanged, ..compared }
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
