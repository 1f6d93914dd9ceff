use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashSet;
use proptest::prelude::*;
use velodrome_dataflows::{Output, RacerId, Standing};

use super::*;

fn standing(output: f64, began: Clock) -> Standing {
    // Few seconds, so that riders share some.
    Standing { second: began as u16 % 5 + 1, output: Output(output), name: None, began }
}

/// Of which the output is news.
fn stage(output: f64, began: Clock) -> Stage {
    let standing = standing(output, began);
    let moved = vec![(standing.second, standing.output)];
    Stage::Running(standing, moved)
}

fn running(ride: RideKey, output: f64, began: Clock) -> FeedChange {
    FeedChange::Stage(ride, stage(output, began))
}

/// Every ride with its stage: all else is computed anew from that.
#[derive(Clone, Debug, Default)]
struct Model {
    rides: BTreeMap<RideKey, Stage>,
    /// The greatest output at each second of those that run.
    curves: BTreeMap<RideKey, BTreeMap<u16, Output>>,
    /// Began is kept as long as a race has riders, whoever began first.
    began: BTreeMap<(ClassId, RaceId), Clock>,
    records: BTreeMap<ClassId, Clock>,
    leaderboard: BTreeMap<ClassId, Clock>,
    bans: Clock,
    views: BTreeMap<CompactString, ViewCount>,
}

impl Model {
    fn apply(&mut self, time: Clock, change: &FeedChange) {
        if let FeedChange::Stage(ride, stage) = change {
            match stage {
                Stage::Running(_, moved) => {
                    let curve = self.curves.entry(*ride).or_default();
                    for (second, output) in moved {
                        let best = curve.entry(*second).or_insert(*output);
                        *best = *output.max(best);
                    }
                }
                _ => _ = self.curves.remove(ride),
            }
        }
        match change {
            FeedChange::Stage(ride, Stage::Forgotten) => {
                self.rides.remove(ride);
            }
            FeedChange::Stage(ride, stage) => {
                let (class, race, _) = *ride;
                let began = began(stage);
                let first = self.began.entry((class, race)).or_insert(began);
                *first = began.min(*first);
                self.rides.insert(*ride, stage.clone());
            }
            FeedChange::Records(class) => _ = self.records.insert(*class, time),
            FeedChange::Leaderboard(class) => _ = self.leaderboard.insert(*class, time),
            FeedChange::Bans => self.bans = time,
            FeedChange::Views(project, more) => {
                let count = self.views.entry(project.clone()).or_default();
                count.views += more.views;
                count.duration_ms += more.duration_ms;
            }
        }
        let races: BTreeSet<_> =
            self.rides.keys().map(|(class, race, _)| (*class, *race)).collect();
        self.began.retain(|race, _| races.contains(race));
    }

    fn of(&self, class: ClassId, race: RaceId) -> Vec<(RacerId, &Stage)> {
        let rides = self.rides.iter().filter(|((c, r, _), _)| (*c, *r) == (class, race));
        rides.map(|((_, _, racer), stage)| (*racer, stage)).collect()
    }

    fn standings(&self, class: ClassId, race: RaceId) -> Option<Vec<(RacerId, Standing)>> {
        let rides = self.of(class, race);
        let mut rows: Vec<_> = rides
            .iter()
            .filter_map(|(racer, stage)| match stage {
                Stage::Running(standing, _) => Some((*racer, standing.clone())),
                _ => None,
            })
            .collect();
        rows.sort_by_key(|(racer, standing)| (std::cmp::Reverse(standing.output), *racer));
        (!rides.is_empty()).then_some(rows)
    }

    /// All races of a class or of all, newest first.
    fn races(&self, class: Option<ClassId>) -> Vec<RaceSummary> {
        let races = self.began.iter().filter(|((of, _), _)| class.is_none_or(|class| class == *of));
        let mut races: Vec<_> = races
            .map(|((class, race), began)| RaceSummary {
                order: (*began, *class, *race),
                is_running: self.standings(*class, *race).is_some_and(|rows| !rows.is_empty()),
                racers: self.of(*class, *race).len(),
            })
            .collect();
        races.sort_by_key(|race| std::cmp::Reverse(race.order));
        races
    }

    /// The riders of a race, from the one with the greatest second on.
    fn second(&self, class: ClassId, race: RaceId) -> Option<u16> {
        let standings = self.standings(class, race)?;
        let reached = |second| standings.iter().filter(|row| row.1.second >= second).count();
        standings
            .iter()
            .map(|row| row.1.second)
            .filter(|s| 2 * reached(*s) >= standings.len())
            .max()
    }

    fn running(&self, class: ClassId) -> Option<RaceId> {
        let race = self.races(Some(class)).into_iter().find(|race| race.is_running)?;
        Some(race.order.2)
    }
}

fn began(stage: &Stage) -> Clock {
    match stage {
        Stage::Running(standing, _) => standing.began,
        Stage::Over { began } => *began,
        Stage::Forgotten => 0,
    }
}

/// What the engine could tell next, where `0..7` chooses: a ride's standing, its end, its going, or
/// something else.
fn next(model: &Model, ride: RideKey, choice: u8, output: u8, clock: Clock) -> FeedChange {
    let (class, _, _) = ride;
    let stage = match (model.rides.get(&ride), choice) {
        (_, 3) => return FeedChange::Records(class),
        (_, 4) => return FeedChange::Leaderboard(class),
        (_, 5) => return FeedChange::Bans,
        (_, 6) => {
            let count = ViewCount { views: output.into(), duration_ms: clock };
            return FeedChange::Views(format!("project-{}", ride.1).into(), count);
        }
        (None, 0) => Stage::Over { began: clock },
        (None, _) => stage(output.into(), clock),
        (Some(Stage::Running(last, _)), 0) => Stage::Over { began: last.began },
        (Some(Stage::Running(last, _)), 1 | 2) => stage(output.into(), last.began),
        (Some(_), _) => Stage::Forgotten,
    };
    FeedChange::Stage(ride, stage)
}

proptest! {
    #[test]
    fn show_what_a_plain_list_of_rides_shows(
        ticks in prop::collection::vec(
            prop::collection::vec((1..4u16, 0..3u64, 0..4u32, 0..9u8, 0..3u8, 0..50u64), 0..12),
            0..12,
        ),
        limit in 1..5usize,
    ) {
        let (feeds, mut model) = (Feeds::default(), Model::default());
        for (time, tick) in (1u64..).zip(ticks) {
            let mut changes = Vec::new();
            for (class, race, racer, choice, output, clock) in tick {
                let change = next(&model, (class, race, racer), choice, output, clock);
                model.apply(time, &change);
                changes.push(change);
            }
            feeds.apply(time, changes);
            let feeds = feeds.live();
            prop_assert_eq!(feeds.time(), time);
            let mut by_class = feeds.running_by_class();
            by_class.sort_unstable();
            let expected = (1..4).filter_map(|class| Some((class, model.running(class)?)));
            prop_assert_eq!(by_class, expected.collect::<Vec<_>>());
            let newest = Versions {
                records: model.records.values().copied().max().unwrap_or(0).max(model.bans),
                leaderboard: model.leaderboard.values().copied().max().unwrap_or(0).max(model.bans),
            };
            prop_assert_eq!(feeds.newest_versions(), newest);
            for class in 0..4 {
                prop_assert_eq!(feeds.running(class), model.running(class));
                let versions = Versions {
                    records: model.records.get(&class).copied().unwrap_or(0).max(model.bans),
                    leaderboard: model.leaderboard.get(&class).copied().unwrap_or(0).max(model.bans),
                };
                prop_assert_eq!(feeds.versions(class), versions);
                for race in 0..3 {
                    prop_assert_eq!(feeds.standings(class, race), model.standings(class, race));
                    prop_assert_eq!(feeds.second(class, race), model.second(class, race));
                    let mut listed = model.races(None).into_iter();
                    let expected = listed.find(|r| (r.order.1, r.order.2) == (class, race));
                    prop_assert_eq!(feeds.race(class, race), expected);
                }
            }
            for class in [None, Some(1), Some(2), Some(9)] {
                let mut paged: Vec<RaceSummary> = Vec::new();
                loop {
                    let behind = paged.last().map(|race| race.order);
                    let page = feeds.races(class, behind, limit);
                    prop_assert!(page.len() <= limit);
                    if page.is_empty() {
                        break;
                    }
                    paged.extend(page);
                    prop_assert!(paged.len() <= 9);
                }
                prop_assert_eq!(paged, model.races(class));
            }
            let projects: BTreeMap<_, _> = feeds.projects().map(|(id, n)| (id.clone(), *n)).collect();
            prop_assert_eq!(&projects, &model.views);
        }
    }

    #[test]
    fn tell_all_that_changed_since_they_were_asked_and_no_more_than_was_told(
        ticks in prop::collection::vec(
            prop::collection::vec((1..3u16, 0..2u64, 0..4u32, 0..9u8, 0..3u8, 0..50u64), 0..4),
            1..12,
        ),
        asked in prop::collection::vec(any::<bool>(), 12),
    ) {
        let (feeds, mut model) = (Feeds::default(), Model::default());
        let (mut told, mut before) = (BTreeSet::new(), Model::default());
        for ((time, tick), asked) in (1u64..).zip(ticks).zip(asked) {
            let mut changes = Vec::new();
            for (class, race, racer, choice, output, clock) in tick {
                let change = next(&model, (class, race, racer), choice, output, clock);
                model.apply(time, &change);
                told.insert((class, race, racer));
                changes.push(change);
            }
            feeds.apply(time, changes);
            if !asked {
                continue;
            }
            let feeds = feeds.live();
            let touched = feeds.take_touched();
            let running = |model: &Model, ride| match model.rides.get(ride) {
                Some(Stage::Running(standing, _)) => Some(standing.clone()),
                _ => None,
            };
            for ride in &told {
                let (class, race, racer) = *ride;
                prop_assert_eq!(feeds.standing(*ride).cloned(), running(&model, ride));
                let curve = feeds.curve(*ride).map(|curve| curve.outputs().map(|(s, o)| (s, Output(o))));
                prop_assert_eq!(curve.map(Iterator::collect), model.curves.get(ride).cloned());
                let is_touched = touched.rides.get(&(class, race)).is_some_and(|r| r.contains(&racer));
                prop_assert!(is_touched || running(&before, ride) == running(&model, ride));
                let summary = |model: &Model| {
                    model.races(None).into_iter().find(|r| (r.order.1, r.order.2) == (class, race))
                };
                let is_touched = touched.races.contains(&(class, race));
                prop_assert!(is_touched || summary(&before) == summary(&model));
            }
            let rides = touched.rides.iter().flat_map(|((class, race), racers)| {
                racers.iter().map(move |racer| (*class, *race, *racer))
            });
            prop_assert!(rides.into_iter().all(|ride| told.contains(&ride)));
            for (project, count) in &model.views {
                let is_touched = touched.projects.contains(project);
                prop_assert!(is_touched || before.views.get(project) == Some(count));
            }
            prop_assert_eq!(feeds.take_touched(), Touched::default());
            told.clear();
            before = model.clone();
        }
    }
}

#[test]
fn a_race_is_over_with_its_last_ride_and_goes_with_the_last_that_is_forgotten() {
    let feeds = Feeds::default();
    let ride = |racer| (1, 7, racer);
    feeds.apply(1, vec![running(ride(1), 5.0, 10), running(ride(2), 6.0, 9)]);
    let listed = |is_running| RaceSummary { order: (9, 1, 7), is_running, racers: 2 };
    assert_eq!(feeds.live().races(None, None, 9), [listed(true)]);
    assert_eq!(feeds.live().running(1), Some(7));
    let over = |racer, began| FeedChange::Stage(ride(racer), Stage::Over { began });
    feeds.apply(2, vec![over(1, 10)]);
    assert_eq!(feeds.live().standings(1, 7), Some(vec![(2, standing(6.0, 9))]));
    feeds.apply(3, vec![over(2, 9)]);
    assert_eq!(feeds.live().races(Some(1), None, 9), [listed(false)]);
    assert_eq!((feeds.live().standings(1, 7), feeds.live().running(1)), (Some(vec![]), None));
    feeds.apply(4, vec![FeedChange::Stage(ride(1), Stage::Forgotten)]);
    assert_eq!(feeds.live().races(None, None, 9).len(), 1);
    // In one tick a ride is forgotten and begins anew.
    feeds.apply(5, vec![FeedChange::Stage(ride(2), Stage::Forgotten), running(ride(2), 1.0, 50)]);
    assert_eq!(feeds.live().races(None, None, 9)[0].order, (50, 1, 7));
    assert_eq!(feeds.live().standings(1, 7), Some(vec![(2, standing(1.0, 50))]));
}

#[test]
fn what_takes_their_place_is_told_where_it_is_another() {
    let view = |n| FeedChange::Views("p".into(), ViewCount { views: n, duration_ms: 0 });
    let (feeds, next) = (Feeds::default(), Feeds::default());
    let over = |ride| FeedChange::Stage(ride, Stage::Over { began: 3 });
    let records = [FeedChange::Records(1), FeedChange::Leaderboard(2), FeedChange::Records(3)];
    let rides = vec![over((1, 1, 1)), over((1, 1, 2)), over((1, 3, 1)), running((1, 2, 1), 5.0, 9)];
    feeds.apply(10, [rides, records.into(), vec![view(1), running((2, 4, 1), 7.0, 8)]].concat());
    feeds.live().take_touched();
    // Seen by nobody yet, and the same in both.
    feeds.apply(20, vec![over((2, 5, 5))]);
    let rides = vec![over((1, 1, 2)), over((1, 3, 1)), running((1, 2, 1), 6.0, 9), over((2, 5, 5))];
    next.apply(20, [rides, vec![view(1), FeedChange::Records(1)]].concat());
    next.live().take_touched();

    feeds.succeed(&next, 25);
    let live = feeds.live();
    assert_eq!((live.time(), live.all_version()), (25, 25));
    assert_eq!(live.standings(1, 2), Some(vec![(1, standing(6.0, 9))]));
    assert_eq!((live.standings(2, 4), live.running(2)), (None, None));
    let versions = Versions { records: 25, leaderboard: 25 };
    for class in 0..5 {
        assert_eq!(live.versions(class), versions);
    }
    // Also of a class of which nothing is left.
    let mut classes = live.record_versions();
    classes.sort_unstable();
    assert_eq!(classes, [(1, 25), (2, 25), (3, 25)]);
    let touched = live.take_touched();
    let rides = [((1, 2), [1].into()), ((2, 4), [1].into())];
    assert_eq!(touched.rides, rides.into());
    assert_eq!(touched.races, [(1, 1), (2, 4), (2, 5)].into());
    assert_eq!(touched.projects, HashSet::new());
}
