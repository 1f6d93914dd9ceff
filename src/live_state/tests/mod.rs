//! Tests the live state against a model with random changes, and in special cases.

mod model;

use std::collections::BTreeSet;

use compact_str::CompactString;
use hashbrown::HashSet;
use proptest::prelude::*;
use velodrome_dataflows::{ClassId, Output, RaceId, RacerId, RideKey, Stage, Standing, ViewCount};

use super::*;
use model::{Model, next_change};

fn standing(output: f64, started_at: EventTime) -> Standing {
    // Few distinct seconds, so that rides share some.
    Standing { second: started_at as u16 % 5 + 1, output: Output(output), name: None, started_at }
}

/// A running stage whose only new output is `output`.
fn running_stage(output: f64, started_at: EventTime) -> Stage {
    let standing = standing(output, started_at);
    let outputs = vec![(standing.second, standing.output)];
    Stage::Running(standing, outputs)
}

fn running(ride: RideKey, output: f64, started_at: EventTime) -> LiveChange {
    LiveChange::Stage(ride, running_stage(output, started_at))
}

fn finished(ride: RideKey, started_at: EventTime) -> LiveChange {
    LiveChange::Stage(ride, Stage::Finished { started_at })
}

/// Checks everything that `state` returns against `model`.
fn check(state: &LiveTables, model: &Model, limit: usize) -> Result<(), TestCaseError> {
    let mut running = state.running_races();
    running.sort_unstable();
    let expected = (1..4).filter_map(|class| Some((class, model.running_race(class)?)));
    prop_assert_eq!(running, expected.collect::<Vec<_>>());
    prop_assert_eq!(state.newest_versions(), model.newest_versions());
    for class in 0..4 {
        prop_assert_eq!(state.running_race(class), model.running_race(class));
        prop_assert_eq!(state.versions(class), model.versions(class));
        for race in 0..3 {
            prop_assert_eq!(state.standings(class, race), model.standings(class, race));
            prop_assert_eq!(state.median_second(class, race), model.median_second(class, race));
            prop_assert_eq!(state.race(class, race), model.race(class, race));
            check_standings_parts(state, (class, race), model.standings(class, race), limit)?;
        }
    }
    for (class, racer) in (0..4).flat_map(|class| (0..4).map(move |racer| (class, racer))) {
        let finished = state.finished_races(class, racer, limit);
        prop_assert_eq!(finished, model.finished_races(class, racer, limit));
    }
    for class in [None, Some(1), Some(2), Some(9)] {
        let mut paged: Vec<RaceSummary> = Vec::new();
        loop {
            let page = state.races(class, paged.last().map(|race| race.order), limit);
            prop_assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            paged.extend(page);
            prop_assert!(paged.len() <= 9);
        }
        prop_assert_eq!(paged, model.races(class));
    }
    let mut projects: Vec<(CompactString, ViewCount)> = Vec::new();
    loop {
        let last = projects.last().map(|(id, count)| (count.views, id.clone()));
        let page = state.projects(last.as_ref(), limit);
        prop_assert!(page.len() <= limit && projects.len() <= 3);
        if page.is_empty() {
            break;
        }
        projects.extend(page);
    }
    prop_assert!(
        state.project_list().iter().map(|row| (row.id.clone(), row.count())).eq(projects.clone())
    );
    prop_assert_eq!(projects, model.projects());
    Ok(())
}

/// Checks all pages of the standings of a race, and the rows around each racer.
fn check_standings_parts(
    state: &LiveTables,
    race: (ClassId, RaceId),
    expected: Option<Vec<(RacerId, Standing)>>,
    limit: usize,
) -> Result<(), TestCaseError> {
    let page = |last| state.standings_part(race, StandingsRows::Page { last, limit });
    let Some(expected) = expected else {
        prop_assert_eq!(page(None), None);
        return Ok(());
    };
    let better = |row: &Standing| expected.iter().filter(|(_, o)| o.output > row.output).count();
    let ranked = |(racer, row): &(RacerId, Standing)| (better(row) as u64 + 1, *racer, row.clone());
    let expected: Vec<_> = expected.iter().map(ranked).collect();
    let (mut rows, mut last) = (Vec::new(), None);
    loop {
        let part = page(last).unwrap();
        prop_assert_eq!(part.racers, expected.len());
        prop_assert!(part.rows.len() <= limit);
        rows.extend(part.rows);
        prop_assert!(rows.len() <= expected.len());
        prop_assert_eq!(part.has_more, rows.len() < expected.len());
        last = rows.last().map(|(_, racer, row): &(u64, _, Standing)| (row.output, *racer));
        if !part.has_more {
            break;
        }
    }
    prop_assert_eq!(&rows, &expected);
    for (own, (_, racer, _)) in expected.iter().enumerate() {
        let around = StandingsRows::Around { racer: *racer, window: limit };
        let part = state.standings_part(race, around).unwrap();
        let rows = own.saturating_sub(limit)..expected.len().min(own + limit + 1);
        prop_assert_eq!(&part.rows[..], &expected[rows]);
    }
    let around = StandingsRows::Around { racer: 99, window: limit };
    prop_assert_eq!(state.standings_part(race, around).unwrap().rows, vec![]);
    Ok(())
}

/// Checks that `state` reports each difference between `before` and `after`, and no ride outside `sent`.
fn check_changed(
    state: &LiveTables,
    before: &Model,
    after: &Model,
    sent: &BTreeSet<RideKey>,
) -> Result<(), TestCaseError> {
    let changed = state.take_changed();
    for ride in sent {
        let (class, race, racer) = *ride;
        prop_assert_eq!(state.standing(*ride).cloned(), after.standing(ride));
        let curve = state.curve(*ride);
        let curve = curve.map(|curve| curve.outputs().map(|(s, o)| (s, Output(o))).collect());
        prop_assert_eq!(curve, after.curves.get(ride).cloned());
        let is_changed = changed.rides.get(&(class, race)).is_some_and(|r| r.contains(&racer));
        prop_assert!(is_changed || before.standing(ride) == after.standing(ride));
        let is_changed = changed.races.contains(&(class, race));
        prop_assert!(is_changed || before.race(class, race) == after.race(class, race));
    }
    for ((class, race), racers) in &changed.rides {
        prop_assert!(racers.iter().all(|racer| sent.contains(&(*class, *race, *racer))));
    }
    for (project, count) in &after.views {
        let is_changed = changed.projects.contains(project);
        prop_assert!(is_changed || before.views.get(project) == Some(count));
    }
    prop_assert_eq!(state.take_changed(), ChangedKeys::default());
    Ok(())
}

proptest! {
    #[test]
    fn the_live_state_equals_the_model_after_each_tick(
        ticks in prop::collection::vec(
            prop::collection::vec((1..4u16, 0..3u64, 0..4u32, 0..9u8, 0..3u8, 0..50u64), 0..12),
            0..12,
        ),
        limit in 1..5usize,
    ) {
        let (live_state, mut model) = (LiveState::default(), Model::default());
        for (time, tick) in (1u64..).zip(ticks) {
            let mut changes = Vec::new();
            for (class, race, racer, choice, output, clock) in tick {
                let change = next_change(&model, (class, race, racer), choice, output, clock);
                model.apply(time, &change);
                changes.push(change);
            }
            live_state.apply(time, changes);
            let state = live_state.read();
            prop_assert_eq!(state.time(), time);
            check(&state, &model, limit)?;
        }
    }

    #[test]
    fn taken_keys_cover_all_changes_since_they_were_last_taken(
        ticks in prop::collection::vec(
            prop::collection::vec((1..3u16, 0..2u64, 0..4u32, 0..9u8, 0..3u8, 0..50u64), 0..4),
            1..12,
        ),
        takes in prop::collection::vec(any::<bool>(), 12),
    ) {
        let (live_state, mut model) = (LiveState::default(), Model::default());
        let (mut sent, mut before) = (BTreeSet::new(), Model::default());
        for ((time, tick), takes) in (1u64..).zip(ticks).zip(takes) {
            let mut changes = Vec::new();
            for (class, race, racer, choice, output, clock) in tick {
                let change = next_change(&model, (class, race, racer), choice, output, clock);
                model.apply(time, &change);
                sent.insert((class, race, racer));
                changes.push(change);
            }
            live_state.apply(time, changes);
            if takes {
                check_changed(&live_state.read(), &before, &model, &sent)?;
                sent.clear();
                before = model.clone();
            }
        }
    }
}

#[test]
fn a_race_finishes_with_its_last_ride_and_disappears_when_its_last_ride_expires() {
    let state = LiveState::default();
    let ride = |racer| (1, 7, racer);
    let expired = |racer| LiveChange::Stage(ride(racer), Stage::Expired);
    state.apply(1, vec![running(ride(1), 5.0, 10), running(ride(2), 6.0, 9)]);
    let listed = |is_running| RaceSummary { order: (9, 1, 7), is_running, racers: 2 };
    assert_eq!(state.read().races(None, None, 9), [listed(true)]);
    assert_eq!(state.read().running_race(1), Some(7));
    state.apply(2, vec![finished(ride(1), 10)]);
    assert_eq!(state.read().standings(1, 7), Some(vec![(2, standing(6.0, 9))]));
    state.apply(3, vec![finished(ride(2), 9)]);
    assert_eq!(state.read().races(Some(1), None, 9), [listed(false)]);
    assert_eq!((state.read().standings(1, 7), state.read().running_race(1)), (Some(vec![]), None));
    state.apply(4, vec![expired(1)]);
    assert_eq!(state.read().races(None, None, 9).len(), 1);
    // The last ride expires and starts again in the same tick.
    state.apply(5, vec![expired(2), running(ride(2), 1.0, 50)]);
    assert_eq!(state.read().races(None, None, 9)[0].order, (50, 1, 7));
    assert_eq!(state.read().standings(1, 7), Some(vec![(2, standing(1.0, 50))]));
    state.apply(6, vec![expired(2)]);
    assert_eq!((state.read().races(None, None, 9), state.read().race(1, 7)), (vec![], None));
}

#[test]
fn replacing_the_state_reports_every_difference() {
    let view = |n| LiveChange::Views("p".into(), ViewCount { views: n, duration_ms: 0 });
    let (state, next) = (LiveState::default(), LiveState::default());
    let over = |ride| finished(ride, 3);
    let records = [LiveChange::Records(1), LiveChange::Leaderboard(2), LiveChange::Records(3)];
    let rides = vec![over((1, 1, 1)), over((1, 1, 2)), over((1, 3, 1)), running((1, 2, 1), 5.0, 9)];
    state.apply(10, [rides, records.into(), vec![view(1), running((2, 4, 1), 7.0, 8)]].concat());
    state.read().take_changed();
    // The same in both states, but not yet taken by a reader.
    state.apply(20, vec![over((2, 5, 5))]);
    let rides = vec![over((1, 1, 2)), over((1, 3, 1)), running((1, 2, 1), 6.0, 9), over((2, 5, 5))];
    next.apply(20, [rides, vec![view(1), LiveChange::Records(1)]].concat());
    next.read().take_changed();

    state.replace_with(&next, 25);
    let state = state.read();
    assert_eq!((state.time(), state.global_version()), (25, 25));
    assert_eq!(state.standings(1, 2), Some(vec![(1, standing(6.0, 9))]));
    assert_eq!((state.standings(2, 4), state.running_race(2)), (None, None));
    let versions = Versions { records: 25, leaderboard: 25 };
    for class in 0..5 {
        assert_eq!(state.versions(class), versions);
    }
    // Class 3 has no data left, but is still listed.
    let mut classes = state.record_versions();
    classes.sort_unstable();
    assert_eq!(classes, [(1, 25), (2, 25), (3, 25)]);
    let changed = state.take_changed();
    let rides = [((1, 2), [1].into()), ((2, 4), [1].into())];
    assert_eq!(changed.rides, rides.into());
    assert_eq!(changed.races, [(1, 1), (2, 4), (2, 5)].into());
    assert_eq!(changed.projects, HashSet::new());
}
