//! The graph as a service runs it: asked while events come, and gone on with from a checkpoint.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Inspect;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::dataflow::{InputHandle, Stream};
use timely::worker::Worker;
use velodrome_dataflows::{
    Answer, Ask, Change, Inputs, Mode, Query, SPAN_MS, Viewed, graph, queries,
};

use super::oracle::{Expected, service};
use super::stream::{RULES, Tick, ticks};

/// What a checkpoint keeps of a run.
type Kept = (Vec<(u64, Change)>, Vec<(u64, Viewed)>);

/// One run of a service over some ticks.
#[derive(Clone)]
struct Run {
    ticks: Vec<Tick>,
    restored: (Vec<Change>, Vec<Viewed>),
    /// When everything is asked for, ascending; the last is when the run ends.
    asked: Vec<u64>,
}

/// Ticks whose events are no further apart than a service allows.
fn split(ticks: &[Tick]) -> Vec<Tick> {
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
fn run(run: &Run, workers: usize) -> (Vec<Expected>, Kept) {
    let (run, kept) = (Arc::new(run.clone()), Arc::new(Mutex::new(Kept::default())));
    let shared = Arc::clone(&kept);
    let config = timely::Config::process(workers);
    let guards = timely::execute(config, move |worker| one(worker, &run, &shared)).unwrap();
    let answers = guards.join().into_iter().map(Result::unwrap).find(|held| !held.is_empty());
    let kept = mem::take(&mut *kept.lock().unwrap());
    (answers.unwrap(), kept)
}

fn one(worker: &mut Worker, run: &Run, kept: &Arc<Mutex<Kept>>) -> Vec<Expected> {
    let (index, peers) = (worker.index(), worker.peers());
    let (mut samples, mut tracking) = (InputHandle::new(), InputHandle::new());
    let (mut changes, mut viewed) = (InputHandle::new(), InputHandle::new());
    let mut asks = InputHandle::new();
    let (probe, answered) = (Handle::new(), Handle::new());
    let answers = Arc::new(Mutex::new(Vec::new()));
    worker.dataflow(|scope| {
        let inputs = Inputs {
            samples: samples.to_stream(scope),
            tracking: tracking.to_stream(scope),
            changes: changes.to_stream(scope),
            viewed: viewed.to_stream(scope),
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
    let mut ticks = run.ticks.iter().peekable();
    for at in &run.asked {
        while let Some(tick) = ticks.next_if(|tick| tick.time <= *at) {
            samples.advance_to(tick.time);
            tracking.advance_to(tick.time);
            let mine = |to: usize| to % peers == index;
            tick.samples.iter().filter(|s| mine(s.0)).for_each(|s| samples.send(s.1.clone()));
            tick.tracking.iter().filter(|t| mine(t.0)).for_each(|t| tracking.send(t.1.clone()));
            worker.step();
        }
        samples.advance_to(at + 1);
        tracking.advance_to(at + 1);
        asks.advance_to(*at);
        if index == peers - 1 {
            for (id, query) in everything().into_iter().enumerate() {
                asks.send(Ask { worker: index, id: id as u64, query });
            }
        }
        asks.advance_to(at + 1);
        worker.step_or_park_while(None, || answered.less_equal(at) || probe.less_equal(at));
        if index == peers - 1 {
            let mut answers = mem::take(&mut *answers.lock().unwrap());
            assert_eq!(answers.len(), everything().len(), "one answer a query");
            answers.sort_by_key(|(id, _, _)| *id);
            assert!(answers.iter().all(|(_, time, _)| time == at));
            held.push(joined(answers.into_iter().map(|(_, _, answer)| answer)));
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
    for class in 1..3 {
        queries.extend([Query::History(class), Query::Leaderboard(class)]);
        queries.extend((0..3).map(|race| Query::Results(class, race)));
    }
    queries
}

/// The answers to [`everything`], in its order.
fn joined(answers: impl Iterator<Item = Answer>) -> Expected {
    let mut all = Expected::default();
    for (query, answer) in everything().into_iter().zip(answers) {
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
                    ((class, racer), (best.output.0.to_bits(), best.race))
                };
                all.leaderboard.extend(rows.into_iter().map(row));
            }
            (Query::Results(class, race), Answer::Results(rows)) => {
                all.results.extend(rows.into_iter().map(|(racer, result)| {
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
            (query, answer) => panic!("{query:?} answered by {answer:?}"),
        }
    }
    all
}

fn same(actual: &Expected, expected: &Expected, what: &str) {
    assert_eq!(actual.records, expected.records, "records, {what}");
    let kept = actual.results.iter().filter(|(ride, _)| !expected.aged.contains(*ride));
    assert!(kept.eq(&expected.results), "results, {what}: {actual:?} {expected:?}");
    assert_eq!(actual.leaderboard, expected.leaderboard, "leaderboard, {what}");
    assert_eq!(actual.views, expected.views, "views, {what}");
    assert_eq!(actual.names, expected.names, "names, {what}");
}

/// Times to ask at: at some ticks, and when all rides are over.
fn times(ticks: &[Tick]) -> Vec<u64> {
    let end = ticks.last().map_or(1, |tick| tick.time) + 120_000;
    ticks.iter().step_by(3).map(|tick| tick.time).chain([end, end + SPAN_MS]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_those_of_their_time(ticks in ticks()) {
        let ticks = split(&ticks);
        let asked = times(&ticks);
        for workers in [1, 2, 4] {
            let all = Run { ticks: ticks.clone(), restored: Default::default(), asked: asked.clone() };
            let (held, _) = run(&all, workers);
            for (at, actual) in asked.iter().zip(&held) {
                same(actual, &service(&ticks, *at), &format!("at {at}, {workers} workers"));
            }
            // Time alone ages rides, a step after it passed.
            let (last, end) = (held.last().unwrap(), asked[asked.len() - 2]);
            let aged = service(&ticks, end - SPAN_MS).aged;
            assert!(aged.iter().all(|ride| !last.results.contains_key(ride)), "{last:?}");
        }
    }

    #[test]
    fn a_checkpoint_and_the_events_since_come_to_the_same(
        ticks in ticks(),
        cut in any::<prop::sample::Index>(),
        workers in prop::sample::select(vec![(1, 4), (2, 1), (4, 2)]),
    ) {
        let ticks = split(&ticks);
        let times = times(&ticks);
        let (complete, end) = (times[cut.index(times.len())], times[times.len() - 1]);
        let first = Run { ticks: ticks.clone(), restored: Default::default(), asked: vec![complete] };
        let (_, (changes, viewed)) = run(&first, workers.0);
        // In the order of each ride's changes, which all come from one worker.
        let kept = |(time, change): (u64, Change)| (time <= complete).then_some(change);
        let changes = saved(changes.into_iter().filter_map(kept));
        let viewed = viewed.into_iter().filter(|(time, _)| *time <= complete).map(|(_, v)| v);
        let again = complete.saturating_sub((10 + 3 + 2) * 1000);
        let second = Run {
            ticks: ticks.iter().filter(|tick| tick.time > again).cloned().collect(),
            restored: (changes, viewed.collect()),
            asked: vec![end],
        };
        let (held, _) = run(&second, workers.1);
        same(&held[0], &service(&ticks, end), &format!("cut at {complete}"));
    }
}

/// What is left of the changes once later ones replaced earlier ones, as a store has it.
fn saved(changes: impl Iterator<Item = Change>) -> Vec<Change> {
    let (mut rides, mut others) = (BTreeMap::new(), Vec::new());
    for change in changes {
        match change {
            Change::Kept(key, kept) => {
                rides.insert(key, kept);
            }
            Change::Record(..) | Change::Final(..) | Change::Name(..) => others.push(change),
            Change::Result(..) | Change::Stage(..) | Change::Late(_) => {}
        }
    }
    others.extend(rides.into_iter().map(|(key, kept)| Change::Kept(key, kept)));
    others
}
