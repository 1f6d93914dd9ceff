//! What differs between two sets of rules, against the difference of what the oracle makes of either.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::Inspect;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::worker::Worker;
use velodrome_dataflows::{
    Board, Census, Difference, Output, RideResult, Row, Rules, Side, census, difference, sides,
};

use super::oracle::{Expected, as_of};
use super::stream::{RULES, Tick, ticks};

/// What is told, in its order, and what is counted.
type Told = (Vec<Difference>, BTreeMap<u16, Census>);

/// Rules around those of the oracle.
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
    fn it_is_what_the_oracle_makes_of_either(
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
            let (told, counted) = run(&ticks, &rules, until, workers);
            prop_assert_eq!(&told, &expected.0, "{} workers", workers);
            prop_assert_eq!(&counted, &expected.1, "census, {} workers", workers);
        }
    }

    #[test]
    fn of_equal_rules_it_is_nothing(ticks in ticks(), rules in rules()) {
        let (told, _) = run(&ticks, &[rules.clone(), rules], u64::MAX, 2);
        prop_assert_eq!(told, []);
    }
}

/// What `workers` workers tell.
fn run(ticks: &[Tick], rules: &[Rules; 2], until: u64, workers: usize) -> Told {
    let (ticks, rules) = (Arc::new(ticks.to_vec()), rules.clone());
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&told);
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        one(worker, &ticks, &rules, until, &sink)
    });
    let mut counted: BTreeMap<u16, Census> = BTreeMap::new();
    for part in guards.unwrap().join() {
        for (class, census) in part.unwrap() {
            counted.entry(class).or_default().add(census);
        }
    }
    let told = told.lock().unwrap().clone();
    (told, counted)
}

fn one(
    worker: &mut Worker,
    ticks: &[Tick],
    rules: &[Rules; 2],
    until: u64,
    told: &Arc<Mutex<Vec<Difference>>>,
) -> BTreeMap<u16, Census> {
    let (index, peers) = (worker.index(), worker.peers());
    let (mut samples, probe) = (InputHandle::new(), Handle::new());
    let mut both: [Side; 2] = worker.dataflow(|scope| {
        sides(samples.to_stream(scope), rules.clone(), until).map(|graph| {
            graph.arranged.probe_with(&probe);
            graph.side
        })
    });
    for tick in ticks {
        samples.advance_to(tick.time);
        let counts = tick.samples.iter().filter(|(to, s)| to % peers == index && s.clock <= until);
        counts.for_each(|(_, sample)| samples.send(sample.clone()));
        if tick.samples.len() % 3 != 0 {
            worker.step();
            probe.with_frontier(|frontier| both.iter_mut().for_each(|side| side.compact(frontier)));
        }
    }
    samples.close();
    worker.step_or_park_while(None, || !probe.done());
    let counted = census(&mut both);
    let told = Arc::clone(told);
    let probe = worker.dataflow(|scope| {
        let differences = difference(scope, both, |_, rows| rows.to_vec());
        differences
            .inspect(move |(board, differences)| {
                assert_eq!(index, 0, "all is told on worker 0");
                assert!(differences.iter().all(|difference| difference.board == *board));
                told.lock().unwrap().extend_from_slice(differences);
            })
            .probe()
            .0
    });
    worker.step_or_park_while(None, || !probe.done());
    counted
}

/// Rows by class, kind of board, race or second, and racer.
type Rows = BTreeMap<(u16, u8, u64, u32), (Row, Option<u32>)>;

fn expected(sides: [Expected; 2]) -> Told {
    let counted = counted(&sides);
    let [mut old, mut new] = sides.map(|side| ranked(&side));
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    let mut told = Vec::new();
    for key in keys {
        let (old, new) = (old.remove(&key), new.remove(&key));
        let (class, kind, number, racer) = key;
        let board = match kind {
            0 => Board::Leaderboard(class),
            1 => Board::Race(class, number),
            _ => Board::Second(class, number as u16),
        };
        if old != new {
            told.push(Difference { board, racer, old, new });
        }
    }
    (told, counted)
}

fn ranked(side: &Expected) -> Rows {
    let output = |bits: u64| Output(f64::from_bits(bits));
    let mut rows = Rows::new();
    for ((class, racer), (bits, race, _)) in &side.leaderboard {
        rows.insert((*class, 0, 0, *racer), (Row::Best(output(*bits), *race), None));
    }
    for ((class, race, racer), (name, last, best, total, seconds)) in &side.results {
        let result = RideResult {
            name: name.as_deref().map(Into::into),
            final_output: last.map(output),
            best: output(*best),
            total: output(*total),
            seconds: *seconds,
        };
        rows.insert((*class, 1, *race, *racer), (Row::Result(Arc::new(result)), None));
    }
    for ((class, racer, second), bits) in &side.records {
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

fn counted(sides: &[Expected; 2]) -> BTreeMap<u16, Census> {
    let mut counted: BTreeMap<u16, Census> = BTreeMap::new();
    let racers = |side: &Expected| -> BTreeSet<(u16, u32)> {
        side.records.keys().map(|(class, racer, _)| (*class, *racer)).collect()
    };
    let (old, new) = (racers(&sides[0]), racers(&sides[1]));
    old.difference(&new).for_each(|(class, _)| counted.entry(*class).or_default().gone += 1);
    new.difference(&old).for_each(|(class, _)| counted.entry(*class).or_default().came += 1);
    for (index, side) in sides.iter().enumerate() {
        for (class, _, second) in side.records.keys() {
            let census = counted.entry(*class).or_default();
            census.records[index] += 1;
            census.seconds.insert(*second);
        }
        for (class, _) in [&old, &new][index] {
            counted.entry(*class).or_default().racers[index] += 1;
        }
        for (class, _) in side.leaderboard.keys() {
            counted.entry(*class).or_default().leaders[index] += 1;
        }
        for (class, ..) in side.results.keys() {
            counted.entry(*class).or_default().rides[index] += 1;
        }
    }
    counted
}
