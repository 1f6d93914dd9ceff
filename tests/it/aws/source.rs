//! A service that reads a stream: each event once, in order, over resharding and kills.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::servers::Kinesis;
use crate::run::{Workplace, sample, view};
use crate::serving::{Serving, get, now_ms, wait_for};

/// The racers whose seconds tests put; enough that each of four shards gets some.
const RACERS: u32 = 40;

/// Starts a service that reads the stream `races`, and waits until it is ready.
pub(super) fn start(kinesis: &Kinesis, data: &Path, arguments: &str) -> Serving {
    let arguments = format!("--source kinesis:races {arguments}");
    Serving::start_in(&kinesis.environment().collect::<Vec<_>>(), data, &arguments)
}

/// Puts a second of all racers.
fn put_second(kinesis: &Kinesis, second: u16) {
    let record = |racer: u32| (racer.to_string(), sample(1, racer, second, f64::from(second)));
    kinesis.put("races", (0..RACERS).map(record));
}

/// Puts a view of project "p".
pub(super) fn put_view(kinesis: &Kinesis, uuid: &str) {
    kinesis.put("races", [(uuid.to_owned(), view(1, uuid))]);
}

/// How many views are counted.
pub(super) fn views(serving: &Serving) -> u64 {
    match get(&format!("{}/v1/projects/p", serving.url)) {
        (200, project) => project["views"].as_u64().unwrap(),
        _ => 0,
    }
}

/// The second that each racer of the running race has reached.
fn reached(serving: &Serving) -> BTreeMap<u64, u64> {
    let (_, standings) = get(&format!("{}/v1/races/1/7/standings?limit=1000", serving.url));
    let rows = standings["rows"].as_array().cloned().unwrap_or_default();
    rows.iter()
        .map(|row| (row["racerId"].as_u64().unwrap(), row["second"].as_u64().unwrap()))
        .collect()
}

fn wait_until_all_reached(serving: &Serving, second: u64) {
    let is_reached = |reached: BTreeMap<u64, u64>| {
        reached.len() == RACERS as usize && reached.values().all(|reached| *reached == second)
    };
    wait_for("all racers' last second is there", || is_reached(reached(serving)));
}

/// The events in the archive and the log of a data directory, in order, whose arrivals never go back.
fn logged(data: &Path) -> Vec<Value> {
    let mut text = String::new();
    for path in [files(&data.join("archive")), files(&data.join("log"))].concat() {
        let file = File::open(&path).unwrap();
        let read = match path.extension().unwrap() == "gz" {
            true => GzDecoder::new(file).read_to_string(&mut text),
            false => BufReader::new(file).read_to_string(&mut text),
        };
        read.unwrap();
    }
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.is_sorted_by_key(|event| event["arrivalTimestamp"].as_u64().unwrap()));
    events
}

/// The files below a directory, sorted.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    let mut files: Vec<_> = entries.flat_map(below).collect();
    files.sort();
    files
}

/// The seconds of each racer in the log, in order.
fn seconds(data: &Path) -> BTreeMap<u64, Vec<u64>> {
    let mut seconds: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in logged(data) {
        let racer = event["racerId"].as_u64().unwrap();
        seconds.entry(racer).or_default().push(event["second"].as_u64().unwrap());
    }
    seconds
}

fn assert_all_once_and_in_order(data: &Path, last: u64) {
    let seconds = seconds(data);
    assert_eq!(seconds.len(), RACERS as usize);
    assert!(seconds.values().all(|of| of.iter().copied().eq(1..=last)), "{seconds:?}");
}

#[test]
fn four_shards_are_read_in_order_and_each_event_once_over_a_restart() {
    let (place, kinesis) = (Workplace::new(), Kinesis::start());
    let data = place.path("data");
    kinesis.create("races", 4);
    (1..=5).for_each(|second| put_second(&kinesis, second));
    let serving = start(&kinesis, &data, "");
    wait_until_all_reached(&serving, 5);
    (6..=10).for_each(|second| put_second(&kinesis, second));
    wait_until_all_reached(&serving, 10);
    let metrics = get(&format!("{}/metrics", serving.url)).1;
    let metrics = metrics.as_str().unwrap();
    assert!(
        metrics.contains(&format!("velodrome_source_records_total {}", 10 * RACERS)),
        "{metrics}"
    );
    for shard in 0..4 {
        let behind =
            format!("velodrome_source_behind_seconds{{shard=\"shardId-00000000000{shard}\"}} 0");
        assert!(metrics.contains(&behind), "{metrics}");
    }
    assert_eq!(serving.stop(), 0);
    // What came while nobody read.
    (11..=12).for_each(|second| put_second(&kinesis, second));
    let serving = start(&kinesis, &data, "");
    wait_until_all_reached(&serving, 12);
    assert_eq!(serving.stop(), 0);
    assert_all_once_and_in_order(&data, 12);
    let arrivals = logged(&data).into_iter().map(|event| event["arrivalTimestamp"].clone());
    let now = now_ms();
    assert!(arrivals.map(|ms| ms.as_u64().unwrap()).all(|ms| now - ms < 600_000));
}

#[test]
fn a_split_and_a_merge_lose_nothing_and_keep_the_order_of_each_racer() {
    for kinesis in [Kinesis::start(), Kinesis::start_slow()] {
        reshard(&kinesis);
    }
}

fn reshard(kinesis: &Kinesis) {
    let place = Workplace::new();
    let data = place.path("data");
    kinesis.create("races", 2);
    put_second(kinesis, 1);
    let serving = start(kinesis, &data, "");
    put_second(kinesis, 2);
    kinesis.split("races", &kinesis.open_shards("races")[0]);
    put_second(kinesis, 3);
    let open = kinesis.open_shards("races");
    kinesis.merge("races", &open[1], &open[2]);
    put_second(kinesis, 4);
    wait_until_all_reached(&serving, 4);
    let open = kinesis.open_shards("races");
    kinesis.split("races", &open[1]);
    put_second(kinesis, 5);
    wait_until_all_reached(&serving, 5);
    assert_eq!(serving.stop(), 0);
    assert_all_once_and_in_order(&data, 5);
    let positions = place.json("data/positions.json");
    let shards = positions["shards"].as_object().unwrap();
    assert_eq!(shards.len(), kinesis.shards("races").len());
    let finished = shards.values().filter(|shard| shard["isFinished"] == true).count();
    assert_eq!(shards.len() - finished, kinesis.open_shards("races").len());
}

#[test]
fn a_kill_loses_nothing_and_repeats_little() {
    let (place, kinesis) = (Workplace::new(), Kinesis::start());
    let data = place.path("data");
    kinesis.create("races", 3);
    let (last, is_done) = (60, AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            (1..=last).for_each(|second| put_second(&kinesis, second));
            is_done.store(true, Ordering::Release);
        });
        for second in [10, 30] {
            let serving = start(&kinesis, &data, "");
            let is_far = |reached: BTreeMap<u64, u64>| reached.values().any(|s| *s >= second);
            wait_for("events are taken", || is_far(reached(&serving)));
            serving.kill();
        }
        wait_for("all events are put", || is_done.load(Ordering::Acquire));
    });
    let serving = start(&kinesis, &data, "");
    wait_until_all_reached(&serving, last.into());
    assert_eq!(serving.stop(), 0);
    for (racer, of) in seconds(&data) {
        let mut once = of.clone();
        once.sort_unstable();
        once.dedup();
        assert!(once.into_iter().eq(1..=u64::from(last)), "racer {racer}: {of:?}");
    }
}

#[test]
fn a_service_is_ready_again_though_its_last_event_came_at_the_end_of_a_tick() {
    let (place, kinesis) = (Workplace::new(), Kinesis::start());
    let data = place.path("data");
    kinesis.create("races", 1);
    put_view(&kinesis, "a");
    // All of this clock's times are whole ticks, of which only the next one tells that one is over.
    let arguments = format!("--clock-speed 10 --clock-from {}", now_ms() / 10 * 10);
    let serving = start(&kinesis, &data, &arguments);
    wait_for("the view is taken", || views(&serving) == 1);
    serving.kill();
    let serving = start(&kinesis, &data, &arguments);
    assert_eq!(views(&serving), 1);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_stream_is_begun_with_what_comes_from_then_on_where_it_is_told_to() {
    let (place, kinesis) = (Workplace::new(), Kinesis::start());
    kinesis.create("races", 2);
    (0..10).for_each(|number| put_view(&kinesis, &format!("old-{number}")));
    let serving = start(&kinesis, &place.path("data"), "--source-from latest");
    let mut put = 0;
    wait_for("a view is taken", || {
        put_view(&kinesis, &format!("new-{put}"));
        put += 1;
        views(&serving) > 0
    });
    assert_eq!(serving.stop(), 0);
    let logged = logged(&place.path("data"));
    let is_new = |event: &Value| event["uuid"].as_str().unwrap().starts_with("new-");
    assert!(logged.iter().all(is_new), "{logged:?}");
}

#[test]
fn a_stream_is_begun_at_a_time_and_gone_on_with_from_where_it_was_read() {
    let (place, kinesis) = (Workplace::new(), Kinesis::start_slow());
    kinesis.create("races", 3);
    put_view(&kinesis, "old");
    let before = now_ms() + 2;
    wait_for("time goes on", || now_ms() > before);
    put_view(&kinesis, "new");
    let data = place.path("data");
    let serving = start(&kinesis, &data, &format!("--source-from {before}"));
    wait_for("the view is taken", || views(&serving) == 1);
    assert_eq!(serving.stop(), 0);
    // From where it is begun says nothing once it was read.
    let serving = start(&kinesis, &data, "--source-from trim-horizon");
    put_view(&kinesis, "newer");
    wait_for("the next view is taken", || views(&serving) == 2);
    assert_eq!(serving.stop(), 0);
    let uuids: Vec<_> = logged(&data).into_iter().map(|event| event["uuid"].clone()).collect();
    assert_eq!(uuids, ["new", "newer"]);
}

#[test]
fn the_clock_is_the_streams_so_that_rides_end_though_nothing_comes() {
    let (place, kinesis) = (Workplace::new(), Kinesis::start());
    kinesis.create("races", 2);
    // Six minutes of a race and its grace in six seconds.
    let arguments = format!("--clock-speed 60 --clock-from {}", now_ms());
    let serving = start(&kinesis, &place.path("data"), &arguments);
    put_second(&kinesis, 1);
    wait_for("the race is over", || {
        let races = serving.get("/v1/races");
        races["rows"].as_array().unwrap().first().is_some_and(|race| race["state"] == "over")
    });
    // What comes by HTTP gets the same time.
    let token = serving.post(&sample(1, 500, 2, 1.0).replace("\"raceId\":7", "\"raceId\":8"));
    let standings = serving.get(&format!("/v1/races/1/8/standings?after={token}"));
    assert_eq!(standings["racers"], 1);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn what_is_no_event_becomes_a_dead_letter_with_its_place_in_the_stream() {
    let (place, kinesis) = (Workplace::new(), Kinesis::start());
    kinesis.create("races", 1);
    let both = format!("no event\n{}", view(1, "a"));
    kinesis.put("races", [("1".to_owned(), both)]);
    let data = place.path("data");
    let serving = start(&kinesis, &data, "");
    wait_for("the view is taken", || views(&serving) == 1);
    assert_eq!(serving.stop(), 0);
    let spooled = fs::read_dir(data.join("rejected")).unwrap();
    let text: String =
        spooled.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    let letter: Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!(letter["rawData"], "bm8gZXZlbnQ=");
    assert_eq!(letter["source"]["shardId"], "shardId-000000000000");
    let sequence =
        place.json("data/positions.json")["shards"]["shardId-000000000000"]["next"]["after"]
            .clone();
    assert_eq!(letter["source"]["sequenceNumber"], sequence);
}

#[test]
fn records_that_the_stream_dropped_unread_are_told_loudly() {
    let (place, kinesis) = (Workplace::new(), Kinesis::start());
    kinesis.create("races", 1);
    put_view(&kinesis, "a");
    let data = place.path("data");
    let serving = start(&kinesis, &data, "");
    wait_for("the view is taken", || views(&serving) == 1);
    let (status, ready) = get(&format!("{}/readyz", serving.url));
    assert_eq!((status, &ready["notes"]), (200, &json!([])));
    assert_eq!(serving.stop(), 0);

    // As if it had been down for longer than a day, and a shard had been dropped meanwhile.
    let mut positions = place.json("data/positions.json");
    let shards = positions["shards"].as_object_mut().unwrap();
    let mut dropped = shards["shardId-000000000000"].clone();
    shards["shardId-000000000000"]["untilMs"] = json!(now_ms() - 25 * 3_600_000);
    dropped["untilMs"] = json!(now_ms() - 1_000);
    shards.insert("shardId-000000000009".to_owned(), dropped);
    place.write("data/positions.json", positions.to_string());
    let serving = start(&kinesis, &data, "");
    put_view(&kinesis, "b");
    wait_for("the next view is taken", || views(&serving) == 2);
    let (status, ready) = get(&format!("{}/readyz", serving.url));
    let notes: Vec<_> =
        ready["notes"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
    assert_eq!((status, notes.len()), (200, 2), "{ready}");
    assert!(notes[0].contains("shard 'shardId-000000000009' was dropped by the stream"), "{ready}");
    assert!(notes[1].contains("shard 'shardId-000000000000' was read until"), "{ready}");
    assert!(notes[1].contains("keeps records for 24 h"), "{ready}");
    let metrics = get(&format!("{}/metrics", serving.url)).1;
    assert!(metrics.as_str().unwrap().contains("velodrome_source_gaps_total 2"), "{metrics}");
    assert!(serving.log().contains("ERROR"), "{}", serving.log());
    assert_eq!(serving.stop(), 0);
}
