//! Results as of a time: as if the stream had ended there, without the rides that were still running.

use proptest::prelude::*;
use velodrome_dataflows::RETENTION_MS;

use super::oracle::as_of;
use super::outcome::{assert_answers_equal, assert_equal};
use super::replay_run::run_until;
use super::service_run::{Run, query_times, run};
use super::stream::{RULES, split, ticks};

proptest! {
    #![proptest_config(ProptestConfig { cases: 25, ..ProptestConfig::default() })]

    #[test]
    fn equal_the_oracle_at_and_between_the_clocks(
        ticks in ticks(),
        workers in prop::sample::select(vec![1, 2, 4]),
    ) {
        let clocks = ticks.iter().flat_map(|tick| tick.samples.first()).map(|(_, s)| s.clock);
        // Around the close of a ride, which happens at whole seconds, and in the middle of a tick.
        let around = |clock: u64| {
            let closes_at = (clock + 12_000).next_multiple_of(1000);
            [clock - 1, clock, closes_at - 1, closes_at]
        };
        let times: Vec<_> = ticks.iter().map(|tick| tick.time).chain(clocks.flat_map(around)).collect();
        for at in times.iter().step_by(3) {
            let context = format!("as of {at}");
            assert_equal(&run_until(&ticks, *at, workers), &as_of(&ticks, &RULES, *at), &context);
        }
    }

    #[test]
    fn equal_what_a_service_answers_at_that_time(
        ticks in ticks(),
        workers in prop::sample::select(vec![1, 2, 4]),
    ) {
        let ticks = split(&ticks);
        let (first, times) = (ticks.first().map_or(0, |tick| tick.time), query_times(&ticks));
        // After the retention, a service removes results.
        let times: Vec<_> = times.into_iter().filter(|at| *at < first + RETENTION_MS).collect();
        prop_assume!(!times.is_empty());
        let service = Run { ticks: ticks.clone(), query_times: times.clone(), ..Run::default() };
        let (answered, _) = run(&service, workers);
        for (at, answered) in times.iter().zip(answered) {
            let context = format!("as of {at}");
            assert_answers_equal(&run_until(&ticks, *at, workers), &answered, &context);
        }
    }
}
