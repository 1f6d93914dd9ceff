//! Random writes and reopenings, compared with plain maps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use velodrome_dataflows::{
    Ban, ClassId, DEDUP_DAYS, FinishedRide, Name, RacerId, RetiredRide, RideKey, RideResult,
    SavedRide, Stage, ViewCount,
};

use super::*;

/// The expected content of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    records: BTreeMap<(ClassId, RacerId), BTreeMap<u16, Output>>,
    finals: BTreeMap<(ClassId, RacerId), BestFinal>,
    names: BTreeMap<(ClassId, RacerId), Name>,
    rides: BTreeMap<RideKey, SavedRide>,
    views: BTreeMap<String, (u64, u64)>,
    seen: BTreeSet<(u64, u128)>,
}

impl Model {
    fn apply(&mut self, changes: &[Change], view_changes: &[ViewChange]) {
        for change in changes.iter().cloned() {
            match change {
                Change::Record(key, record) => {
                    let slots = self.records.entry(key).or_default();
                    for (second, output) in record.outputs() {
                        let slot = slots.entry(second).or_insert(Output(output));
                        *slot = Output(output).max(*slot);
                    }
                }
                Change::Final(key, new) => {
                    let best = self.finals.entry(key).or_insert(new);
                    let is_earlier =
                        new.output == best.output && (new.race, new.at) < (best.race, best.at);
                    if new.output > best.output || is_earlier {
                        *best = new;
                    }
                }
                Change::Name(racer, name) => {
                    let greatest = self.names.remove(&racer).into_iter().chain([name]).max();
                    self.names.insert(racer, greatest.unwrap());
                }
                Change::Saved(key, SavedRide::Expired) => drop(self.rides.remove(&key)),
                Change::Saved(key, saved) => drop(self.rides.insert(key, saved)),
                Change::Result(..) | Change::Stage(..) | Change::Late(_) | Change::Ban(_) => {}
            }
        }
        for change in view_changes {
            match change {
                ViewChange::Count(project, more) => {
                    let (views, duration_ms) = self.views.entry(project.to_string()).or_default();
                    *views += more.views;
                    *duration_ms += more.duration_ms;
                }
                ViewChange::Seen(day, uuid) => drop(self.seen.insert((*day, *uuid))),
            }
        }
        let newest = self.seen.last().map_or(0, |(day, _)| *day);
        self.seen.retain(|(day, _)| day + DEDUP_DAYS + 1 >= newest);
    }
}

fn key() -> impl Strategy<Value = (ClassId, RacerId)> {
    (1..3u16, 0..4u32)
}

fn ride() -> impl Strategy<Value = RideKey> {
    (1..3u16, 0..3u64, 0..3u32)
}

fn output() -> impl Strategy<Value = Output> {
    (-3..9i32).prop_map(|output| Output(f64::from(output)))
}

fn curve() -> impl Strategy<Value = Record> {
    // Some rows are longer than a page of 4 KiB.
    let second = prop_oneof![1..5u16, 500..1000u16];
    let outputs = vec((second, output()), 1..6);
    outputs.prop_map(|outputs| {
        record(&outputs.iter().map(|(second, output)| (*second, output.0)).collect::<Vec<_>>())
    })
}

fn name() -> impl Strategy<Value = Name> {
    let text = prop_oneof![Just(String::new()), "[aé]{1,2}", "x{30}"];
    (0..3u64, text).prop_map(|(at, text)| Name { at, text: text.into() })
}

fn saved_ride() -> impl Strategy<Value = SavedRide> {
    let finished = (curve(), proptest::option::of(output()), proptest::option::of(name()));
    let finished = finished.prop_map(|(record, final_output, name)| {
        SavedRide::Finished(FinishedRide {
            closes_at: u64::MAX,
            started_at: 1,
            record,
            final_output,
            name,
        })
    });
    let retired = (output(), 0..4u64).prop_map(|(best, closes_at)| {
        let result = RideResult { name: None, final_output: None, best, total: best, seconds: 1 };
        SavedRide::Retired(RetiredRide { closes_at, started_at: 1, result: Arc::new(result) })
    });
    prop_oneof![finished, retired, Just(SavedRide::Expired)]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (key(), curve()).prop_map(|(key, record)| Change::Record(key, record)),
        (key(), output(), 0..3u64, 0..3u64)
            .prop_map(|(key, output, race, at)| Change::Final(key, BestFinal { output, race, at })),
        ((1..3u16, 0..3u32), name()).prop_map(|(racer, name)| Change::Name(racer, name)),
        (ride(), saved_ride()).prop_map(|(ride, saved)| Change::Saved(ride, saved)),
        ride().prop_map(|ride| Change::Stage(ride, Stage::Expired)),
        Just(Change::Late(3)),
        Just(Change::Ban(Ban { racer: 1, is_banned: true })),
    ]
}

fn view_change() -> impl Strategy<Value = ViewChange> {
    let project = prop_oneof![Just("p"), Just("projekt-ü"), Just("")];
    let count = (project, 0..3u64, 0..100u64).prop_map(|(project, views, duration_ms)| {
        ViewChange::Count(project.into(), ViewCount { views, duration_ms })
    });
    let seen = (0..30u64, any::<u128>()).prop_map(|(day, uuid)| ViewChange::Seen(day, uuid));
    prop_oneof![count, seen]
}

/// A write, and whether the checkpoint is reopened afterwards.
type Step = (Vec<Change>, Vec<ViewChange>, bool);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec((vec(change(), 0..20), vec(view_change(), 0..6), any::<bool>()), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn content_is_the_sum_of_all_writes_with_one_row_per_key(steps in steps()) {
        let (_directory, path) = checkpoint_path();
        let (mut checkpoint, mut model) = (open(&path), Model::default());
        for (complete, (changes, view_changes, is_reopened)) in (1..).zip(steps) {
            model.apply(&changes, &view_changes);
            checkpoint.write(complete, changes, view_changes, None).unwrap();
            if is_reopened {
                drop(checkpoint);
                checkpoint = open(&path);
            }
            prop_assert_eq!(checkpoint.complete(), Some(complete));
            let (changes, view_changes) = read(&checkpoint).unwrap();
            let mut content = Model::default();
            content.apply(&changes, &view_changes);
            prop_assert_eq!(&content, &model);
            let rows = model.records.len() + model.finals.len() + model.names.len();
            prop_assert_eq!(changes.len(), rows + model.rides.len());
            prop_assert_eq!(view_changes.len(), model.views.len() + model.seen.len());
        }
    }
}
