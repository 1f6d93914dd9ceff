//! A replay of all events: its results are the oracle's.

use std::slice;
use std::sync::mpsc;

use proptest::prelude::*;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::Capture;
use timely::dataflow::operators::capture::Extract;
use timely::dataflow::operators::generic::operator::empty;
use velodrome_dataflows::{Change, Mode, Sample, Tracking, output, rides};

use super::oracle::oracle;
use super::outcome::assert_equal;
use super::replay_run::run;
use super::stream::{RULES, Tick, ticks};

fn check(ticks: &[Tick]) {
    let expected = oracle(ticks);
    for workers in [1, 2, 4] {
        assert_equal(&run(ticks, workers), &expected, &format!("{workers} workers"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn results_equal_the_oracle(ticks in ticks()) {
        check(&ticks);
    }

    #[test]
    fn sending_every_event_twice_changes_only_the_late_count(ticks in ticks()) {
        let twice: Vec<_> = ticks.iter().map(Tick::twice).collect();
        let (once, twice) = (run(&ticks, 2), run(&twice, 2));
        prop_assert_eq!(once.records, twice.records);
        prop_assert_eq!(once.results, twice.results);
        prop_assert_eq!(once.leaderboard, twice.leaderboard);
        prop_assert_eq!(once.views, twice.views);
    }
}

#[test]
fn a_result_is_emitted_at_the_second_when_the_ride_closes() {
    let (sender, changes) = mpsc::channel();
    timely::execute_directly(move |worker| {
        let mut input = InputHandle::new();
        worker.dataflow(|scope| {
            let samples = output(input.to_stream(scope), RULES.into());
            rides(samples, empty(scope), empty(scope), RULES, Mode::Replay { until: u64::MAX })
                .capture_into(sender);
        });
        input.advance_to(1_600);
        input.send(sample(1_500, 4));
        input.advance_to(30_000);
        input.send(sample(29_000, 5));
    });
    let results: Vec<_> = changes
        .extract()
        .into_iter()
        .flat_map(|(time, changes)| changes.into_iter().map(move |change| (time, change)))
        .filter_map(|(time, change)| match change {
            Change::Result(_, (_, result), diff) => Some((time, result.seconds, diff)),
            _ => None,
        })
        .collect();
    // 1,500 ms, the remaining 6 seconds and 3 of grace, rounded up. The second sample repairs it.
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
        device_hash: 0,
        racer: 1,
        class: 1,
        second,
        is_final: false,
    }
}

#[test]
fn a_project_watched_for_zero_ms_is_listed() {
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
