//! Streams that do not exist, have been replaced, or are deleted while they are read.

use std::fs;
use std::path::Path;

use super::servers::Kinesis;
use super::source::{put_view, start, views};
use crate::run::Workplace;
use crate::serving::{get, now_ms, startup_error_in, wait_for};

/// The error of a `velodrome serve --source kinesis:races` that fails to start.
fn startup_error(kinesis: &Kinesis, data: &Path) -> String {
    startup_error_in(&kinesis.environment().collect::<Vec<_>>(), data, "--source kinesis:races")
}

#[test]
fn errors_at_startup_are_one_line() {
    let (place, kinesis) = (Workplace::new(), Kinesis::start());
    let data = place.path("data");
    let missing = startup_error(&kinesis, &data);
    let expected = "no such stream 'races' in region 'us-east-1': ";
    assert!(missing.contains(expected) && missing.trim().lines().count() == 1, "{missing}");

    let without = |removed: &[&str]| {
        let environment =
            kinesis.environment().map(|(name, value)| match removed.contains(&name) {
                true => (name, ""),
                false => (name, value),
            });
        // The machine's own configuration must not be used.
        let no_files = ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"].map(|n| (n, "/dev/null"));
        let environment: Vec<_> = environment.chain(no_files).collect();
        startup_error_in(&environment, &data, "--source kinesis:races")
    };
    let none = without(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]);
    assert!(none.contains("no AWS credentials: "), "{none}");
    let none = without(&["AWS_REGION"]);
    assert!(none.contains("no AWS region is set"), "{none}");

    let unreachable = format!("--source kinesis:races --endpoint-url http://127.0.0.1:{}", 9);
    let error = startup_error_in(&kinesis.environment().collect::<Vec<_>>(), &data, &unreachable);
    let expected = "cannot reach Kinesis for stream 'races' in region 'us-east-1': no connection";
    assert!(error.contains(expected), "{error}");
}

/// The local server rounds the creation time, which identifies a stream, to seconds.
fn wait_for_the_next_second() {
    let second = now_ms() / 1_000;
    wait_for("the next second", || now_ms() / 1_000 > second);
}

#[test]
fn rejects_another_stream_with_the_same_name_or_data_directory() {
    let (place, kinesis) = (Workplace::new(), Kinesis::start());
    let data = place.path("data");
    kinesis.create("races", 1);
    put_view(&kinesis, "a");
    let serving = start(&kinesis, &data, "");
    wait_for("the view is counted", || views(&serving) == 1);
    assert_eq!(serving.stop(), 0);

    kinesis.create("other", 1);
    let other = startup_error_in(
        &kinesis.environment().collect::<Vec<_>>(),
        &data,
        "--source kinesis:other",
    );
    assert!(other.contains("give --source kinesis:races or another --data"), "{other}");
    kinesis.delete("races");
    wait_for_the_next_second();
    kinesis.create("races", 1);
    put_view(&kinesis, "b");
    let again = startup_error(&kinesis, &data);
    assert!(again.contains("the stream 'races' in region 'us-east-1' was created at "), "{again}");
    assert!(again.contains("remove the file to read the new stream"), "{again}");
    fs::remove_file(data.join("positions.json")).unwrap();
    let serving = start(&kinesis, &data, "");
    wait_for("the view from the new stream is counted", || views(&serving) == 2);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_stream_that_is_deleted_makes_the_service_unready() {
    let (place, kinesis) = (Workplace::new(), Kinesis::start());
    kinesis.create("races", 1);
    put_view(&kinesis, "a");
    let serving = start(&kinesis, &place.path("data"), "");
    wait_for("the view is counted", || views(&serving) == 1);
    kinesis.delete("races");
    let is_reported = |reason: &str| {
        let (status, ready) = get(&format!("{}/readyz", serving.url));
        status == 503 && ready["reasons"].to_string().contains(reason)
    };
    wait_for("the deletion is reported", || {
        is_reported("source: no such stream 'races' in region 'us-east-1'")
    });
    // Reads still work.
    assert_eq!(views(&serving), 1);
    wait_for_the_next_second();
    kinesis.create("races", 1);
    wait_for("the new stream is reported", || is_reported("positions.json"));
    assert_eq!(serving.stop(), 0);
}
