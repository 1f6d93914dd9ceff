//! Properties of complete workloads, whichever way they are written.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::Value;

use super::*;
use crate::store::{Directory, Store};

const SMALL: Parameters =
    Parameters { hours: 0.25, racers: 1_000, concurrent: 60, ..Parameters::DEFAULT };

fn text(parameters: Parameters, threads: usize) -> Vec<u8> {
    let workload = Workload::new(parameters).unwrap();
    let mut text = Vec::new();
    stream::write(&workload, &mut text, NonZeroUsize::new(threads).unwrap(), |_| ()).unwrap();
    text
}

/// The events of a race, in the order of their lines.
fn events(parameters: Parameters, race: u64) -> Vec<Value> {
    let workload = Workload::new(parameters).unwrap();
    let text: Vec<u8> =
        workload.race_batches(race).flat_map(|batch| batch.text().to_vec()).collect();
    let lines = text.split_inclusive(|&byte| byte == b'\n');
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

fn is_race(event: &Value) -> bool {
    event["event"] == "update" || event["event"] == "final"
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let one = text(SMALL, 1);
    assert!(one == text(SMALL, 1));
    assert!(one == text(SMALL, 3));
    // There are more threads than batches.
    let short = Parameters { hours: 0.01, concurrent: 1, ..SMALL };
    assert!(text(short, 1) == text(short, 16));
}

#[test]
fn the_bytes_of_a_workload_do_not_change() {
    // Different bytes would invalidate all published measurements. Announce such a change, then update
    // the hash.
    let hash = xxhash_rust::xxh3::xxh3_64(&text(SMALL, 2));
    assert_eq!(hash, 3066951061924870484);
}

#[test]
fn seeds_and_races_differ_from_each_other() {
    let racers = |seed, race| -> HashSet<u64> {
        let events = events(Parameters { seed, ..SMALL }, race);
        events.iter().filter_map(|event| event["racerId"].as_u64()).collect()
    };
    assert_eq!(racers(1, 0), racers(1, 0));
    assert_ne!(racers(1, 0), racers(2, 0));
    assert_ne!(racers(1, 0), racers(1, 1));
    assert!(text(SMALL, 1) != text(Parameters { seed: 2, ..SMALL }, 1));
}

#[test]
fn each_rider_sends_every_second_of_a_race_and_a_final_event() {
    for index in 0..3 {
        let events = events(Parameters { duplicates: 0.0, ..SMALL }, index);
        let race: Vec<_> = events.iter().filter(|event| is_race(event)).collect();
        assert_eq!(race.len(), 60 * 300);
        let mut rides: HashMap<(u64, u64), HashSet<u64>> = HashMap::new();
        for event in &race {
            assert_eq!(event["raceId"], 5_400_800 + index);
            let second = event["second"].as_u64().unwrap();
            assert_eq!(event["event"] == "final", second == 300);
            let ride = (event["classId"].as_u64().unwrap(), event["racerId"].as_u64().unwrap());
            assert!(rides.entry(ride).or_default().insert(second), "{event}");
        }
        assert_eq!(rides.len(), 60);
        assert!(rides.values().all(|seconds| seconds.len() == 300));
        let racers: HashSet<_> = rides.keys().map(|(_, racer)| racer).collect();
        assert_eq!(racers.len(), 60);
        for class in 1..=6 {
            assert_eq!(rides.keys().filter(|ride| ride.0 == class).count(), 10);
        }
    }
}

#[test]
fn duplicates_and_views_have_the_requested_shares() {
    let events = events(Parameters { concurrent: 1_000, duplicates: 0.01, ..SMALL }, 0);
    let (race, tracking): (Vec<_>, Vec<_>) = events.iter().partition(|event| is_race(event));
    let share = |part: usize, all: usize| part as f64 / all as f64;
    let twice = |events: &[&Value]| {
        let distinct: HashSet<_> = events.iter().map(|event| event["uuid"].as_str()).collect();
        (distinct.len(), share(events.len() - distinct.len(), distinct.len()))
    };
    let (race_events, race_twice) = twice(&race);
    let (tracking_events, tracking_twice) = twice(&tracking);
    assert_eq!((race_events, tracking_events), (300_000, 15_000));
    assert!((0.009..0.011).contains(&race_twice), "{race_twice}");
    assert!((0.09..0.11).contains(&tracking_twice), "{tracking_twice}");
    let views = tracking.iter().filter(|event| event["event"] == "view").count();
    assert!((0.19..0.21).contains(&share(views, tracking.len())), "{views}");
    let projects: HashSet<_> = tracking.iter().map(|event| event["projectId"].as_str()).collect();
    assert_eq!(projects.len(), 200);
    let fifth = |n: i64| {
        let within = |event: &&&Value| {
            (event["deviceTimestamp"].as_i64().unwrap() - 1_620_240_001_000) / 60_000 == n
        };
        share(tracking.iter().filter(within).count(), tracking.len())
    };
    assert!((0..5).all(|n| (0.19..0.21).contains(&fifth(n))));
}

#[test]
fn fields_are_in_their_ranges() {
    let within = |value: &Value, range: std::ops::RangeInclusive<f64>| {
        value.as_f64().is_some_and(|number| range.contains(&number))
    };
    let start = 1_620_240_300_000_f64;
    let mut names = HashMap::new();
    for event in events(Parameters { concurrent: 600, ..SMALL }, 1) {
        assert_eq!(event["uuid"].as_str().unwrap().len(), 36);
        if is_race(&event) {
            let sent = start + event["second"].as_f64().unwrap() * 1_000.0;
            assert!(within(&event["deviceTimestamp"], sent..=sent + 199.0), "{event}");
            assert!(within(&event["cadence"], 40.0..=110.0), "{event}");
            assert!(within(&event["resistance"], 20.0..=90.0), "{event}");
            assert!(within(&event["racerId"], 0.0..=999.0), "{event}");
            let name = event["name"].as_str().unwrap().to_owned();
            assert!(!name.is_empty());
            let first = names.entry(event["racerId"].as_u64()).or_insert(name.clone());
            assert_eq!(*first, name);
        } else {
            assert!(within(&event["deviceTimestamp"], start + 1_000.0..=start + 300_999.0));
            assert!(event["viewerId"].as_str().unwrap().starts_with("viewer-"));
            if event["event"] == "view" {
                assert!(event.get("durationMs").is_none(), "{event}");
            } else {
                assert_eq!(event["event"], "watch");
                assert!(within(&event["durationMs"], 1_000.0..=10_000.0), "{event}");
            }
        }
    }
}

#[test]
fn lines_arrive_within_two_seconds_and_before_the_next_race() {
    let workload = Workload::new(Parameters { duplicates: 0.05, ..SMALL }).unwrap();
    let batches: Vec<_> = (0..3).flat_map(|race| workload.race_batches(race)).collect();
    let lines: Vec<_> = batches.iter().flat_map(Batch::lines).collect();
    assert!(lines.is_sorted_by_key(|line| line.arrival_ms));
    let (mut slow, mut newest, mut lag_max) = (0, 0, 0);
    let mut copies: HashMap<&[u8], u64> = HashMap::new();
    for line in &lines {
        let event: Value = serde_json::from_slice(line.bytes).unwrap();
        let sent = event["deviceTimestamp"].as_u64().unwrap();
        newest = newest.max(sent);
        lag_max = lag_max.max(newest - sent);
        assert!((sent..=sent + 2_000).contains(&line.arrival_ms), "{event}");
        if let Some(first) = copies.insert(line.bytes, line.arrival_ms) {
            assert!(line.arrival_ms - first <= 2_000);
        } else {
            slow += u64::from(line.arrival_ms - sent > 50);
        }
    }
    assert!((1_500..=2_000).contains(&lag_max), "{lag_max}");
    let slow = slow as f64 / copies.len() as f64;
    assert!((0.007..0.012).contains(&slow), "{slow}");
}

#[test]
fn there_is_one_object_per_race_with_the_same_lines() {
    let root = tempfile::tempdir().unwrap();
    let workload = Workload::new(SMALL).unwrap();
    let two = NonZeroUsize::new(2).unwrap();
    let lines = std::sync::atomic::AtomicU64::new(0);
    let count = |n| _ = lines.fetch_add(n, std::sync::atomic::Ordering::Relaxed);
    let written = objects::write(&workload, root.path(), two, count).unwrap();

    let store = Directory::new(root.path().to_owned());
    let written_objects = store.walk("").unwrap();
    let names: Vec<_> = written_objects.iter().map(|object| object.key.clone()).collect();
    let prefixes =
        ["40", "45", "50"].map(|m| format!("2021/05/05/18/velodrome-1-2021-05-05-18-{m}-01-"));
    assert_eq!(names.len(), 3);
    assert!(
        names.iter().zip(&prefixes).all(|(name, prefix)| name.starts_with(prefix)),
        "{names:?}"
    );
    assert!(names.iter().all(|name| name.len() == prefixes[0].len() + 36 + ".gz".len()));

    let unpack = |path: &Path| {
        let mut text = Vec::new();
        GzDecoder::new(File::open(path).unwrap()).read_to_end(&mut text).unwrap();
        text
    };
    let all: Vec<u8> = names.iter().flat_map(|name| unpack(&root.path().join(name))).collect();
    assert!(all == text(SMALL, 1));
    assert_eq!(written.lines, all.iter().filter(|&&byte| byte == b'\n').count() as u64);
    assert_eq!(written.lines, lines.into_inner());
    assert_eq!(written.json_bytes, all.len() as u64);
    assert_eq!(
        written.stored_bytes,
        written_objects.iter().map(|object| object.bytes).sum::<u64>()
    );
}

#[test]
fn an_object_that_cannot_be_written_is_named() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let workload = Workload::new(SMALL).unwrap();
    let error = objects::write(&workload, &file, NonZeroUsize::MIN, |_| ()).unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot write '{}/", file.display())));
}

#[test]
fn rejects_parameters_outside_their_ranges() {
    let far = u64::MAX;
    for (parameters, part) in [
        (Parameters { hours: 0.0, ..SMALL }, "hours"),
        (Parameters { hours: f64::NAN, ..SMALL }, "hours"),
        (Parameters { hours: f64::INFINITY, ..SMALL }, "hours"),
        (Parameters { hours: 1e300, ..SMALL }, "year 9999"),
        (Parameters { start_ms: far, ..SMALL }, "year 9999"),
        (Parameters { concurrent: 0, ..SMALL }, "concurrent"),
        (Parameters { concurrent: 1_001, ..SMALL }, "exceeds --racers '1000'"),
        (Parameters { concurrent: 2_000_000, racers: 3_000_000, ..SMALL }, "concurrent"),
        (Parameters { classes: 0, ..SMALL }, "classes"),
        (Parameters { views: -0.1, ..SMALL }, "views"),
        (Parameters { views: f64::NAN, ..SMALL }, "views"),
        (Parameters { duplicates: 1.1, ..SMALL }, "duplicates"),
    ] {
        let error = Workload::new(parameters).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(Workload::new(Parameters { hours: 0.001, ..SMALL }).unwrap().races(), 1);
    assert_eq!(Workload::new(Parameters { hours: 24.0, ..SMALL }).unwrap().races(), 288);
}
