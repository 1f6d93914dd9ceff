//! Bans against a model without the banned racers.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::Index;
use velodrome_dataflows::{Ban, Change, RideKey, Stage};

use super::oracle::service;
use super::outcome::{Outcome, assert_answers_equal};
use super::service_run::{Run, query_times, resumes_after, run, saved_until};
use super::stream::{Tick, split, ticks};

/// Bans and their ends in turn for each racer, each at a tick's time or 1 ms before or after, ascending.
fn turns(turns: &[(Index, u64, u32)], ticks: &[Tick]) -> Vec<(u64, Ban)> {
    let time = |at: &Index| at.get(ticks).time;
    let mut turns: Vec<_> =
        turns.iter().map(|(at, after, racer)| (time(at) + after - 1, *racer)).collect();
    turns.sort_by_key(|(time, _)| *time);
    let mut banned = BTreeSet::new();
    let turn = |(time, racer)| {
        let is_banned = !banned.remove(&racer) && banned.insert(racer);
        (time, Ban { racer, is_banned })
    };
    turns.into_iter().map(turn).collect()
}

/// The racers who are banned at `at`.
fn banned(bans: &[(u64, Ban)], at: u64) -> BTreeSet<u32> {
    let mut banned = BTreeSet::new();
    for (_, ban) in bans.iter().filter(|(time, _)| *time <= at) {
        match ban.is_banned {
            true => assert!(banned.insert(ban.racer)),
            false => assert!(banned.remove(&ban.racer)),
        }
    }
    banned
}

/// The state of a service at `at` that never received samples of the racers who are banned then.
fn without_banned(ticks: &[Tick], bans: &[(u64, Ban)], at: u64) -> Outcome {
    let banned = banned(bans, at);
    let mut ticks = ticks.to_vec();
    for tick in &mut ticks {
        tick.samples.retain(|(_, sample)| !banned.contains(&sample.racer));
    }
    service(&ticks, at)
}

/// The stage of each ride at `at`, from the emitted changes. A running one has all of its outputs.
fn stages(changes: &[(u64, Change)], at: u64) -> BTreeMap<RideKey, Stage> {
    let mut stages = BTreeMap::new();
    // A stable sort: all changes of a ride are emitted by one worker, in order.
    let mut changes: Vec<_> = changes.iter().filter(|(time, _)| *time <= at).collect();
    changes.sort_by_key(|(time, _)| *time);
    for (_, change) in changes {
        match change {
            Change::Stage(ride, Stage::Expired) => {
                assert!(stages.remove(ride).is_some(), "{ride:?} expired before any other stage");
            }
            Change::Stage(ride, stage) => {
                let (before, mut stage) = (stages.remove(ride), stage.clone());
                let finished_before = matches!(before, Some(Stage::Finished { .. }));
                assert!(!finished_before, "{ride:?} finished twice");
                if let (Some(Stage::Running(_, all)), Stage::Running(_, changed)) =
                    (before, &mut stage)
                {
                    let mut outputs: BTreeMap<_, _> = all.into_iter().collect();
                    outputs.extend(changed.drain(..));
                    changed.extend(outputs);
                }
                stages.insert(*ride, stage);
            }
            _ => {}
        }
    }
    stages
}

/// Asserts that answers and stages at `at` are those of a service without the racers who are banned
/// then. Names are answered for banned racers too.
fn check(
    answered: &Outcome,
    changes: &[(u64, Change)],
    at: u64,
    (ticks, bans): (&[Tick], &[(u64, Ban)]),
    context: &str,
) {
    let names = service(ticks, at).names;
    let expected = Outcome { names, ..without_banned(ticks, bans, at) };
    assert_answers_equal(answered, &expected, context);
    let (mut running, mut finished) = (BTreeMap::new(), BTreeSet::new());
    for (ride, stage) in stages(changes, at) {
        match stage {
            Stage::Running(standing, all) => drop(running.insert(ride, (standing, all))),
            _ => drop(finished.insert(ride)),
        }
    }
    assert_eq!(running, expected.running, "running rides, {context}");
    finished.retain(|ride| !expected.expired.contains(ride));
    let is_equal = finished.iter().eq(expected.results.keys());
    assert!(is_equal, "finished rides, {context}: {finished:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn at_each_time_banned_racers_are_as_if_they_had_never_ridden(
        ticks in ticks(),
        turned in prop::collection::vec((any::<Index>(), 0..3u64, 0..4u32), 0..12),
    ) {
        let ticks = split(&ticks);
        prop_assume!(!ticks.is_empty());
        let (times, bans) = (query_times(&ticks), turns(&turned, &ticks));
        for workers in [1, 2, 4] {
            let all = Run {
                ticks: ticks.clone(),
                bans: bans.clone(),
                query_times: times.clone(),
                ..Run::default()
            };
            let (answered, (changes, _)) = run(&all, workers);
            for (at, answered) in times.iter().zip(&answered) {
                let context = format!("at {at}, {workers} workers, {bans:?}");
                check(answered, &changes, *at, (&ticks, &bans), &context);
            }
        }
    }

    #[test]
    fn bans_apply_to_what_a_checkpoint_saved(
        ticks in ticks(),
        turned in prop::collection::vec((any::<Index>(), 0..3u64, 0..4u32), 1..12),
        cut in any::<Index>(),
        workers in prop::sample::select(vec![(1, 4), (2, 1), (4, 2)]),
    ) {
        let ticks = split(&ticks);
        prop_assume!(!ticks.is_empty());
        let (times, bans) = (query_times(&ticks), turns(&turned, &ticks));
        let complete = *cut.get(&times);
        let first = Run {
            ticks: ticks.clone(),
            bans: bans.clone(),
            query_times: vec![complete],
            ..Run::default()
        };
        let (_, emitted) = run(&first, workers.0);
        let from_start = banned(&bans, complete);
        let from_start = from_start.iter().map(|racer| (0, Ban { racer: *racer, is_banned: true }));
        let later = bans.iter().filter(|(time, _)| *time > complete).copied();
        let bans: Vec<_> = from_start.chain(later).collect();
        let resumes_after = resumes_after(complete);
        let second = Run {
            ticks: ticks.iter().filter(|tick| tick.time > resumes_after).cloned().collect(),
            saved: saved_until(emitted, complete),
            bans: bans.clone(),
            query_times: times.into_iter().filter(|at| *at >= complete).collect(),
        };
        let (answered, (changes, _)) = run(&second, workers.1);
        for (at, answered) in second.query_times.iter().zip(&answered) {
            let context = format!("cut at {complete}, at {at}, {bans:?}");
            check(answered, &changes, *at, (&ticks, &bans), &context);
        }
    }
}
