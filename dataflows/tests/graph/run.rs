//! Runs a stream through the graph, its events dealt to several workers.

use std::cell::Cell;
use std::ops::ControlFlow::Continue;
use std::rc::Rc;
use std::sync::Arc;

use timely::dataflow::InputHandle;
use timely::dataflow::operators::Inspect;
use timely::dataflow::operators::generic::operator::empty;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::worker::Worker;
use velodrome_dataflows::{Change, Inputs, Mode, graph, read};

use super::oracle::Expected;
use super::stream::{RULES, Tick};

/// What `workers` workers make of the ticks together.
pub(crate) fn run(ticks: &[Tick], workers: usize) -> Expected {
    run_until(ticks, u64::MAX, workers)
}

/// The same as of the time `until`.
pub(crate) fn run_until(ticks: &[Tick], until: u64, workers: usize) -> Expected {
    let ticks = Arc::new(ticks.to_vec());
    let guards =
        timely::execute(timely::Config::process(workers), move |worker| one(worker, &ticks, until));
    let mut all = Expected::default();
    for part in guards.unwrap().join() {
        let part = part.unwrap();
        let sizes =
            |e: &Expected| e.records.len() + e.results.len() + e.leaderboard.len() + e.views.len();
        let expected = sizes(&all) + sizes(&part);
        all.records.extend(part.records);
        all.results.extend(part.results);
        all.leaderboard.extend(part.leaderboard);
        all.views.extend(part.views);
        all.names.extend(part.names);
        all.late += part.late;
        assert_eq!(sizes(&all), expected, "a key lives on one worker");
    }
    all
}

fn one(worker: &mut Worker, ticks: &[Tick], until: u64) -> Expected {
    let (index, peers) = (worker.index(), worker.peers());
    let (mut samples, mut tracking) = (InputHandle::new(), InputHandle::new());
    let (probe, late) = (Handle::new(), Rc::new(Cell::new(0)));
    let mut traces = worker.dataflow(|scope| {
        let inputs = Inputs {
            samples: samples.to_stream(scope),
            tracking: tracking.to_stream(scope),
            changes: empty(scope),
            viewed: empty(scope),
            bans: empty(scope),
        };
        let graph = graph(inputs, RULES, Mode::Replay { until });
        let late = Rc::clone(&late);
        let changes = graph.changes.inspect(move |change| match change {
            Change::Late(count) => late.set(late.get() + count),
            Change::Stage(..) | Change::Kept(..) => panic!("{change:?} in a replay"),
            _ => {}
        });
        changes.probe_with(&probe);
        graph.arranged.probe_with(&probe);
        graph.traces
    });
    for tick in ticks {
        samples.advance_to(tick.time);
        tracking.advance_to(tick.time);
        let mine = |to: usize| to % peers == index;
        let counts = tick.samples.iter().filter(|(to, s)| mine(*to) && s.clock <= until);
        counts.for_each(|(_, sample)| samples.send(sample.clone()));
        let counts = tick.tracking.iter().filter(|(to, t)| mine(*to) && t.clock <= until);
        counts.for_each(|(_, event)| tracking.send(event.clone()));
        // Some ticks are left to pile up, as they do where a worker is behind.
        if tick.samples.len() % 3 != 0 {
            worker.step();
            probe.with_frontier(|frontier| traces.compact(frontier, frontier));
        }
    }
    samples.close();
    tracking.close();
    worker.step_or_park_while(None, || !probe.done());

    let mut all = Expected { late: late.get(), ..Expected::default() };
    read(&mut traces.records, u64::MAX, None, |(class, racer), (), record| {
        let outputs = record.outputs();
        all.records.extend(outputs.map(|(s, output)| ((*class, *racer, s), output.to_bits())));
        Continue(())
    });
    read(&mut traces.results, u64::MAX, None, |(class, race), (racer, result), count| {
        assert_eq!(count, 1, "one result a ride");
        let row = (
            result.name.as_ref().map(ToString::to_string),
            result.final_output.map(|output| output.0.to_bits()),
            result.best.0.to_bits(),
            result.total.0.to_bits(),
            result.seconds,
        );
        assert_eq!(all.results.insert((*class, *race, *racer), row), None, "one result a ride");
        Continue(())
    });
    read(&mut traces.leaderboard, u64::MAX, None, |key, (), best| {
        all.leaderboard.insert(*key, (best.output.0.to_bits(), best.race, best.at));
        Continue(())
    });
    read(&mut traces.names, u64::MAX, None, |racer, (), name| {
        all.names.insert(*racer, name.text.to_string());
        Continue(())
    });
    read(&mut traces.views, u64::MAX, None, |project, (), count| {
        all.views.insert(project.to_string(), (count.views, count.duration_ms));
        Continue(())
    });
    all
}
