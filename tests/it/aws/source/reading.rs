//! Each event is read once and in order, across restarts, resharding and kills.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::super::servers::Kinesis;
use super::{
    RACERS, assert_all_once_and_in_order, logged, put_second, put_view, reached, seconds, start,
    views, wait_until_all_reached,
};
use crate::run::{Workplace, sample};
use crate::serving::{get, now_ms, wait_for};

#[test]
fn reads_four_shards_in_order_and_each_event_once_across_a_restart() {
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
    // These arrive while no service reads the stream.
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
fn resharding_loses_no_event_and_keeps_the_order_of_each_racer() {
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
fn a_kill_loses_no_event() {
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
            wait_for("events are accepted", || is_far(reached(&serving)));
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
fn a_service_becomes_ready_after_a_last_event_at_the_end_of_a_tick() {
    let (place, kinesis) = (Workplace::new(), Kinesis::start());
    let data = place.path("data");
    kinesis.create("races", 1);
    put_view(&kinesis, "a");
    // All times on this clock are ends of ticks. A tick is complete only once the next one begins.
    let arguments = format!("--clock-speed 10 --clock-from {}", now_ms() / 10 * 10);
    let serving = start(&kinesis, &data, &arguments);
    wait_for("the view is counted", || views(&serving) == 1);
    serving.kill();
    let serving = start(&kinesis, &data, &arguments);
    assert_eq!(views(&serving), 1);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn the_clock_follows_an_idle_stream_so_that_rides_finish() {
    let (place, kinesis) = (Workplace::new(), Kinesis::start());
    kinesis.create("races", 2);
    // Six minutes, for a race and its grace, take six seconds.
    let arguments = format!("--clock-speed 60 --clock-from {}", now_ms());
    let serving = start(&kinesis, &place.path("data"), &arguments);
    put_second(&kinesis, 1);
    wait_for("the race is finished", || {
        let races = serving.get("/v1/races");
        races["rows"].as_array().unwrap().first().is_some_and(|race| race["state"] == "over")
    });
    // Events sent over HTTP get the same time.
    let token = serving.post(&sample(1, 500, 2, 1.0).replace("\"raceId\":7", "\"raceId\":8"));
    let standings = serving.get(&format!("/v1/races/1/8/standings?after={token}"));
    assert_eq!(standings["racers"], 1);
    assert_eq!(serving.stop(), 0);
}
