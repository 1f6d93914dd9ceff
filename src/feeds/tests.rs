use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use velodrome_dataflows::Output;

use super::*;

fn standing(output: f64, began: Clock) -> Standing {
    Standing { second: 1, output: Output(output), name: None, began }
}

fn running(ride: RideKey, output: f64, began: Clock) -> FeedChange {
    FeedChange::Stage(ride, Stage::Running(standing(output, began)))
}

/// Every ride with its stage: all else is computed anew from that.
#[derive(Debug, Default)]
struct Model {
    rides: BTreeMap<RideKey, Stage>,
    /// Began is kept as long as a race has riders, whoever began first.
    began: BTreeMap<(ClassId, RaceId), Clock>,
    records: BTreeMap<ClassId, Clock>,
    leaderboard: BTreeMap<ClassId, Clock>,
}

impl Model {
    fn apply(&mut self, time: Clock, change: &FeedChange) {
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
                Stage::Running(standing) => Some((*racer, standing.clone())),
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

    fn running(&self, class: ClassId) -> Option<RaceId> {
        let race = self.races(Some(class)).into_iter().find(|race| race.is_running)?;
        Some(race.order.2)
    }
}

fn began(stage: &Stage) -> Clock {
    match stage {
        Stage::Running(standing) => standing.began,
        Stage::Over { began } => *began,
        Stage::Forgotten => 0,
    }
}

/// What the engine could tell next of a ride, where `0..4` chooses: standings, its end, its going.
fn next(model: &Model, ride: RideKey, choice: u8, output: u8, clock: Clock) -> FeedChange {
    let (class, _, _) = ride;
    let stage = match (model.rides.get(&ride), choice) {
        (_, 3) => return FeedChange::Records(class),
        (_, 4) => return FeedChange::Leaderboard(class),
        (None, 0) => Stage::Over { began: clock },
        (None, _) => Stage::Running(standing(output.into(), clock)),
        (Some(Stage::Running(last)), 0) => Stage::Over { began: last.began },
        (Some(Stage::Running(last)), _) => Stage::Running(standing(output.into(), last.began)),
        (Some(_), _) => Stage::Forgotten,
    };
    FeedChange::Stage(ride, stage)
}

proptest! {
    #[test]
    fn show_what_a_plain_list_of_rides_shows(
        ticks in prop::collection::vec(
            prop::collection::vec((1..4u16, 0..3u64, 0..4u32, 0..6u8, 0..3u8, 0..50u64), 0..12),
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
            let mut by_class = feeds.running_by_class();
            by_class.sort_unstable();
            let expected = (1..4).filter_map(|class| Some((class, model.running(class)?)));
            prop_assert_eq!(by_class, expected.collect::<Vec<_>>());
            let newest = Versions {
                records: model.records.values().copied().max().unwrap_or(0),
                leaderboard: model.leaderboard.values().copied().max().unwrap_or(0),
            };
            prop_assert_eq!(feeds.newest_versions(), newest);
            for class in 0..4 {
                prop_assert_eq!(feeds.running(class), model.running(class));
                let versions = Versions {
                    records: model.records.get(&class).copied().unwrap_or(0),
                    leaderboard: model.leaderboard.get(&class).copied().unwrap_or(0),
                };
                prop_assert_eq!(feeds.versions(class), versions);
                for race in 0..3 {
                    prop_assert_eq!(feeds.standings(class, race), model.standings(class, race));
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
        }
    }
}

#[test]
fn a_race_is_over_with_its_last_ride_and_goes_with_the_last_that_is_forgotten() {
    let feeds = Feeds::default();
    let ride = |racer| (1, 7, racer);
    feeds.apply(1, vec![running(ride(1), 5.0, 10), running(ride(2), 6.0, 9)]);
    let listed = |is_running| RaceSummary { order: (9, 1, 7), is_running, racers: 2 };
    assert_eq!(feeds.races(None, None, 9), [listed(true)]);
    assert_eq!(feeds.running(1), Some(7));
    let over = |racer, began| FeedChange::Stage(ride(racer), Stage::Over { began });
    feeds.apply(2, vec![over(1, 10)]);
    assert_eq!(feeds.standings(1, 7), Some(vec![(2, standing(6.0, 9))]));
    feeds.apply(3, vec![over(2, 9)]);
    assert_eq!(feeds.races(Some(1), None, 9), [listed(false)]);
    assert_eq!((feeds.standings(1, 7), feeds.running(1)), (Some(vec![]), None));
    feeds.apply(4, vec![FeedChange::Stage(ride(1), Stage::Forgotten)]);
    assert_eq!(feeds.races(None, None, 9).len(), 1);
    // In one tick a ride is forgotten and begins anew.
    feeds.apply(5, vec![FeedChange::Stage(ride(2), Stage::Forgotten), running(ride(2), 1.0, 50)]);
    assert_eq!(feeds.races(None, None, 9)[0].order, (50, 1, 7));
    assert_eq!(feeds.standings(1, 7), Some(vec![(2, standing(1.0, 50))]));
}
