//! Streams that are not there, are others than before, or go while they are read.

use std::fs;
use std::path::Path;

use super::servers::Kinesis;
use super::source::{put_view, start, views};
use crate::run::Workplace;
use crate::serving::{get, now_ms, refusal_in, wait_for};

/// What `velodrome serve --source kinesis:races` says that refuses to start.
fn refusal(kinesis: &Kinesis, data: &Path) -> String {
    refusal_in(&kinesis.environment().collect::<Vec<_>>(), data, "--source kinesis:races")
}

#[test]
fn a_stream_that_cannot_be_read_is_refused_at_the_start_in_one_line() {
    let (place, kinesis) = (Workplace::new(), Kinesis::start());
    let data = place.path("data");
    let missing = refusal(&kinesis, &data);
    let expected = "no such stream 'races' in region 'us-east-1': ";
    assert!(missing.contains(expected) && missing.trim().lines().count() == 1, "{missing}");

    let without = |removed: &[&str]| {
        let environment =
            kinesis.environment().map(|(name, value)| match removed.contains(&name) {
                true => (name, ""),
                false => (name, value),
            });
        // Where a machine has its own, which these tests must not find.
        let nowhere = ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"].map(|n| (n, "/dev/null"));
        let environment: Vec<_> = environment.chain(nowhere).collect();
        refusal_in(&environment, &data, "--source kinesis:races")
    };
    let none = without(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]);
    assert!(none.contains("no AWS credentials: "), "{none}");
    let none = without(&["AWS_REGION"]);
    assert!(none.contains("no AWS region is set"), "{none}");

    let nobody = format!("--source kinesis:races --endpoint-url http://127.0.0.1:{}", 9);
    let told = refusal_in(&kinesis.environment().collect::<Vec<_>>(), &data, &nobody);
    let expected = "cannot reach Kinesis for stream 'races' in region 'us-east-1': no connection";
    assert!(told.contains(expected), "{told}");
}

/// What tells a stream from others of its name is the second when it was made.
fn wait_for_the_next_second() {
    let second = now_ms() / 1_000;
    wait_for("the next second", || now_ms() / 1_000 > second);
}

#[test]
fn another_stream_of_the_same_name_or_data_is_refused_with_what_to_do() {
    let (place, kinesis) = (Workplace::new(), Kinesis::start());
    let data = place.path("data");
    kinesis.create("races", 1);
    put_view(&kinesis, "a");
    let serving = start(&kinesis, &data, "");
    wait_for("the view is taken", || views(&serving) == 1);
    assert_eq!(serving.stop(), 0);

    kinesis.create("other", 1);
    let other =
        refusal_in(&kinesis.environment().collect::<Vec<_>>(), &data, "--source kinesis:other");
    assert!(other.contains("give --source kinesis:races or another --data"), "{other}");
    kinesis.delete("races");
    wait_for_the_next_second();
    kinesis.create("races", 1);
    put_view(&kinesis, "b");
    let again = refusal(&kinesis, &data);
    assert!(again.contains("the stream 'races' in region 'us-east-1' was created at "), "{again}");
    assert!(again.contains("remove the file to read the new one"), "{again}");
    fs::remove_file(data.join("positions.json")).unwrap();
    let serving = start(&kinesis, &data, "");
    wait_for("the view of the new one is taken", || views(&serving) == 2);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_stream_that_goes_while_it_is_read_keeps_the_service_from_being_ready() {
    let (place, kinesis) = (Workplace::new(), Kinesis::start());
    kinesis.create("races", 1);
    put_view(&kinesis, "a");
    let serving = start(&kinesis, &place.path("data"), "");
    wait_for("the view is taken", || views(&serving) == 1);
    kinesis.delete("races");
    let is_told = |what: &str| {
        let (status, ready) = get(&format!("{}/readyz", serving.url));
        status == 503 && ready["reasons"].to_string().contains(what)
    };
    wait_for("it is told", || is_told("source: no such stream 'races' in region 'us-east-1'"));
    // What it has is served all the same.
    assert_eq!(views(&serving), 1);
    wait_for_the_next_second();
    kinesis.create("races", 1);
    wait_for("it is told that it is another one", || is_told("positions.json"));
    assert_eq!(serving.stop(), 0);
}
