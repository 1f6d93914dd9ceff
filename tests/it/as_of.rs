//! Results as of a time, and the event clock, which does not depend on the rules.

use crate::golden::alleycat;
use crate::run::{Workplace, gzip, sample, view};

const HOUR: u64 = 3_600_000;

/// A sample after the last second of a race under the default rules.
fn after_the_end(device_ms: u64, racer: u32) -> String {
    sample(device_ms, racer, 301, 0.0)
}

#[test]
fn a_line_after_the_end_of_the_race_votes_on_a_gap() {
    // A line that is rejected only for its second still has a time; other rejected lines have none. With its
    // vote, two racers agree on the time after the gap and one does not.
    let night = 8 * HOUR;
    let bad_class = after_the_end(night, 9).replace("\"classId\":1", "\"classId\":0");
    let too_far = sample(night, 9, 3601, 0.0);
    for (line, rejected, late) in [
        (after_the_end(night, 9), 1, 1),
        (bad_class, 1, 0),
        (too_far, 1, 0),
        (sample(night, 9, 300, 0.0), 0, 1),
    ] {
        let place = Workplace::new();
        let night = |racer| sample(night, racer, 1, 0.0);
        let summary =
            place.results(&[sample(0, 5, 1, 0.0), night(7), line.clone(), sample(0, 5, 2, 0.0)]);
        assert_eq!(
            (&summary["rejected"], &summary["late"]),
            (&rejected.into(), &late.into()),
            "{line}"
        );
        let dead_letters = place.json_lines("out/rejected.jsonl");
        assert_eq!(dead_letters.len(), rejected);
        for dead_letter in dead_letters {
            assert_eq!(
                (&dead_letter["line"], &dead_letter["text"]),
                (&3.into(), &line.as_str().into())
            );
        }
    }
}

#[test]
fn a_line_after_the_end_of_the_race_moves_the_clock() {
    let place = Workplace::new();
    // The line moves the clock to more than an hour after the end of the first ride.
    let arrival = format!(r#","arrivalTimestamp":{}}}"#, 3 * HOUR);
    let line = after_the_end(0, 9).replace('}', &arrival);
    let summary = place.results(&[sample(0, 5, 1, 0.0), line, sample(1, 5, 2, 0.0)]);
    assert_eq!((&summary["late"], &summary["rejected"]), (&1.into(), &1.into()));
    let reason = &place.json_lines("out/rejected.jsonl")[0]["reason"];
    assert_eq!(reason, "second is 301; it must be an integer from 1 to 300");
}

#[test]
fn batch_and_replay_of_the_golden_data_agree_at_every_time() {
    let golden = alleycat();
    let events = golden.join("events.jsonl.gz");
    let place = Workplace::new();
    let all = place.run(&format!("batch {} --out all", events.display()));
    assert_eq!(all.code, 0, "{}", all.stderr);
    let (mut rides, mut accepted) = (Vec::new(), Vec::new());
    let first = 1_620_240_001_000_u64;
    for at in [0, 150_000, 358_000, 359_000, 360_500, 700_000, 10 * HOUR].map(|after| first + after)
    {
        let arguments = format!("{} --out out --as-of {at}", events.display());
        let ended = place.run_both(&arguments, &[], b"");
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let summary = place.json("out/summary.json");
        assert_eq!(summary["asOf"], at);
        rides.push(summary["rides"].as_u64().unwrap());
        accepted.push(summary["events"].as_u64().unwrap());
    }
    assert!(accepted.is_sorted() && accepted[0] < accepted[1], "{accepted:?}");
    assert!(rides.is_sorted() && rides[1] == 0 && rides[4] > 0, "{rides:?}");
    assert_eq!(accepted.last(), Some(&64_800));
    let verified = place.run("verify all out");
    assert_eq!(verified.code, 0, "{}", verified.stdout);
}

#[test]
fn lines_after_the_time_are_neither_counted_nor_rejected() {
    let place = Workplace::new();
    let last = sample(2000, 5, 2, 1.0).replace("update", "final");
    let before =
        [sample(1000, 5, 1, 0.5), view(1500, "a"), "bad".to_owned(), last, after_the_end(2000, 5)];
    let after =
        [sample(2001, 6, 1, 0.0), "worse".to_owned(), view(2002, "b"), after_the_end(2003, 1)];
    place.write("1.jsonl", before.join("\n"));
    place.write("2.jsonl", after.join("\n"));
    place.write("3.gz", &gzip(sample(9, 1, 1, 0.0).as_bytes())[..20]);
    let ended =
        place.run_both("1.jsonl 2.jsonl 3.gz --out out --as-of 1970-01-01T00:00:02Z", &[], b"");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let summary = place.json("out/summary.json");
    let counts = ["asOf", "events", "rejected", "damaged", "rides", "records"]
        .map(|field| summary[field].as_u64().unwrap());
    assert_eq!(counts, [2000, 3, 2, 0, 0, 0]);
    let lines: Vec<_> =
        place.json_lines("out/rejected.jsonl").iter().map(|l| l["line"].clone()).collect();
    assert_eq!(lines, [3, 5]);
    // A final event counts immediately, and its ride when it closes.
    assert_eq!(place.json("out/leaderboard.json")["class-1"]["5"]["output"], 66.0);
    assert_eq!(place.json("out/views.json")["p"]["views"], 1);
    assert_eq!(place.json_lines("out/results.jsonl").len(), 0);
}

#[test]
fn a_ride_closes_at_the_next_whole_second() {
    // The sample at 1,500 ms, then 299 s of the race and 60 s of grace: 360,500 ms.
    for (at, rides) in [(360_999, 0), (361_000, 1)] {
        let place = Workplace::new();
        place.write("in.jsonl", sample(1500, 5, 1, 0.0));
        let ended = place.run_both(&format!("in.jsonl --out out --as-of {at}"), &[], b"");
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let summary = place.json("out/summary.json");
        assert_eq!(
            (&summary["rides"], &summary["records"]),
            (&rides.into(), &rides.into()),
            "{at}"
        );
    }
}

#[test]
fn an_invalid_time_is_refused() {
    let place = Workplace::new();
    place.write("in.jsonl", "");
    for command in ["batch", "replay"] {
        let ended = place.run(&format!("{command} in.jsonl --out out --as-of yesterday"));
        assert_eq!(ended.code, 2);
        assert!(ended.stderr.contains("2026-01-31T18:00:00Z"), "{}", ended.stderr);
    }
}
