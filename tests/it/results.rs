//! From files to results, by `replay` and `batch`.

use serde_json::json;

use crate::run::{Workplace, gzip, sample, view};

const MINUTE: u64 = 60_000;
const DAY: u64 = 1440 * MINUTE;

#[test]
fn writes_rides_records_leaderboard_and_views() {
    let place = Workplace::new();
    let last = sample(1003, 5, 3, 1.0).replace("update", "final").replace('}', r#","name":"Ada"}"#);
    let watch = view(1004, "b").replace("view", "watch").replace(r#""p""#, r#""q""#);
    let summary = place.results(&[
        sample(1000, 5, 1, 0.5),
        sample(1001, 5, 1, 0.25),
        last.clone(),
        last,
        view(1004, "a"),
        view(1004, "a"),
        watch,
    ]);
    let counts =
        ["events", "rejected", "damaged", "late", "rides", "records", "workers", "processes"]
            .map(|field| summary[field].as_u64().unwrap());
    assert_eq!(counts, [7, 0, 0, 0, 1, 2, 3, 1]);
    let ride = json!({"classId": 1, "raceId": 7, "racerId": 5, "name": "Ada", "final": 66.0,
        "best": 66.0, "total": 131.5, "seconds": 2});
    assert_eq!(place.json_lines("out/results.jsonl"), [ride]);
    let leaderboard = json!({"class-1": {"5": {"output": 66.0, "raceId": 7}}});
    assert_eq!(place.json("out/leaderboard.json"), leaderboard);
    let views = json!({"p": {"views": 1, "durationMs": 10}, "q": {"views": 0, "durationMs": 10}});
    assert_eq!(place.json("out/views.json"), views);
}

#[test]
fn reads_directories_gzip_members_and_standard_input_in_order() {
    let place = Workplace::new();
    let members = [gzip(sample(9, 2, 1, 0.0).as_bytes()), gzip(b"\nbad\n")].concat();
    place.write("in/b.gz", members);
    place.write("in/a.jsonl", sample(9, 1, 1, 0.0) + "\nworse");
    for input in [sample(9, 3, 1, 0.0).into_bytes(), gzip(sample(9, 3, 1, 0.0).as_bytes())] {
        let env = [("VELODROME_OUT", "out")];
        let ended = place.run_both("in -", &env, &input);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert!(ended.stdout.starts_with("events"), "{}", ended.stdout);
        let dead_letters = place.json_lines("out/rejected.jsonl");
        let seen: Vec<_> =
            dead_letters.iter().map(|l| (&l["file"], &l["line"], &l["text"])).collect();
        let (first, second) = (json!(["in/a.jsonl", 2, "worse"]), json!(["in/b.gz", 2, "bad"]));
        let expected = [&first, &second].map(|row| (&row[0], &row[1], &row[2]));
        assert_eq!(seen, expected);
        assert_eq!(place.json("out/summary.json")["events"], 3);
    }
}

#[test]
fn reads_a_pipe_like_a_file_and_accepts_empty_inputs() {
    let place = Workplace::new();
    place.write("empty.jsonl", "");
    let lines = sample(9, 3, 1, 0.0) + "\nbad\n" + &view(9, "u");
    for (input, events) in [(lines.into_bytes(), 2), (Vec::new(), 0)] {
        let ended = place.run_both("empty.jsonl /dev/stdin --out out", &[], &input);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert_eq!(place.json("out/summary.json")["events"], events);
    }
}

#[test]
fn succeeds_when_standard_output_is_closed() {
    let place = Workplace::new();
    place.write("in.jsonl", sample(9, 1, 1, 0.0));
    for command in ["batch", "replay"] {
        let mut child = place.spawn(&format!("{command} in.jsonl --out out"));
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    }
}

#[test]
fn accepts_the_complete_lines_before_damage_and_continues_with_the_next_input() {
    let lines: Vec<_> = (1..=300).map(|second| sample(9, 1, second, 0.0)).collect();
    let text = lines.join("\n") + "\n" + &lines[0][..20];
    let whole = gzip(text.as_bytes());
    let mut wrong_sum = whole.clone();
    let crc = whole.len() - 8;
    wrong_sum[crc] ^= 1;
    let cut = whole[..whole.len() - 3].to_vec();
    let garbage = [&gzip((lines.join("\n") + "\n").as_bytes()), &b"garbage"[..]].concat();
    for (bytes, partial) in [(cut, &lines[0][..20]), (wrong_sum, &lines[0][..20]), (garbage, "")] {
        let place = Workplace::new();
        place.write("a.gz", &bytes);
        place.write("b.jsonl", sample(9, 2, 1, 0.0));
        let ended = place.run_both("a.gz b.jsonl --out out", &[], b"");
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        let summary = place.json("out/summary.json");
        let counts =
            ["events", "rejected", "damaged"].map(|field| summary[field].as_u64().unwrap());
        assert_eq!(counts, [301, 0, 1]);
        let dead_letters = place.json_lines("out/rejected.jsonl");
        assert_eq!(dead_letters.len(), 1);
        assert_eq!(
            (&dead_letters[0]["line"], &dead_letters[0]["text"]),
            (&301.into(), &partial.into())
        );
        assert!(dead_letters[0]["reason"].as_str().unwrap().starts_with("input damaged: "));
    }
}

#[test]
fn a_sample_after_the_repair_window_changes_records_but_not_the_result() {
    let closes_at = 1000 + (300 - 1 + 60) * 1000;
    for (after, late, seconds) in [(3_600_000, 0, 2), (3_600_001, 1, 1)] {
        let place = Workplace::new();
        let arrival = format!(r#","arrivalTimestamp":{}}}"#, closes_at + after);
        let last = sample(1, 5, 2, 3.0).replace("update", "final").replace('}', &arrival);
        let summary = place.results(&[sample(1000, 5, 1, 0.0), last]);
        assert_eq!((&summary["late"], &summary["records"]), (&late.into(), &2.into()));
        assert_eq!(place.json_lines("out/results.jsonl")[0]["seconds"], seconds);
        assert_eq!(place.json("out/leaderboard.json")["class-1"]["5"]["output"], 68.0);
    }
}

#[test]
fn counts_the_late_events_of_all_inputs() {
    let place = Workplace::new();
    let at = |second, hour: u64| {
        let arrival = format!(r#","arrivalTimestamp":{}}}"#, hour * 60 * MINUTE);
        sample(1, 5, second, 3.0).replace('}', &arrival)
    };
    place.write("1.jsonl", at(1, 0));
    for second in 2..=4 {
        place.write(&format!("{second}.jsonl"), at(second, 3));
    }
    let ended = place.run_both("1.jsonl 2.jsonl 3.jsonl 4.jsonl --out out", &[], b"");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(place.json("out/summary.json")["late"], 3);
}

#[test]
fn the_clock_follows_a_majority_across_a_gap() {
    // The first ride's second sample is late if the clock has moved. Its racer disagrees with the others.
    for (ahead, late) in [(1, 0), (2, 1), (100, 1)] {
        let place = Workplace::new();
        let night = (0..ahead).map(|i| sample(600 * MINUTE, 1000 + i, 1, 0.0));
        let lines = [sample(0, 5, 1, 0.0)].into_iter().chain(night).chain([sample(0, 5, 2, 0.0)]);
        let summary = place.results(&lines.collect::<Vec<_>>());
        let expected = (&late.into(), &(ahead + 2).into());
        assert_eq!((&summary["late"], &summary["events"]), expected, "{ahead} racers ahead");
    }
}

#[test]
fn accepts_the_events_of_a_gap_that_is_too_short_at_the_end() {
    let place = Workplace::new();
    let summary = place.results(&[sample(0, 5, 1, 0.0), sample(DAY, 6, 1, 0.0)]);
    assert_eq!((&summary["events"], &summary["rides"]), (&2.into(), &2.into()));
}

#[test]
fn counts_a_uuid_again_after_eight_days_of_the_clock() {
    for (day, views) in [(7, 1), (8, 2)] {
        let place = Workplace::new();
        let arrival = format!(r#","arrivalTimestamp":{}}}"#, day * DAY);
        place.results(&[view(9, "a"), view(9, "a"), view(9, "a").replace('}', &arrival)]);
        assert_eq!(place.json("out/views.json")["p"]["views"], views);
    }
}

#[test]
fn reads_the_rules_from_a_file() {
    let place = Workplace::new();
    place.write("rules.toml", "race_seconds = 60\ncadence_offset = 0");
    place.write("in.jsonl", [sample(9, 1, 60, 35.0), sample(9, 1, 61, 0.0)].join("\n"));
    let ended = place.run_both("in.jsonl --out out --rules rules.toml", &[], b"");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(place.json_lines("out/results.jsonl")[0]["best"], 65.0);
    let reason = &place.json_lines("out/rejected.jsonl")[0]["reason"];
    assert_eq!(reason, "second is 61; it must be an integer from 1 to 60");
}

#[test]
fn refuses_invalid_arguments_before_it_writes_anything() {
    let place = Workplace::new();
    place.write("in.jsonl", sample(9, 1, 1, 0.0));
    place.write("rules.toml", "race_second = 60");
    std::fs::create_dir(place.path("empty")).unwrap();
    for (arguments, part) in [
        ("missing --out out", "cannot read 'missing'"),
        ("empty --out out", "'empty' has no files"),
        ("in.jsonl --out in.jsonl", "'in.jsonl' is not a directory"),
        ("in.jsonl --out out --rules rules.toml", "race_second"),
        ("in.jsonl", "--out"),
    ] {
        let ended = place.run_both(arguments, &[], b"");
        assert_eq!(ended.code, 2, "{arguments}");
        assert!(ended.stderr.contains(part), "{arguments}: {}", ended.stderr);
        assert!(!place.path("out").exists(), "{arguments}");
    }
}
