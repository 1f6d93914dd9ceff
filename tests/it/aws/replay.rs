//! `replay kinesis:`: a stream gives the same results as its events in a file.

use std::fs::File;
use std::io::Read;
use std::thread;

use flate2::read::GzDecoder;

use crate::aws::fault_proxy::{FaultProxy, FaultRates};
use crate::aws::servers::Kinesis;
use crate::aws::simulate::{denying, environment};
use crate::cluster::hosts;
use crate::golden::alleycat;
use crate::run::Workplace;

#[test]
fn a_resharded_stream_gives_the_same_results_as_files() {
    let golden = alleycat();
    let mut events = String::new();
    let file = File::open(golden.join("events.jsonl.gz")).unwrap();
    GzDecoder::new(file).read_to_string(&mut events).unwrap();
    // A time window with several races. The shards change in its middle.
    let lines: Vec<_> = events.lines().take(21_600).collect();
    let place = Workplace::new();
    let (before, after) = lines.split_at(10_000);
    place.write("in/1.jsonl", before.join("\n"));
    place.write("in/2.jsonl", after.join("\n"));
    let ended = place.run("replay in --out from-files");
    assert_eq!(ended.code, 0, "{}", ended.stderr);

    let kinesis = Kinesis::start();
    kinesis.create("races", 4);
    let direct = environment(&kinesis, kinesis.url());
    let put = |file: &str| {
        let to = "simulate --to kinesis:races --rate max --connections 2 --events";
        let ended = place.run_with(&format!("{to} {file}"), &direct, b"");
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    };
    put("in/1.jsonl");
    let shards = kinesis.open_shards("races");
    kinesis.split("races", &shards[0]);
    kinesis.merge("races", &shards[1], &shards[2]);
    put("in/2.jsonl");

    place.write("hosts", hosts());
    let faults = FaultProxy::start(&kinesis, FaultRates { calls: 0.1, records: 0.0 });
    let through = environment(&kinesis, faults.url());
    thread::scope(|scope| {
        for process in [0, 1] {
            let (place, through) = (&place, &through);
            scope.spawn(move || {
                let cluster = format!("-n 2 -p {process} --hosts hosts -w 2");
                let replay = format!("replay kinesis:races --out p{process} {cluster}");
                let ended = place.run_with(&replay, through, b"");
                assert_eq!(ended.code, 0, "{}", ended.stderr);
            });
        }
    });
    let [_, gets, _] = faults.injected();
    assert!(gets > 0);
    let verified = place.run("verify from-files p0");
    assert_eq!(verified.code, 0, "{}", verified.stdout);
    let (expected, actual) = (place.json("from-files/summary.json"), place.json("p0/summary.json"));
    for count in ["events", "rejected", "late", "rides", "records"] {
        assert_eq!(actual[count], expected[count], "{count}");
    }
}

#[test]
fn errors_of_the_stream_are_one_line() {
    let (kinesis, place) = (Kinesis::start(), Workplace::new());
    place.write("events.jsonl", "");
    let denying = denying("User: x is not authorized");
    for (url, arguments, says) in [
        (kinesis.url(), "replay kinesis:races", "no such stream 'races' in region 'us-east-1'"),
        (&denying[..], "replay kinesis:races", "no permission for kinesis:DescribeStreamSummary"),
        (kinesis.url(), "replay events.jsonl kinesis:a/b", "'kinesis:a/b' names no stream"),
        (
            kinesis.url(),
            "batch kinesis:races",
            "'kinesis:races' is a stream, which batch cannot read",
        ),
    ] {
        let ended =
            place.run_with(&format!("{arguments} --out out"), &environment(&kinesis, url), b"");
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        assert!(ended.stderr.starts_with(&format!("velodrome: {says}")), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
}
