//! The events of the published Alleycat sample, from a stream to a bucket, with faults on the way.

use std::fs;
use std::path::Path;
use std::thread;

use serde_json::Value;

use crate::aws::fault_proxy::{FaultProxy, FaultRates};
use crate::aws::servers::{Kinesis, S3};
use crate::aws::simulate::environment;
use crate::golden::{alleycat, as_doubles, rounded};
use crate::run::{Workplace, history, view};
use crate::served_results::{leaderboard, results, views};
use crate::serving::{ServiceProcess, get, now_ms, wait_for};

/// The speed of the service's clock. A race finishes 6 minutes after its first event.
const SPEED: u32 = 20;

/// The number of records that the service has read since it was started.
fn read_records(serving: &ServiceProcess) -> u64 {
    let metrics = get(&format!("{}/metrics", serving.url)).1;
    let metrics = metrics.as_str().unwrap_or_default();
    let of = |line: &str| line.strip_prefix("velodrome_source_records_total ")?.parse().ok();
    metrics.lines().find_map(of).unwrap_or(0)
}

fn wait_until_read(serving: &ServiceProcess, records: u64) {
    wait_for("records are read", || read_records(serving) >= records);
}

#[test]
fn resharding_throttling_and_a_kill_do_not_change_the_history() {
    let golden = alleycat();
    let (kinesis, s3, place) = (Kinesis::start(), S3::start(), Workplace::new());
    kinesis.create("races", 4);
    s3.create("races");
    let faults = FaultProxy::start(&kinesis, FaultRates { calls: 0.05, records: 0.02 });
    let mut receiver: Vec<_> = s3.environment().collect();
    receiver.push(("AWS_ENDPOINT_URL_KINESIS", faults.url()));
    let arguments = format!(
        "--source kinesis:races --archive s3://races/archive --history s3://races/history \
         --clock-speed {SPEED} --clock-from {} --checkpoint-seconds 1 --workers 2",
        now_ms()
    );
    let start = || ServiceProcess::start_in(&receiver, &place.path("data"), &arguments);

    let serving = thread::scope(|scope| {
        scope.spawn(|| put_events(&place, &golden, &environment(&kinesis, faults.url())));
        let serving = start();
        wait_until_read(&serving, 4_000);
        kinesis.split("races", &kinesis.open_shards("races")[0]);
        wait_until_read(&serving, 12_000);
        serving.kill();
        let serving = start();
        wait_until_read(&serving, 4_000);
        let open = kinesis.open_shards("races");
        kinesis.merge("races", &open[2], &open[3]);
        wait_until_read(&serving, 8_000);
        serving
    });
    let records = kinesis.records("races").iter().map(Vec::len).sum::<usize>();
    assert_eq!((records, kinesis.shards("races").len()), (65_300, 7));

    wait_for("all races are finished", || {
        let races = serving.get("/v1/races?limit=1000");
        let races = races["rows"].as_array().unwrap();
        races.len() == 18 && races.iter().all(|race| race["state"] == "over")
    });
    wait_for("all views are counted", || {
        let (_, project) = get(&format!("{}/v1/projects/p", serving.url));
        project["views"] == 250
    });
    let answers = [results(&serving), leaderboard(&serving), views(&serving)];
    wait_for("all events are archived", || {
        fs::read_dir(place.path("data/log")).unwrap().next().is_none()
    });
    assert_eq!(get(&format!("{}/readyz", serving.url)).0, 200);
    assert_eq!(serving.stop(), 0);
    let injected = faults.injected();
    assert!(injected.iter().all(|count| *count > 0), "{injected:?}");
    check_replay(&place, &golden, &s3, &receiver, answers);
}

/// Puts the events of the published sample into the stream, and 250 views, each twice.
fn put_events(place: &Workplace, golden: &Path, environment: &[(&str, &str)]) {
    let views: Vec<_> = (0..500).map(|uuid| view(1, &(uuid / 2).to_string())).collect();
    place.write("views.jsonl", views.join("\n"));
    let to = "simulate --to kinesis:races --rate max --connections 2 --json --events";
    let events = golden.join("events.jsonl.gz");
    let ended = place.run_with(&format!("{to} {} views.jsonl", events.display()), environment, b"");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["events"], 65_300, "{report}");
}

/// Checks that the history objects, a replay of the archive, and the service's answers agree with the
/// sample.
fn check_replay(
    place: &Workplace,
    golden: &Path,
    s3: &S3,
    environment: &[(&str, &str)],
    answers: [String; 3],
) {
    let replay = "replay s3://races/archive --out replayed";
    let ended = place.run_with(replay, environment, b"");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for class in 1..=6 {
        let file = format!("class-{class}.gz");
        let expected = history(&golden.join(&file));
        place.write(&file, s3.get("races", &format!("history/{file}")));
        assert_eq!(history(&place.path(&file)), expected, "{file} in the bucket");
        let replayed = history(&place.path(&format!("replayed/history/{file}")));
        assert_eq!(replayed, expected, "{file} of the replay");
    }
    let replayed = ["results.jsonl", "leaderboard.json", "views.json"];
    let replayed = replayed.map(|file| fs::read_to_string(place.path("replayed").join(file)));
    assert_eq!(replayed.map(Result::unwrap), answers);
    let expected: Value =
        serde_json::from_slice(&fs::read(golden.join("leaderboard.json")).unwrap()).unwrap();
    assert_eq!(
        as_doubles(&rounded(place.json("replayed/leaderboard.json"))),
        as_doubles(&expected)
    );
}
