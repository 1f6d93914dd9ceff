//! Where a service starts reading a stream for the first time.

use serde_json::Value;

use super::super::servers::Kinesis;
use super::{logged, put_view, start, views};
use crate::run::Workplace;
use crate::serving::{now_ms, wait_for};

#[test]
fn latest_reads_only_records_that_arrive_from_then_on() {
    let (place, kinesis) = (Workplace::new(), Kinesis::start());
    kinesis.create("races", 2);
    (0..10).for_each(|number| put_view(&kinesis, &format!("old-{number}")));
    let serving = start(&kinesis, &place.path("data"), "--source-from latest");
    let mut put = 0;
    wait_for("a view is counted", || {
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
fn starts_at_a_time_and_then_resumes_at_its_position() {
    let (place, kinesis) = (Workplace::new(), Kinesis::start_slow());
    kinesis.create("races", 3);
    put_view(&kinesis, "old");
    let before = now_ms() + 2;
    wait_for("time advances", || now_ms() > before);
    put_view(&kinesis, "new");
    let data = place.path("data");
    let serving = start(&kinesis, &data, &format!("--source-from {before}"));
    wait_for("the view is counted", || views(&serving) == 1);
    assert_eq!(serving.stop(), 0);
    // The flag is ignored once there are positions.
    let serving = start(&kinesis, &data, "--source-from trim-horizon");
    put_view(&kinesis, "newer");
    wait_for("the next view is counted", || views(&serving) == 2);
    assert_eq!(serving.stop(), 0);
    let uuids: Vec<_> = logged(&data).into_iter().map(|event| event["uuid"].clone()).collect();
    assert_eq!(uuids, ["new", "newer"]);
}
