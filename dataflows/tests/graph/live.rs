//! Runs a stream through the graph as a service does: asked while events come, some racers banned.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::{Arc, Mutex};

use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Inspect;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::dataflow::{InputHandle, Stream};
use timely::worker::Worker;
use velodrome_dataflows::{
    Answer, Ask, Ban, Change, ClassSize, Inputs, Mode, Output, Query, SPAN_MS, Viewed, graph,
    queries,
};

use super::oracle::Expected;
use super::stream::{RULES, Tick};

/// What a checkpoint keeps of a run.
pub(crate) type Kept = (Vec<(u64, Change)>, Vec<(u64, Viewed)>);

/// An answer, with its query's id and its time.
type Told = (u64, u64, Answer);

/// One run of a service over some ticks.
#[derive(Clone, Default)]
pub(crate) struct Run {
    pub(crate) ticks: Vec<Tick>,
    pub(crate) restored: (Vec<Change>, Vec<Viewed>),
    /// By time, ascending.
    pub(crate) bans: Vec<(u64, Ban)>,
    /// When everything is asked for, ascending; the last is when the run ends.
    pub(crate) asked: Vec<u64>,
}

/// Ticks whose events are no further apart than a service allows.
pub(crate) fn split(ticks: &[Tick]) -> Vec<Tick> {
    let mut all: BTreeMap<u64, Tick> = BTreeMap::new();
    for tick in ticks {
        for (to, sample) in &tick.samples {
            let slot = all.entry(sample.clock / (SPAN_MS / 2)).or_default();
            slot.samples.push((*to, sample.clone()));
            slot.time = slot.time.max(sample.clock);
        }
        for (to, event) in &tick.tracking {
            let slot = all.entry(event.clock / (SPAN_MS / 2)).or_default();
            slot.tracking.push((*to, event.clone()));
            slot.time = slot.time.max(event.clock);
        }
    }
    all.into_values().collect()
}

/// What the run holds at each time that it was asked at, and what a checkpoint keeps of it.
pub(crate) fn run(run: &Run, workers: usize) -> (Vec<Expected>, Kept) {
    let asked = run.asked.clone();
    let (run, kept) = (Arc::new(run.clone()), Arc::new(Mutex::new(Kept::default())));
    let shared = Arc::clone(&kept);
    let config = timely::Config::process(workers);
    let guards = timely::execute(config, move |worker| one(worker, &run, &shared)).unwrap();
    let answers = guards.join().into_iter().map(Result::unwrap).find(|held| !held.is_empty());
    // Here and not on the workers, of which one that panics would leave the others waiting.
    let held = asked.into_iter().zip(answers.unwrap()).map(|(at, answers)| joined(at, answers));
    let held = held.collect();
    let kept = mem::take(&mut *kept.lock().unwrap());
    (held, kept)
}

/// What was answered at each time that was asked at, on the worker that asked.
fn one(worker: &mut Worker, run: &Run, kept: &Arc<Mutex<Kept>>) -> Vec<Vec<Told>> {
    let (index, peers) = (worker.index(), worker.peers());
    let (mut samples, mut tracking) = (InputHandle::new(), InputHandle::new());
    let (mut changes, mut viewed) = (InputHandle::new(), InputHandle::new());
    let (mut banned, mut asks) = (InputHandle::new(), InputHandle::new());
    let (probe, answered) = (Handle::new(), Handle::new());
    let answers = Arc::new(Mutex::new(Vec::new()));
    worker.dataflow(|scope| {
        let inputs = Inputs {
            samples: samples.to_stream(scope),
            tracking: tracking.to_stream(scope),
            changes: changes.to_stream(scope),
            viewed: viewed.to_stream(scope),
            bans: banned.to_stream(scope),
        };
        let graph = graph(inputs, RULES, Mode::Service);
        let (of_changes, of_viewed) = (Arc::clone(kept), Arc::clone(kept));
        tap(graph.changes, move |row| of_changes.lock().unwrap().0.push(row)).probe_with(&probe);
        tap(graph.viewed, move |row| of_viewed.lock().unwrap().1.push(row)).probe_with(&probe);
        let arranged = graph.arranged.probe_with(&probe);
        let told = Arc::clone(&answers);
        queries(asks.to_stream(scope), arranged, graph.traces)
            .inspect(move |answer| told.lock().unwrap().push(answer.clone()))
            .probe_with(&answered);
    });
    // Whatever worker it comes in at.
    let mine = |number: usize| number % peers == index;
    let of = |(number, change): (usize, &Change)| mine(number).then(|| change.clone());
    run.restored.0.iter().enumerate().filter_map(of).for_each(|change| changes.send(change));
    let of = |(number, viewed): (usize, &Viewed)| mine(number).then(|| viewed.clone());
    run.restored.1.iter().enumerate().filter_map(of).for_each(|seen| viewed.send(seen));
    changes.close();
    viewed.close();
    let mut held = Vec::new();
    let (mut ticks, mut bans) = (run.ticks.iter().peekable(), run.bans.iter().peekable());
    // Up to a time, which samples may have reached before.
    let mut ban = |to: u64| {
        while let Some((time, ban)) = bans.next_if(|(time, _)| *time <= to) {
            banned.advance_to(*time);
            if mine(ban.racer as usize) {
                banned.send(*ban);
            }
        }
        banned.advance_to(to);
    };
    for at in &run.asked {
        while let Some(tick) = ticks.next_if(|tick| tick.time <= *at) {
            samples.advance_to(tick.time);
            tracking.advance_to(tick.time);
            tick.samples.iter().filter(|s| mine(s.0)).for_each(|s| samples.send(s.1.clone()));
            tick.tracking.iter().filter(|t| mine(t.0)).for_each(|t| tracking.send(t.1.clone()));
            worker.step();
            // Some bans come behind the samples of later ticks.
            if tick.samples.len() % 3 != 0 {
                ban(tick.time);
            }
        }
        samples.advance_to(at + 1);
        tracking.advance_to(at + 1);
        ban(*at);
        ban(at + 1);
        asks.advance_to(*at);
        if index == peers - 1 {
            for (id, query) in everything().into_iter().enumerate() {
                asks.send(Ask { worker: index, id: id as u64, query });
            }
        }
        asks.advance_to(at + 1);
        worker.step_or_park_while(None, || answered.less_equal(at) || probe.less_equal(at));
        if index == peers - 1 {
            held.push(mem::take(&mut *answers.lock().unwrap()));
        }
    }
    held
}

/// Gives `take` what comes by, with its time.
fn tap<'scope, D: 'static>(
    stream: Stream<'scope, u64, Vec<D>>,
    mut take: impl FnMut((u64, D)) + 'static,
) -> Stream<'scope, u64, Vec<()>> {
    stream.unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Pipeline, "Tap", move |_, _| {
        move |input, _| {
            input.for_each(|capability, rows| {
                let time = *capability.least().unwrap();
                rows.drain(..).for_each(|row| take((time, row)));
            });
        }
    })
}

/// Queries for all that there can be.
fn everything() -> Vec<Query> {
    let mut queries = vec![Query::Names((0..4).collect()), Query::Projects(None, 1000)];
    queries.extend((0..4).map(Query::Racer));
    for class in 1..3 {
        queries.extend([Query::History(class), Query::Leaderboard(class)]);
        queries.extend([Query::Results(class, vec![2, 0]), Query::Results(class, vec![1])]);
        queries.extend((1..=RULES.race_seconds).map(|second| Query::Board(class, second)));
        queries.extend((0..4).map(|racer| Query::Curve(class, racer)));
        queries.push(Query::Best(class));
        for (racer, limit) in (0..4).flat_map(|racer| [(racer, 1), (racer, 2), (racer, 9)]) {
            queries.push(Query::Ridden(class, racer, vec![1, 7, 2, 0], limit));
        }
    }
    queries.push(Query::Classes);
    queries
}

/// The answers to [`everything`], which must be of `at`.
fn joined(at: u64, mut answers: Vec<Told>) -> Expected {
    assert_eq!(answers.len(), everything().len(), "one answer a query");
    answers.sort_by_key(|(id, _, _)| *id);
    let mut all = Expected::default();
    let (mut by_second, mut by_racer) = (BTreeMap::new(), BTreeMap::new());
    let (mut sizes, mut best, mut ridden) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    let mut racers = Vec::new();
    for (query, (_, time, answer)) in everything().into_iter().zip(answers) {
        assert_eq!(time, at);
        match (query, answer) {
            (_, Answer::Names(names)) => {
                all.names.extend(names.into_iter().map(|(racer, name)| (racer, name.into())));
            }
            (_, Answer::Projects(rows)) => {
                assert!(rows.is_sorted_by(|(a, n), (b, m)| (m.views, a) <= (n.views, b)));
                let count = |(id, n): (_, velodrome_dataflows::ViewCount)| {
                    (String::from(id), (n.views, n.duration_ms))
                };
                all.views.extend(rows.into_iter().map(count));
            }
            (Query::History(class), Answer::History(rows)) => {
                for (racer, record) in &rows {
                    let outputs = record.outputs();
                    all.records
                        .extend(outputs.map(|(s, output)| ((class, *racer, s), output.to_bits())));
                }
            }
            (Query::Leaderboard(class), Answer::Leaderboard(rows)) => {
                let row = |(racer, best): (u32, velodrome_dataflows::BestFinal)| {
                    ((class, racer), (best.output.0.to_bits(), best.race, best.at))
                };
                all.leaderboard.extend(rows.into_iter().map(row));
            }
            (Query::Results(class, _), Answer::Results(rows)) => {
                assert!(rows.is_sorted_by_key(|(race, racer, _)| (*race, *racer)));
                all.results.extend(rows.into_iter().map(|(race, racer, result)| {
                    let row = (
                        result.name.as_ref().map(ToString::to_string),
                        result.final_output.map(|output| output.0.to_bits()),
                        result.best.0.to_bits(),
                        result.total.0.to_bits(),
                        result.seconds,
                    );
                    ((class, race, racer), row)
                }));
            }
            (Query::Board(class, second), Answer::Board(rows)) => {
                assert!(rows.is_sorted_by(|(a, x), (b, y)| (y, a) < (x, b)), "{rows:?}");
                let row =
                    |(racer, output): (u32, Output)| ((class, racer, second), output.0.to_bits());
                by_second.extend(rows.into_iter().map(row));
            }
            (Query::Curve(class, racer), Answer::Curve(curve)) => {
                for (second, output) in curve.iter().flat_map(|curve| curve.outputs()) {
                    by_racer.insert((class, racer, second), output.to_bits());
                }
            }
            (Query::Best(class), Answer::Best(curve)) => {
                best.extend(curve.outputs().map(|(second, o)| ((class, second), Output(o))));
            }
            (Query::Racer(racer), Answer::Racer(name, classes)) => {
                racers.push((racer, name.map(String::from), classes));
            }
            (Query::Ridden(class, racer, races, limit), Answer::Ridden(found)) => {
                ridden.push(((class, racer, races, limit), found));
            }
            (Query::Classes, Answer::Classes(rows)) => sizes.extend(rows),
            (query, answer) => panic!("{query:?} answered by {answer:?}"),
        }
    }
    assert_eq!(by_second, all.records, "boards and history are of one time");
    assert_eq!(by_racer, all.records, "curves and history are of one time");
    let mut greatest: BTreeMap<(u16, u16), Output> = BTreeMap::new();
    for ((class, _, second), output) in &all.records {
        let output = Output(f64::from_bits(*output));
        let best = greatest.entry((*class, *second)).or_insert(output);
        *best = output.max(*best);
    }
    assert_eq!(best, greatest, "the best of all and history are of one time");
    for ((class, racer, mut races, limit), found) in ridden {
        races.retain(|race| all.results.contains_key(&(class, *race, racer)));
        races.truncate(limit);
        assert_eq!(found, races, "rides and results are of one time");
    }
    for (racer, name, classes) in racers {
        let rode: BTreeSet<_> = all.records.keys().filter(|(_, own, _)| *own == racer).collect();
        let in_classes: BTreeSet<_> = rode.into_iter().map(|(class, _, _)| *class).collect();
        assert_eq!(classes, Vec::from_iter(in_classes), "classes and history are of one time");
        assert_eq!(name.as_ref(), all.names.get(&racer), "one name of racer {racer}");
    }
    let mut counted: BTreeMap<u16, (BTreeSet<u32>, u64)> = BTreeMap::new();
    for (class, racer, _) in all.records.keys() {
        let (racers, records) = counted.entry(*class).or_default();
        racers.insert(*racer);
        *records += 1;
    }
    let counted = counted.into_iter().map(|(class, (racers, records))| {
        (class, ClassSize { records, racers: racers.len() as u64 })
    });
    assert!(counted.eq(sizes), "sizes and history are of one time");
    all
}

pub(crate) fn same(actual: &Expected, expected: &Expected, what: &str) {
    assert_eq!(actual.records, expected.records, "records, {what}");
    let kept = actual.results.iter().filter(|(ride, _)| !expected.aged.contains(*ride));
    assert!(kept.eq(&expected.results), "results, {what}: {actual:?} {expected:?}");
    assert_eq!(actual.leaderboard, expected.leaderboard, "leaderboard, {what}");
    assert_eq!(actual.views, expected.views, "views, {what}");
    assert_eq!(actual.names, expected.names, "names, {what}");
}

/// Times to ask at: at some ticks, and when all rides are over.
pub(crate) fn times(ticks: &[Tick]) -> Vec<u64> {
    let end = ticks.last().map_or(1, |tick| tick.time) + 120_000;
    ticks.iter().step_by(3).map(|tick| tick.time).chain([end, end + SPAN_MS]).collect()
}

/// What a checkpoint complete to `complete` has of what a run told: later changes of a ride replaced
/// earlier ones.
pub(crate) fn saved((changes, viewed): Kept, complete: u64) -> (Vec<Change>, Vec<Viewed>) {
    let (mut rides, mut others) = (BTreeMap::new(), Vec::new());
    // In the order of each ride's changes, which all come from one worker.
    for (_, change) in changes.into_iter().filter(|(time, _)| *time <= complete) {
        match change {
            Change::Kept(key, kept) => {
                rides.insert(key, kept);
            }
            Change::Record(..) | Change::Final(..) | Change::Name(..) => others.push(change),
            Change::Result(..) | Change::Stage(..) | Change::Ban(_) | Change::Late(_) => {}
        }
    }
    others.extend(rides.into_iter().map(|(key, kept)| Change::Kept(key, kept)));
    let viewed = viewed.into_iter().filter(|(time, _)| *time <= complete);
    (others, viewed.map(|(_, viewed)| viewed).collect())
}

/// From when on events are taken again, to go on from a checkpoint.
pub(crate) fn again(complete: u64) -> u64 {
    complete.saturating_sub((10 + 3 + 2) * 1000)
}
