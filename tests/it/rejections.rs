//! What a run says of rejected lines, damaged inputs and late events.

use crate::run::{Workplace, gzip, sample};

const HOUR_MS: u64 = 3_600_000;

/// A sample of second 1 that arrived at a time.
fn arrived(racer: u32, second: u16, ms: u64) -> String {
    let arrival = format!(r#","arrivalTimestamp":{ms}}}"#);
    sample(9, racer, second, 0.0).replace('}', &arrival)
}

#[test]
fn a_run_that_accepts_nothing_fails_and_says_why() {
    let place = Workplace::new();
    place.write("in.jsonl", "{\"event\":\"\u{9b}31m\"}\n\nnot json\n{\"event\":7}\n");
    for command in ["replay", "batch", "compare --rules rules.toml"] {
        place.write("rules.toml", "");
        let out = command.split(' ').next().unwrap();
        let ended = place.run(&format!("{command} in.jsonl --out {out}"));
        assert_eq!(ended.code, 1, "{command}: {}", ended.stderr);
        for line in [
            "rejected               3",
            "                       2  event must be \"update\", \"final\", \"view\" or \"watch\"",
            "                          such as line 1 of 'in.jsonl': {\"event\":\"\\u{9b}31m\"}",
            "                       1  not a JSON object",
            "                          such as line 3 of 'in.jsonl': not json",
        ] {
            assert!(ended.stdout.lines().any(|found| found == line), "{line}: {}", ended.stdout);
        }
        assert!(!ended.stdout.contains('\u{9b}'), "{}", ended.stdout);
        assert!(ended.stdout.contains("rejected.jsonl"), "{}", ended.stdout);
        let reasons = &place.json(&format!("{out}/summary.json"))["rejections"]["reasons"];
        assert_eq!((&reasons[0]["lines"], &reasons[1]["line"]), (&2.into(), &3.into()));
    }
    // An empty input is complete.
    place.write("in.jsonl", "\n");
    assert_eq!(place.run("replay in.jsonl --out replay").code, 0);
}

#[test]
fn repeated_reasons_are_sampled_and_the_counts_remain_exact() {
    let place = Workplace::new();
    let lines: Vec<_> = (0..25_000).map(|number| format!("{{\"event\":{number}}}")).collect();
    place.write("in.jsonl", lines.join("\n") + "\n[]\n" + &sample(9, 1, 1, 0.0));
    let ended = place.run_both("in.jsonl --out out", &[], b"");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let letters = place.json_lines("out/rejected.jsonl");
    // 1,000, then each tenth up to 10,000, then each hundredth, and one of the other reason.
    assert_eq!(letters.len(), 1000 + 900 + 150 + 1);
    assert_eq!((&letters[1000]["line"], &letters[2050]["line"]), (&1010.into(), &25_001.into()));
    let said = "rejected.jsonl has 2,051 of 25,001: of repeated reasons only some";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);
    assert_eq!(place.json("out/summary.json")["rejected"], 25_001);
}

#[test]
fn damaged_inputs_are_named_with_their_reason() {
    let place = Workplace::new();
    let bytes = gzip((sample(9, 1, 1, 0.0) + "\n").repeat(50).as_bytes());
    place.write("whole.gz", &bytes);
    place.write("cut.gz", &bytes[..bytes.len() - 12]);
    let ended = place.run_both("cut.gz whole.gz --out out", &[], b"");
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let line = ended.stdout.lines().find(|line| line.starts_with("  'cut.gz', cut short at line "));
    assert!(line.is_some(), "{}", ended.stdout);
    assert!(!ended.stdout.contains("  'whole.gz'"), "{}", ended.stdout);
}

#[test]
fn more_than_one_per_cent_of_late_events_is_a_warning() {
    let place = Workplace::new();
    for (late, is_warned) in [(1, false), (2, true)] {
        let first = (1..=101 - late).map(|racer| arrived(racer, 1, HOUR_MS));
        let jump = arrived(1000, 1, 9 * HOUR_MS);
        let after = (1..=late).map(|racer| arrived(racer, 2, 9 * HOUR_MS));
        place.write("in", first.chain([jump]).chain(after).collect::<Vec<_>>().join("\n"));
        let ended = place.run_both("in --out out", &[], b"");
        assert_eq!(ended.code, 0);
        assert_eq!(place.json("out/summary.json")["late"], late);
        let words = "of the events are late; either inputs overlap in time, then read them side by side with --merge";
        assert_eq!(ended.stderr.contains(words), is_warned, "{}", ended.stderr);
    }
}

#[test]
fn a_number_in_another_unit_than_ms_is_refused_as_a_time() {
    let place = Workplace::new();
    place.write("in", sample(9, 1, 1, 0.0));
    for (time, part) in [
        ("1620240001", "looks like seconds since the epoch; give milliseconds: 1620240001000"),
        ("1620240001000000", "looks like micro- or nanoseconds"),
        ("tomorrow", "2026-01-31T19:00:00+01:00"),
    ] {
        let ended = place.run(&format!("replay in --out out --as-of {time}"));
        assert_eq!(ended.code, 2);
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
    let ended = place.run("replay in --out out --as-of 1970-01-01T01:00:00.009+01:00");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains("as of     1970-01-01T00:00:00.009Z"), "{}", ended.stdout);
    assert_eq!(place.json("out/summary.json")["events"], 1);
}
