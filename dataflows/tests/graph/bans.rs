//! Bans against a model that never had the racers.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::Index;
use velodrome_dataflows::{Ban, Change, RideKey, Stage};

use super::live::{Run, again, run, same, saved, split, times};
use super::oracle::{Expected, service};
use super::stream::{Tick, ticks};

/// Bans and their ends by turns, each at one of the ticks, or just before or behind it, ascending.
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

/// Who is banned at `at`.
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

/// What a service holds at `at` that never had the racers who are banned then.
fn without(ticks: &[Tick], bans: &[(u64, Ban)], at: u64) -> Expected {
    let banned = banned(bans, at);
    let mut ticks = ticks.to_vec();
    for tick in &mut ticks {
        tick.samples.retain(|(_, sample)| !banned.contains(&sample.racer));
    }
    service(&ticks, at)
}

/// Where each ride stands at `at`, by what was told of it; a running one with all of its outputs.
fn stages(changes: &[(u64, Change)], at: u64) -> BTreeMap<RideKey, Stage> {
    let mut stages = BTreeMap::new();
    // Of one time in the order of each ride's changes, which all come from one worker.
    let mut changes: Vec<_> = changes.iter().filter(|(time, _)| *time <= at).collect();
    changes.sort_by_key(|(time, _)| *time);
    for (_, change) in changes {
        match change {
            Change::Stage(ride, Stage::Forgotten) => {
                assert!(stages.remove(ride).is_some(), "{ride:?} was never told of");
            }
            Change::Stage(ride, stage) => {
                let (before, mut stage) = (stages.remove(ride), stage.clone());
                assert!(!matches!(before, Some(Stage::Over { .. })), "{ride:?} is over twice");
                if let (Some(Stage::Running(_, all)), Stage::Running(_, moved)) =
                    (before, &mut stage)
                {
                    let mut outputs: BTreeMap<_, _> = all.into_iter().collect();
                    outputs.extend(moved.drain(..));
                    moved.extend(outputs);
                }
                stages.insert(*ride, stage);
            }
            _ => {}
        }
    }
    stages
}

/// Holds answers and stages at `at` against a service without the racers who are banned then. Names
/// are told of whoever is asked for.
fn check(
    held: &Expected,
    changes: &[(u64, Change)],
    at: u64,
    (ticks, bans): (&[Tick], &[(u64, Ban)]),
    what: &str,
) {
    let expected = Expected { names: service(ticks, at).names, ..without(ticks, bans, at) };
    same(held, &expected, what);
    let (mut running, mut over) = (BTreeMap::new(), BTreeSet::new());
    for (ride, stage) in stages(changes, at) {
        match stage {
            Stage::Running(standing, all) => drop(running.insert(ride, (standing, all))),
            _ => drop(over.insert(ride)),
        }
    }
    assert_eq!(running, expected.running, "running rides, {what}");
    over.retain(|ride| !expected.aged.contains(ride));
    assert!(over.iter().eq(expected.results.keys()), "rides that are over, {what}: {over:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn at_each_time_all_is_as_if_those_banned_had_never_been(
        ticks in ticks(),
        turned in prop::collection::vec((any::<Index>(), 0..3u64, 0..4u32), 0..12),
    ) {
        let ticks = split(&ticks);
        prop_assume!(!ticks.is_empty());
        let (asked, bans) = (times(&ticks), turns(&turned, &ticks));
        for workers in [1, 2, 4] {
            let all = Run { ticks: ticks.clone(), bans: bans.clone(), asked: asked.clone(), ..Run::default() };
            let (held, (changes, _)) = run(&all, workers);
            for (at, held) in asked.iter().zip(&held) {
                let what = format!("at {at}, {workers} workers, {bans:?}");
                check(held, &changes, *at, (&ticks, &bans), &what);
            }
        }
    }

    #[test]
    fn bans_hold_for_what_a_checkpoint_kept(
        ticks in ticks(),
        turned in prop::collection::vec((any::<Index>(), 0..3u64, 0..4u32), 1..12),
        cut in any::<Index>(),
        workers in prop::sample::select(vec![(1, 4), (2, 1), (4, 2)]),
    ) {
        let ticks = split(&ticks);
        prop_assume!(!ticks.is_empty());
        let (times, bans) = (times(&ticks), turns(&turned, &ticks));
        let complete = *cut.get(&times);
        let first = Run {
            ticks: ticks.clone(),
            bans: bans.clone(),
            asked: vec![complete],
            ..Run::default()
        };
        let (_, kept) = run(&first, workers.0);
        let from_start = banned(&bans, complete);
        let from_start = from_start.iter().map(|racer| (0, Ban { racer: *racer, is_banned: true }));
        let later = bans.iter().filter(|(time, _)| *time > complete).copied();
        let bans: Vec<_> = from_start.chain(later).collect();
        let second = Run {
            ticks: ticks.iter().filter(|tick| tick.time > again(complete)).cloned().collect(),
            restored: saved(kept, complete),
            bans: bans.clone(),
            asked: times.into_iter().filter(|at| *at >= complete).collect(),
        };
        let (held, (changes, _)) = run(&second, workers.1);
        for (at, held) in second.asked.iter().zip(&held) {
            let what = format!("cut at {complete}, at {at}, {bans:?}");
            check(held, &changes, *at, (&ticks, &bans), &what);
        }
    }
}
