//! A service whose archive and history are in a bucket, and replays from there.

use std::fs;
use std::path::Path;

use super::answering::answering;
use super::servers::S3;
use crate::restarts::{RACERS, answers};
use crate::run::{Workplace, contents, history, sample, view};
use crate::serving::{Environment, Serving, ahead, get, now_ms, refusal_in, wait_for};

/// The arguments of a service that keeps both in the bucket.
const PLACES: &str = "--archive s3://races/archive --history s3://races/history";

/// Race 7 of class 1, some seconds of each racer.
fn race() -> String {
    let line = |racer: u32, second: u16| {
        let resistance = f64::from(racer) + f64::from(second) / 10.0;
        let event = if second == 12 { "final" } else { "update" };
        sample(1, racer, second, resistance).replace("update", event)
    };
    let lines = (0..RACERS).flat_map(|racer| (1..=12).map(move |second| line(racer, second)));
    lines.collect::<Vec<_>>().join("\n")
}

fn has_no_segments(data: &Path) -> bool {
    fs::read_dir(data.join("log")).is_ok_and(|mut segments| segments.next().is_none())
}

#[test]
fn a_bucket_holds_all_that_a_service_needs_to_begin_again() {
    let (server, place) = (S3::start(), Workplace::new());
    server.create("races");
    let environment: Vec<_> = server.environment().collect();
    let start = |data: &str, arguments: &str| {
        Serving::start_in(&environment, &place.path(data), &format!("{PLACES} {arguments}"))
    };
    let serving = start("data", "");
    serving.post(&race());
    serving.post(&view(1, "a"));
    serving.kill();
    let clock = ahead(400);
    let serving = start("data", &format!("{clock} --history-acl public-read"));
    wait_for("the race is over", || serving.get("/v1/races")["rows"][0]["state"] == "over");
    let told = answers(&serving);
    wait_for("all is archived", || has_no_segments(&place.path("data")));
    assert_eq!(serving.stop(), 0);
    assert_eq!(server.keys("races", "archive/").len(), 1);

    // What is in the bucket is what is served, and for everybody.
    let published = server.get("races", "history/class-1.gz");
    assert!(published == fs::read(place.path("data/history/class-1.gz")).unwrap());
    let (content_type, version) = server.told("races", "history/class-1.gz");
    assert_eq!(content_type, "application/gzip");
    assert!(version.unwrap().parse::<u64>().unwrap() > now_ms());
    assert!(server.is_public("races", "history/class-1.gz"));

    // Another machine has nothing but the bucket.
    let serving = start("another", &clock);
    wait_for("the race is over", || serving.get("/v1/races")["rows"][0]["state"] == "over");
    assert_eq!(answers(&serving), told);
    assert_eq!(serving.stop(), 0);

    // A replay of the bucket is that of a directory with the same objects, on any number of workers.
    server.put("races", "archive/processing-failed/2026/01/01/00/x", b"no event".to_vec());
    for key in server.keys("races", "archive/") {
        place.write(&key, server.get("races", &key));
    }
    let replay = |arguments: &str| {
        let ended = place.run_with(&format!("replay {arguments}"), &environment, b"");
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    };
    replay("archive --out by-directory");
    let expected = contents(&place.path("by-directory"));
    for (path, workers) in [("archive", 1), ("archive/", 3)] {
        replay(&format!("s3://races/{path} -w {workers} --out by-bucket-{workers}"));
        assert_eq!(contents(&place.path(&format!("by-bucket-{workers}"))), expected, "{path}");
    }
    let key = &server.keys("races", "archive/2")[0];
    replay(&format!("s3://races/{key} --out by-object"));
    assert_eq!(contents(&place.path("by-object")), expected);
    let batch = place.run_with("batch s3://races/archive --out by-batch", &environment, b"");
    assert_eq!(batch.code, 0, "{}", batch.stderr);
    assert_eq!(place.run("verify by-batch by-directory").code, 0);
    place.write("published.gz", published);
    let replayed = history(&place.path("by-directory/history/class-1.gz"));
    assert_eq!(history(&place.path("published.gz")), replayed);
}

#[test]
fn plain_and_gzip_objects_are_read_as_files_are() {
    let (server, place) = (S3::start(), Workplace::new());
    server.create("races");
    let environment: Vec<_> = server.environment().collect();
    // Of three chunks, whose borders are within lines.
    let large: Vec<_> = (0..90_000)
        .map(|number| sample(u64::from(number), number % 7_000, (number % 300 + 1) as u16, 1.5))
        .collect();
    for (name, bytes) in [
        ("in/large", large.join("\n").into_bytes()),
        ("in/large.d/packed", crate::run::gzip(view(1, "a").as_bytes())),
        ("in/small", format!("{}\nno event\n", view(2, "b")).into_bytes()),
        ("in/z.gz", crate::run::gzip(view(3, "c").as_bytes())),
        ("in/.hidden", b"hidden".to_vec()),
        ("in/.d/hidden", b"hidden".to_vec()),
        ("in/empty.gz", Vec::new()),
    ] {
        place.write(name, &bytes);
        server.put("races", name, bytes);
    }
    let summary = |path: &str, out: &str, command: &str| {
        let ended = place.run_with(&format!("{command} {path} --out {out}"), &environment, b"");
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let summary = place.json(&format!("{out}/summary.json"));
        ["events", "rejected", "damaged", "late", "records"].map(|count| summary[count].clone())
    };
    let expected = summary("in", "by-files", "replay");
    assert_eq!((&expected[0], &expected[1]), (&90_003.into(), &1.into()));
    assert_eq!(summary("s3://races/in", "by-objects", "replay -w 3"), expected);
    assert_eq!(summary("s3://races/in", "by-batch", "batch"), expected);
    assert_eq!(place.run("verify by-objects by-batch").code, 0);
    let events = |out: &str| {
        let mut files = contents(&place.path(out));
        files.remove(Path::new("rejected.jsonl"));
        files
    };
    assert_eq!(events("by-objects"), events("by-files"));
    let letter = &place.json_lines("by-objects/rejected.jsonl")[0];
    assert_eq!((&letter["file"], &letter["line"]), (&"s3://races/in/small".into(), &2.into()));
}

#[test]
fn what_is_missing_at_the_start_is_one_line_and_exit_status_2() {
    let (server, place) = (S3::start(), Workplace::new());
    let environment: Vec<_> = server.environment().collect();
    let refused = |environment: Environment<'_>, arguments: &str| {
        let told = refusal_in(environment, &place.path("data"), arguments);
        assert_eq!(told.lines().count(), 1, "{told}");
        told
    };
    let archive = "--archive s3://races/archive";
    let nobody = [("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_REGION", "us-east-1")];
    let told = refused(&nobody[..1], archive);
    assert!(told.contains("'s3://races/archive/': no AWS region is set"), "{told}");
    let told = refused(&nobody, archive);
    assert!(told.contains("no AWS credentials: no credentials found in chain; set AWS_"), "{told}");
    for place in [archive, "--history s3://races/archive"] {
        let told = refused(&environment, place);
        let missing = "cannot list 's3://races/archive/': there is no bucket 'races'";
        assert!(told.contains(missing), "{told}");
    }
    let denied = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    let denied = answering("403 Forbidden", "", denied);
    // The flag goes before the environment.
    let told = refused(&environment, &format!("{archive} --endpoint-url {denied}"));
    assert!(told.contains("no permission in the bucket 'races'"), "{told}");
    let told = refused(&environment, &format!("{archive} --endpoint-url http://127.0.0.1:1"));
    assert!(told.contains("no connection"), "{told}");
    let told = refused(&environment, "--history-acl public-read --history here");
    assert!(told.contains("--history-acl is for an s3:// --history"), "{told}");
    let ended = place.run_with("replay s3://races/a --out out", &environment, b"");
    assert_eq!((ended.code, ended.stderr.lines().count()), (2, 1), "{}", ended.stderr);
}

#[test]
fn a_bucket_that_goes_and_comes_back_is_told_of_and_gets_what_it_lacks() {
    let (server, place) = (S3::start(), Workplace::new());
    server.create("races");
    let environment: Vec<_> = server.environment().collect();
    // A segment is closed after a second, and history published once a second.
    let clock = format!("--clock-speed 60 --clock-from {}", now_ms());
    let data = place.path("data");
    let serving = Serving::start_in(&environment, &data, &format!("{PLACES} {clock}"));
    server.delete("races");
    serving.post(&race());
    let ready = || get(&format!("{}/readyz", serving.url));
    wait_for("archive and history fail", || {
        let (status, told) = ready();
        let told = told["reasons"].to_string();
        let fails =
            |part: &str| told.contains(&format!("\"{part}: cannot write 's3://races/{part}/"));
        status == 503 && fails("archive") && fails("history")
    });
    server.create("races");
    wait_for("all is well", || ready().0 == 200);
    wait_for("all is archived", || has_no_segments(&data));
    wait_for("the history is there", || !server.keys("races", "history/").is_empty());
    assert_eq!(serving.stop(), 0);
}

#[test]
fn an_older_history_does_not_replace_a_newer_one() {
    let (server, place) = (S3::start(), Workplace::new());
    server.create("races");
    let environment: Vec<_> = server.environment().collect();
    // A race is over after six seconds of the wall.
    let serve = |data: &str, since: u64| {
        let arguments = format!("--history s3://races --clock-speed 60 --clock-from {since}");
        let serving = Serving::start_in(&environment, &place.path(data), &arguments);
        serving.post(&race());
        serving
    };
    let newer = serve("newer", now_ms() - 60_000);
    wait_for("the history is there", || !server.keys("races", "class-").is_empty());
    assert_eq!(newer.stop(), 0);
    let there = server.told("races", "class-1.gz");
    let older = serve("older", now_ms());
    wait_for("it is told of", || older.log().contains("newer history object is in the bucket"));
    wait_for("the race is over", || older.get("/v1/races")["rows"][0]["state"] == "over");
    assert_eq!(older.stop(), 0);
    assert_eq!(server.told("races", "class-1.gz"), there);
}
