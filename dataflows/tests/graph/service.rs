//! The graph as a service runs it: asked while events come, and gone on with from a checkpoint.

use proptest::prelude::*;
use velodrome_dataflows::SPAN_MS;

use super::live::{Run, again, run, same, saved, split, times};
use super::oracle::service;
use super::stream::ticks;

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_those_of_their_time(ticks in ticks()) {
        let ticks = split(&ticks);
        let asked = times(&ticks);
        for workers in [1, 2, 4] {
            let all = Run { ticks: ticks.clone(), asked: asked.clone(), ..Run::default() };
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
        let first = Run { ticks: ticks.clone(), asked: vec![complete], ..Run::default() };
        let (_, kept) = run(&first, workers.0);
        let restored = saved(kept, complete);
        let second = Run {
            ticks: ticks.iter().filter(|tick| tick.time > again(complete)).cloned().collect(),
            restored,
            asked: vec![end],
            ..Run::default()
        };
        let (held, _) = run(&second, workers.1);
        same(&held[0], &service(&ticks, end), &format!("cut at {complete}"));
    }
}
