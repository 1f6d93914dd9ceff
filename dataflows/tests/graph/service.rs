//! The graph as a service runs it: queried while events arrive, and resumed from a checkpoint.

use proptest::prelude::*;
use velodrome_dataflows::EVENT_LAG_MS_MAX;

use super::oracle::service;
use super::outcome::assert_answers_equal;
use super::service_run::{Run, query_times, resumes_after, run, saved_until};
use super::stream::{split, ticks};

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_of_their_time(ticks in ticks()) {
        let ticks = split(&ticks);
        let times = query_times(&ticks);
        for workers in [1, 2, 4] {
            let all = Run { ticks: ticks.clone(), query_times: times.clone(), ..Run::default() };
            let (answered, _) = run(&all, workers);
            for (at, actual) in times.iter().zip(&answered) {
                let context = format!("at {at}, {workers} workers");
                assert_answers_equal(actual, &service(&ticks, *at), &context);
            }
            // Rides expire without further events, one step after their time has passed.
            let (last, end) = (answered.last().unwrap(), times[times.len() - 2]);
            let expired = service(&ticks, end - EVENT_LAG_MS_MAX).expired;
            assert!(expired.iter().all(|ride| !last.results.contains_key(ride)), "{last:?}");
        }
    }

    #[test]
    fn a_checkpoint_and_the_events_after_it_give_the_same_state(
        ticks in ticks(),
        cut in any::<prop::sample::Index>(),
        workers in prop::sample::select(vec![(1, 4), (2, 1), (4, 2)]),
    ) {
        let ticks = split(&ticks);
        let times = query_times(&ticks);
        let (complete, end) = (times[cut.index(times.len())], times[times.len() - 1]);
        let first = Run { ticks: ticks.clone(), query_times: vec![complete], ..Run::default() };
        let (_, emitted) = run(&first, workers.0);
        let saved = saved_until(emitted, complete);
        let resumes_after = resumes_after(complete);
        let second = Run {
            ticks: ticks.iter().filter(|tick| tick.time > resumes_after).cloned().collect(),
            saved,
            query_times: vec![end],
            ..Run::default()
        };
        let (answered, _) = run(&second, workers.1);
        assert_answers_equal(&answered[0], &service(&ticks, end), &format!("cut at {complete}"));
    }
}
