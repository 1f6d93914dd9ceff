//! The graph against a sequential oracle, on random streams, with 1, 2 and 4 workers.

#[cfg(test)]
mod as_of;
#[cfg(test)]
mod bans;
#[cfg(test)]
mod difference;
#[cfg(test)]
mod live;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod run;
#[cfg(test)]
mod service;
#[cfg(test)]
mod stream;

use std::slice;
use std::sync::mpsc;

use proptest::prelude::*;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::Capture;
use timely::dataflow::operators::capture::Extract;
use timely::dataflow::operators::generic::operator::empty;
use velodrome_dataflows::{Change, Mode, Sample, Tracking, output, rides};

use oracle::{Expected, oracle};
use run::run;
use stream::{RULES, Tick, ticks};

fn check(ticks: &[Tick]) {
    let expected = oracle(ticks);
    for workers in [1, 2, 4] {
        equal(&run(ticks, workers), &expected, &format!("{workers} workers"));
    }
}

fn equal(actual: &Expected, expected: &Expected, what: &str) {
    assert_eq!(actual.records, expected.records, "records, {what}");
    assert_eq!(actual.results, expected.results, "results, {what}");
    assert_eq!(actual.leaderboard, expected.leaderboard, "leaderboard, {what}");
    assert_eq!(actual.views, expected.views, "views, {what}");
    assert_eq!(actual.names, expected.names, "names, {what}");
    assert_eq!(actual.late, expected.late, "late samples, {what}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn every_view_equals_the_oracle(ticks in ticks()) {
        check(&ticks);
    }

    #[test]
    fn taking_everything_twice_changes_nothing_but_the_late_count(ticks in ticks()) {
        let twice: Vec<_> = ticks.iter().map(Tick::twice).collect();
        let (once, twice) = (run(&ticks, 2), run(&twice, 2));
        prop_assert_eq!(once.records, twice.records);
        prop_assert_eq!(once.results, twice.results);
        prop_assert_eq!(once.leaderboard, twice.leaderboard);
        prop_assert_eq!(once.views, twice.views);
    }
}

#[test]
fn a_ride_is_told_of_at_the_second_when_it_is_over() {
    let (changes, told) = mpsc::channel();
    timely::execute_directly(move |worker| {
        let mut input = InputHandle::new();
        worker.dataflow(|scope| {
            let samples = output(input.to_stream(scope), RULES.into());
            rides(samples, empty(scope), empty(scope), RULES, Mode::Replay { until: u64::MAX })
                .capture_into(changes);
        });
        input.advance_to(1_600);
        input.send(sample(1_500, 4));
        input.advance_to(30_000);
        input.send(sample(29_000, 5));
    });
    let results: Vec<_> = told
        .extract()
        .into_iter()
        .flat_map(|(time, changes)| changes.into_iter().map(move |change| (time, change)))
        .filter_map(|(time, change)| match change {
            Change::Result(_, (_, result), diff) => Some((time, result.seconds, diff)),
            _ => None,
        })
        .collect();
    // 1,500 ms and the 6 seconds left and 3 of grace, rounded up; then it is repaired.
    assert_eq!(results, [(11_000, 1, 1), (30_000, 1, -1), (30_000, 2, 1)]);
}

fn sample(clock: u64, second: u16) -> Sample {
    Sample {
        clock,
        race: 1,
        device_ms: clock,
        cadence: 60.0,
        resistance: 40.0,
        name: None,
        device: 0,
        racer: 1,
        class: 1,
        second,
        is_final: false,
    }
}

#[test]
fn a_project_that_was_only_watched_for_no_time_is_there() {
    let event =
        Tracking { clock: 1, uuid: 1, project: "project-0".into(), duration_ms: 0, is_view: false };
    let tick = Tick { time: 1, samples: Vec::new(), tracking: vec![(0, event)] };
    assert_eq!(run(slice::from_ref(&tick), 1).views.len(), 1);
    check(&[tick]);
}

#[test]
fn a_stream_without_events_has_no_results() {
    check(&[]);
}
