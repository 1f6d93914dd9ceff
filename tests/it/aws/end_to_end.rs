//! From a stream to a bucket: the sample's events through everything that goes wrong on the way.

use std::fs;
use std::thread;

use serde_json::Value;

use crate::aws::faults::{Faults, Shares};
use crate::aws::put::environment;
use crate::aws::servers::{Kinesis, S3};
use crate::golden::{alleycat, as_doubles, rounded};
use crate::kills::{leaderboard, results, views};
use crate::run::{Workplace, history, view};
use crate::serving::{Serving, get, now_ms, wait_for};

/// Events of a race are over 6 minutes after they came; so many times faster for the test.
const SPEED: u32 = 20;

/// How many events the service has taken since it was started.
fn taken(serving: &Serving) -> u64 {
    let metrics = get(&format!("{}/metrics", serving.url)).1;
    let metrics = metrics.as_str().unwrap_or_default();
    let of = |line: &str| line.strip_prefix("velodrome_source_records_total ")?.parse().ok();
    metrics.lines().find_map(of).unwrap_or(0)
}

fn wait_until_taken(serving: &Serving, events: u64) {
    wait_for("events are taken", || taken(serving) >= events);
}

#[test]
fn a_stream_comes_to_the_golden_history_over_resharding_throttling_and_a_kill() {
    let Some(golden) = alleycat() else { return };
    let (kinesis, s3, place) = (Kinesis::start(), S3::start(), Workplace::new());
    kinesis.create("races", 4);
    s3.create("races");
    let faults = Faults::before(&kinesis, Shares { calls: 0.05, records: 0.02 });
    let sender = environment(&kinesis, faults.url());
    let mut receiver: Vec<_> = s3.environment().collect();
    receiver.push(("AWS_ENDPOINT_URL_KINESIS", faults.url()));
    let arguments = format!(
        "--source kinesis:races --archive s3://races/archive --history s3://races/history \
         --clock-speed {SPEED} --clock-from {} --checkpoint-seconds 1 --workers 2",
        now_ms()
    );
    let start = || Serving::start_in(&receiver, &place.path("data"), &arguments);

    let pages: Vec<_> = (0..500).map(|uuid| view(1, &(uuid / 2).to_string())).collect();
    place.write("views.jsonl", pages.join("\n"));
    let serving = thread::scope(|scope| {
        scope.spawn(|| {
            let to = "simulate --to kinesis:races --rate max --connections 2 --json --events";
            let events = golden.join("events.jsonl.gz");
            let events = format!("{to} {} views.jsonl", events.display());
            let ended = place.run_with(&events, &sender, b"");
            assert_eq!(ended.code, 0, "{}", ended.stderr);
            let report: Value = serde_json::from_str(&ended.stdout).unwrap();
            assert_eq!(report["events"], 65_300, "{report}");
        });
        let serving = start();
        wait_until_taken(&serving, 4_000);
        kinesis.split("races", &kinesis.open_shards("races")[0]);
        wait_until_taken(&serving, 12_000);
        serving.kill();
        let serving = start();
        wait_until_taken(&serving, 4_000);
        let open = kinesis.open_shards("races");
        kinesis.merge("races", &open[2], &open[3]);
        wait_until_taken(&serving, 8_000);
        serving
    });
    let records = kinesis.records("races").iter().map(Vec::len).sum::<usize>();
    assert_eq!((records, kinesis.shards("races").len()), (65_300, 7));

    wait_for("all races are over", || {
        let races = serving.get("/v1/races?limit=1000");
        let races = races["rows"].as_array().unwrap();
        races.len() == 18 && races.iter().all(|race| race["state"] == "over")
    });
    wait_for("all views are there", || {
        let (_, project) = get(&format!("{}/v1/projects/p", serving.url));
        project["views"] == 250
    });
    let answers = [results(&serving), leaderboard(&serving), views(&serving)];
    wait_for("all is archived", || fs::read_dir(place.path("data/log")).unwrap().next().is_none());
    assert_eq!(get(&format!("{}/readyz", serving.url)).0, 200);
    assert_eq!(serving.stop(), 0);
    assert!(faults.made().iter().all(|made| *made > 0), "{:?}", faults.made());

    let replay = "replay s3://races/archive --out replayed";
    let ended = place.run_with(replay, &receiver, b"");
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
