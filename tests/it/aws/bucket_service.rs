//! A service with its archive and history in a bucket, and replays from the bucket.

use std::fs;
use std::path::Path;

use super::canned_server::serve_response;
use super::servers::S3;
use crate::restarts::{RACERS, answers};
use crate::run::{Workplace, contents, history, sample, view};
use crate::serving::{
    Environment, ServiceProcess, clock_ahead, get, now_ms, startup_error_in, wait_for,
};

/// The arguments for an archive and a history in the bucket.
const BUCKET: &str = "--archive s3://races/archive --history s3://races/history";

/// Some seconds of each racer in race 7 of class 1.
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
fn a_service_recovers_from_the_bucket_alone() {
    let (server, place) = (S3::start(), Workplace::new());
    server.create("races");
    let environment: Vec<_> = server.environment().collect();
    let start = |data: &str, arguments: &str| {
        ServiceProcess::start_in(&environment, &place.path(data), &format!("{BUCKET} {arguments}"))
    };
    let serving = start("data", "");
    serving.post(&race());
    serving.post(&view(1, "a"));
    serving.kill();
    let clock = clock_ahead(400);
    let serving = start("data", &format!("{clock} --history-acl public-read"));
    wait_for("the race is finished", || serving.get("/v1/races")["rows"][0]["state"] == "over");
    let expected_answers = answers(&serving);
    wait_for("all events are archived", || has_no_segments(&place.path("data")));
    assert_eq!(serving.stop(), 0);
    assert_eq!(server.keys("races", "archive/").len(), 1);

    // The bucket has the object that the service serves, readable by everybody.
    let published = server.get("races", "history/class-1.gz");
    assert!(published == fs::read(place.path("data/history/class-1.gz")).unwrap());
    let (content_type, version) = server.metadata("races", "history/class-1.gz");
    assert_eq!(content_type, "application/gzip");
    assert!(version.unwrap().parse::<u64>().unwrap() > now_ms());
    assert!(server.is_public("races", "history/class-1.gz"));

    // Another machine has only the bucket.
    let serving = start("another", &clock);
    wait_for("the race is finished", || serving.get("/v1/races")["rows"][0]["state"] == "over");
    assert_eq!(answers(&serving), expected_answers);
    assert_eq!(serving.stop(), 0);

    // A replay of the bucket equals one of a directory with the same objects, on any number of workers.
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
fn reads_plain_and_gzip_objects_like_files() {
    let (server, place) = (S3::start(), Workplace::new());
    server.create("races");
    let environment: Vec<_> = server.environment().collect();
    // Three chunks, whose boundaries are within lines.
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
    let rejected = &place.json_lines("by-objects/rejected.jsonl")[0];
    assert_eq!((&rejected["file"], &rejected["line"]), (&"s3://races/in/small".into(), &2.into()));
}

#[test]
fn errors_at_startup_are_one_line_and_exit_status_2() {
    let (server, place) = (S3::start(), Workplace::new());
    let environment: Vec<_> = server.environment().collect();
    let message = |environment: Environment<'_>, arguments: &str| {
        let stderr = startup_error_in(environment, &place.path("data"), arguments);
        // On a busy machine, the attempts take so long that the command reports the wait before the error.
        let is_error = |line: &&str| !line.contains("; still trying; ");
        let errors: Vec<_> = stderr.lines().filter(is_error).collect();
        assert_eq!(errors.len(), 1, "{stderr}");
        errors[0].to_owned()
    };
    let archive = "--archive s3://races/archive";
    let anonymous = [("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_REGION", "us-east-1")];
    let error = message(&anonymous[..1], archive);
    assert!(error.contains("'s3://races/archive/': no AWS region is set"), "{error}");
    let error = message(&anonymous, archive);
    assert!(
        error.contains("no AWS credentials: no credentials found in chain; set AWS_"),
        "{error}"
    );
    for place in [archive, "--history s3://races/archive"] {
        let error = message(&environment, place);
        let missing = "cannot list 's3://races/archive/': there is no bucket 'races'";
        assert!(error.contains(missing), "{error}");
    }
    let denied = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    let denied = serve_response("403 Forbidden", "", denied);
    // The flag takes precedence over the environment.
    let error = message(&environment, &format!("{archive} --endpoint-url {denied}"));
    assert!(error.contains("no permission in the bucket 'races'"), "{error}");
    let error = message(&environment, &format!("{archive} --endpoint-url http://127.0.0.1:1"));
    assert!(error.contains("no connection"), "{error}");
    let error = message(&environment, "--history-acl public-read --history here");
    assert!(error.contains("--history-acl needs an s3:// --history"), "{error}");
    let ended = place.run_with("replay s3://races/a --out out", &environment, b"");
    assert_eq!((ended.code, ended.stderr.lines().count()), (2, 1), "{}", ended.stderr);
}

#[test]
fn an_unavailable_bucket_is_reported_and_catches_up_when_it_returns() {
    let (server, place) = (S3::start(), Workplace::new());
    server.create("races");
    let environment: Vec<_> = server.environment().collect();
    // A segment is closed after a second, and the history is published once per second.
    let clock = format!("--clock-speed 60 --clock-from {}", now_ms());
    let data = place.path("data");
    let serving = ServiceProcess::start_in(&environment, &data, &format!("{BUCKET} {clock}"));
    server.delete("races");
    serving.post(&race());
    let ready = || get(&format!("{}/readyz", serving.url));
    wait_for("archive and history fail", || {
        let (status, body) = ready();
        let reasons = body["reasons"].to_string();
        let fails =
            |part: &str| reasons.contains(&format!("\"{part}: cannot write 's3://races/{part}/"));
        status == 503 && fails("archive") && fails("history")
    });
    server.create("races");
    wait_for("the service is ready", || ready().0 == 200);
    wait_for("all events are archived", || has_no_segments(&data));
    wait_for("the history is published", || !server.keys("races", "history/").is_empty());
    assert_eq!(serving.stop(), 0);
}

#[test]
fn an_older_history_does_not_replace_a_newer_one() {
    let (server, place) = (S3::start(), Workplace::new());
    server.create("races");
    let environment: Vec<_> = server.environment().collect();
    // A race finishes after six seconds of wall time.
    let serve = |data: &str, since: u64| {
        let arguments = format!("--history s3://races --clock-speed 60 --clock-from {since}");
        let serving = ServiceProcess::start_in(&environment, &place.path(data), &arguments);
        serving.post(&race());
        serving
    };
    let newer = serve("newer", now_ms() - 60_000);
    wait_for("the history is published", || !server.keys("races", "class-").is_empty());
    assert_eq!(newer.stop(), 0);
    let newer_object = server.metadata("races", "class-1.gz");
    let older = serve("older", now_ms());
    wait_for("the newer object is logged", || {
        older.log().contains("newer history object that is already in the bucket")
    });
    wait_for("the race is finished", || older.get("/v1/races")["rows"][0]["state"] == "over");
    assert_eq!(older.stop(), 0);
    assert_eq!(server.metadata("races", "class-1.gz"), newer_object);
}
