//! `verify` of equal, different and invalid result directories.

use std::fs;

use crate::run::{Exit, Workplace, gzip, sample, view};

/// A workplace with two equal result directories, `a` and `b`.
fn equal() -> Workplace {
    let place = Workplace::new();
    let last = sample(9, 5, 2, 1.0).replace("update", "final");
    place
        .write("in.jsonl", [sample(9, 5, 1, 0.5), last, view(9, "u"), "bad".to_owned()].join("\n"));
    for out in ["a", "b"] {
        assert_eq!(place.run(&format!("batch in.jsonl --out {out}")).code, 0);
    }
    place
}

/// Verifies equal directories after `b/name` was replaced by `bytes`, or removed.
fn changed(name: &str, bytes: Option<&[u8]>) -> Exit {
    let place = equal();
    match bytes {
        Some(bytes) => place.write(&format!("b/{name}"), bytes),
        None => fs::remove_file(place.path(&format!("b/{name}"))).unwrap(),
    }
    place.run("verify a b")
}

#[test]
fn counts_the_rows_of_equal_files() {
    let ended = equal().run("verify a b");
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(
        ended.stdout,
        "history/class-1.gz: equal, 2 rows\nresults.jsonl: equal, 1 rows\n\
         leaderboard.json: equal, 1 rows\nviews.json: equal, 1 rows\nrejected.jsonl: equal, 1 rows\n"
    );
}

#[test]
fn compares_numbers_as_doubles_and_ignores_reasons() {
    let views = br#"{"p": {"durationMs": 1e1, "views": 1.0}}"#;
    let rejected = br#"{"file":"in.jsonl","line":4,"reason":"other","text":"bad"}"#;
    let history = gzip(br#"{"2":{"5":66},"1":{"5":655e-1}}"#);
    for (name, bytes) in
        [("views.json", &views[..]), ("rejected.jsonl", rejected), ("history/class-1.gz", &history)]
    {
        let ended = changed(name, Some(bytes));
        assert_eq!(ended.code, 0, "{name}: {}{}", ended.stdout, ended.stderr);
    }
}

#[test]
fn results_without_events_are_equal() {
    let place = Workplace::new();
    place.write("in.jsonl", "\n");
    for out in ["a", "b"] {
        assert_eq!(place.run(&format!("batch in.jsonl --out {out}")).code, 0);
    }
    let ended = place.run("verify a b");
    assert_eq!(ended.code, 0);
    assert!(ended.stdout.starts_with("history: equal, no classes\n"), "{}", ended.stdout);
}

#[test]
fn prints_the_place_and_both_values_of_a_difference() {
    let ride = r#"{"classId":1,"raceId":7,"racerId":5,"name":"Ada","final":null,"best":66.0,"total":131.5,"seconds":2}"#;
    let dead_letter = r#"{"file":"in.jsonl","line":4,"reason":"other","textBase64":"/w=="}"#;
    for (name, text, difference) in [
        (
            "results.jsonl",
            ride,
            "class 1 race 7 racer 5: left no name final 66 best 66 total 131.5 seconds 2, right name \"Ada\" no final best 66 total 131.5 seconds 2",
        ),
        (
            "results.jsonl",
            "",
            "class 1 race 7 racer 5: left no name final 66 best 66 total 131.5 seconds 2, right missing",
        ),
        (
            "leaderboard.json",
            r#"{"class-1":{"5":{"output":66.00000000000001,"raceId":7}}}"#,
            "class-1 racer 5: left output 66 race 7, right output 66.00000000000001 race 7",
        ),
        (
            "views.json",
            r#"{"p":{"views":1,"durationMs":10},"q":{"views":0,"durationMs":0}}"#,
            "project \"q\": left missing, right views 0 durationMs 0",
        ),
        (
            "rejected.jsonl",
            dead_letter,
            "\"in.jsonl\" line 4: left text \"bad\", right textBase64 \"/w==\"",
        ),
    ] {
        let ended = changed(name, Some(text.as_bytes()));
        assert_eq!(ended.code, 1, "{name}: {}", ended.stderr);
        let line = format!("{name}: {difference}\n");
        assert!(ended.stdout.contains(&line), "{line}{}", ended.stdout);
        assert_eq!(ended.stdout.matches(": equal, ").count(), 4);
    }
    let ended =
        changed("history/class-1.gz", Some(&gzip(br#"{"1":{"5":65.5,"6":0},"2":{"5":66}}"#)));
    assert_eq!(ended.code, 1);
    let line = "history/class-1.gz: second 1 racer 6: left missing, right 0\n";
    assert!(ended.stdout.starts_with(line), "{}", ended.stdout);
}

#[test]
fn distinguishes_long_rejected_lines_by_their_end() {
    let place = Workplace::new();
    for (out, end) in [("a", "x"), ("b", "y")] {
        place.write("in.jsonl", "bad".repeat(1000) + end);
        assert_eq!(place.run(&format!("batch in.jsonl --out {out}")).code, 1);
    }
    let ended = place.run("verify a b");
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    assert!(ended.stdout.contains("badbad\"… (3001 bytes, xxh3 "), "{}", ended.stdout);
}

#[test]
fn reports_a_class_that_exists_on_one_side_only() {
    let ended = changed("history/class-1.gz", None);
    assert_eq!(ended.code, 1);
    let line = "history/class-1.gz: the class: left present, right missing\n";
    assert!(ended.stdout.starts_with(line), "{}", ended.stdout);
    let ended = changed("history/class-9.gz", Some(&gzip(b"{}")));
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.contains("class-9.gz: the class: left missing, right present\n"));
}

#[test]
fn rejects_directories_without_valid_results() {
    let ride = r#"{"classId":1,"raceId":7,"racerId":5,"best":66.0,"total":131.5,"seconds":2}"#;
    let (twice, unknown) = (format!("{ride}\n{ride}\n"), ride.replace("best", "worst"));
    let cut = &gzip(b"{}")[..12];
    for (name, bytes, part) in [
        ("results.jsonl", Some(twice.as_bytes()), "line 2: duplicate key (1, 7, 5)"),
        ("results.jsonl", Some(unknown.as_bytes()), "line 1: unknown field `worst`"),
        ("views.json", Some(b"[]"), "invalid type"),
        ("views.json", None, "cannot read 'b/views.json'"),
        ("rejected.jsonl", Some(b"{"), "line 1"),
        ("history/class-1.gz", Some(cut), "'b/history/class-1.gz' is not a valid result file"),
        ("history/class-1.gz", Some(b"{}"), "'b/history/class-1.gz' is not a valid result file"),
        ("history/class-01.gz", Some(b""), "its name is not class-<classId>.gz"),
    ] {
        let ended = changed(name, bytes);
        assert_eq!(ended.code, 2, "{name} {part}: {}", ended.stdout);
        assert!(ended.stderr.contains(part), "{name} {part}: {}", ended.stderr);
        assert!(ended.stderr.contains("replay or batch"), "{}", ended.stderr);
    }
    let ended = equal().run("verify a missing");
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("cannot read 'missing/history'"), "{}", ended.stderr);
}
