//! Runs a stream through the graph as a replay does, its events dealt to several workers.

use std::cell::Cell;
use std::ops::ControlFlow::Continue;
use std::rc::Rc;
use std::sync::Arc;

use timely::dataflow::InputHandle;
use timely::dataflow::operators::Inspect;
use timely::dataflow::operators::generic::operator::empty;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::worker::Worker;
use velodrome_dataflows::{Change, Inputs, Mode, Traces, graph, read_trace};

use super::outcome::{Outcome, result_row};
use super::stream::{RULES, Tick};

/// The state after all ticks.
pub(crate) fn run(ticks: &[Tick], workers: usize) -> Outcome {
    run_until(ticks, u64::MAX, workers)
}

/// The state as of the time `until`.
pub(crate) fn run_until(ticks: &[Tick], until: u64, workers: usize) -> Outcome {
    let ticks = Arc::new(ticks.to_vec());
    let config = timely::Config::process(workers);
    let guards = timely::execute(config, move |worker| run_worker(worker, &ticks, until));
    let mut all = Outcome::default();
    for part in guards.unwrap().join() {
        let part = part.unwrap();
        let sizes =
            |o: &Outcome| o.records.len() + o.results.len() + o.leaderboard.len() + o.views.len();
        let expected = sizes(&all) + sizes(&part);
        all.records.extend(part.records);
        all.results.extend(part.results);
        all.leaderboard.extend(part.leaderboard);
        all.views.extend(part.views);
        all.names.extend(part.names);
        all.late += part.late;
        assert_eq!(sizes(&all), expected, "each key is on one worker");
    }
    all
}

fn run_worker(worker: &mut Worker, ticks: &[Tick], until: u64) -> Outcome {
    let (index, peers) = (worker.index(), worker.peers());
    let (mut samples, mut tracking) = (InputHandle::new(), InputHandle::new());
    let (probe, late) = (Handle::new(), Rc::new(Cell::new(0)));
    let mut traces = worker.dataflow(|scope| {
        let inputs = Inputs {
            samples: samples.to_stream(scope),
            tracking: tracking.to_stream(scope),
            saved_changes: empty(scope),
            saved_views: empty(scope),
            bans: empty(scope),
        };
        let graph = graph(inputs, RULES, Mode::Replay { until });
        let late = Rc::clone(&late);
        let changes = graph.changes.inspect(move |change| match change {
            Change::Late(count) => late.set(late.get() + count),
            Change::Stage(..) | Change::Saved(..) => panic!("{change:?} in a replay"),
            _ => {}
        });
        changes.probe_with(&probe);
        graph.arranged.probe_with(&probe);
        graph.traces
    });
    for tick in ticks {
        samples.advance_to(tick.time);
        tracking.advance_to(tick.time);
        let is_mine = |number: usize| number % peers == index;
        let counts = tick.samples.iter().filter(|(n, s)| is_mine(*n) && s.clock <= until);
        counts.for_each(|(_, sample)| samples.send(sample.clone()));
        let counts = tick.tracking.iter().filter(|(n, t)| is_mine(*n) && t.clock <= until);
        counts.for_each(|(_, event)| tracking.send(event.clone()));
        // Some ticks accumulate, as they do on a worker that lags.
        if tick.samples.len() % 3 != 0 {
            worker.step();
            probe.with_frontier(|frontier| traces.compact(frontier, frontier));
        }
    }
    samples.close();
    tracking.close();
    worker.step_or_park_while(None, || !probe.done());
    Outcome { late: late.get(), ..read(&mut traces) }
}

/// The state in the traces of one worker.
fn read(traces: &mut Traces) -> Outcome {
    let (end, mut all) = (u64::MAX, Outcome::default());
    read_trace(&mut traces.records, end, None, |(class, racer), (), record| {
        let outputs = record.outputs();
        all.records.extend(outputs.map(|(s, output)| ((*class, *racer, s), output.to_bits())));
        Continue(())
    });
    read_trace(&mut traces.results, end, None, |(class, race), (racer, result), count| {
        assert_eq!(count, 1, "one result per ride");
        let previous = all.results.insert((*class, *race, *racer), result_row(result));
        assert_eq!(previous, None, "one result per ride");
        Continue(())
    });
    read_trace(&mut traces.leaderboard, end, None, |key, (), best| {
        all.leaderboard.insert(*key, (best.output.0.to_bits(), best.race, best.at));
        Continue(())
    });
    read_trace(&mut traces.names, end, None, |racer, (), name| {
        all.names.insert(*racer, name.text.to_string());
        Continue(())
    });
    read_trace(&mut traces.views, end, None, |project, (), count| {
        all.views.insert(project.to_string(), (count.views, count.duration_ms));
        Continue(())
    });
    all
}
