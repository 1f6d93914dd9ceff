//! Results as of a time: as if the stream had ended there, but for the rides that still ran.

use proptest::prelude::*;
use velodrome_dataflows::RETENTION_MS;

use super::equal;
use super::live::{Run, run, same, split, times};
use super::oracle::as_of;
use super::run::run_until;
use super::stream::{RULES, ticks};

proptest! {
    #![proptest_config(ProptestConfig { cases: 25, ..ProptestConfig::default() })]

    #[test]
    fn they_are_the_oracles_at_and_between_the_clocks(ticks in ticks(), workers in prop::sample::select(vec![1, 2, 4])) {
        let clocks = ticks.iter().flat_map(|tick| tick.samples.first()).map(|(_, s)| s.clock);
        // Around the end of a ride, which is told by whole seconds, and in the middle of a tick.
        let around = |clock: u64| {
            let due = (clock + 12_000).next_multiple_of(1000);
            [clock - 1, clock, due - 1, due]
        };
        let times: Vec<_> = ticks.iter().map(|tick| tick.time).chain(clocks.flat_map(around)).collect();
        for at in times.iter().step_by(3) {
            equal(&run_until(&ticks, *at, workers), &as_of(&ticks, &RULES, *at), &format!("as of {at}"));
        }
    }

    #[test]
    fn they_are_what_a_service_answers_at_that_time(ticks in ticks(), workers in prop::sample::select(vec![1, 2, 4])) {
        let ticks = split(&ticks);
        let (first, asked) = (ticks.first().map_or(0, |tick| tick.time), times(&ticks));
        // A service lets go of results after that.
        let asked: Vec<_> = asked.into_iter().filter(|at| *at < first + RETENTION_MS).collect();
        prop_assume!(!asked.is_empty());
        let (held, _) = run(&Run { ticks: ticks.clone(), asked: asked.clone(), ..Run::default() }, workers);
        for (at, answered) in asked.iter().zip(held) {
            same(&run_until(&ticks, *at, workers), &answered, &format!("as of {at}"));
        }
    }
}
