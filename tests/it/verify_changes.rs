//! `verify --changes`: the files of a comparison must report exactly how two results differ.

use std::fs;

use crate::run::{Exit, Workplace, sample};

/// A workplace with two results in `old` and `new`, and their comparison in `changes`.
fn compared() -> Workplace {
    let place = Workplace::new();
    let last = |racer, resistance| sample(9, racer, 2, resistance).replace("update", "final");
    place.write(
        "in.jsonl",
        [sample(9, 5, 1, 0.5), last(5, 1.0), last(6, 2.0), last(7, 3.0)].join("\n"),
    );
    place.write("rules.toml", "excluded_racers = [7]");
    for command in [
        "batch in.jsonl --out old",
        "batch in.jsonl --rules rules.toml --out new",
        "compare in.jsonl --rules rules.toml --out changes --ranks all",
    ] {
        let ended = place.run(command);
        assert_eq!(ended.code, 0, "{command}: {}", ended.stderr);
    }
    place
}

/// Verifies after `change` was applied to the text of a file of the comparison.
fn changed(file: &str, change: impl FnOnce(String) -> String) -> Exit {
    let place = compared();
    let path = place.path(&format!("changes/{file}"));
    let text = fs::read_to_string(&path).unwrap();
    let other = change(text.clone());
    assert_ne!(text, other, "{file}");
    fs::write(path, other).unwrap();
    place.run("verify old new --changes changes")
}

/// Checks that verify fails and prints `reported` after `from` was replaced by `to` in a file.
fn assert_fails(file: &str, from: &str, to: &str, reported: &str) {
    let ended = changed(file, |text| text.replacen(from, to, 1));
    assert_eq!(ended.code, 1, "{file} {to}: {}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains(reported), "{reported}: {}", ended.stdout);
}

#[test]
fn counts_the_changes_of_correct_files() {
    let ended = compared().run("verify old new --changes changes");
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (
            0,
            "changes.jsonl class 1: equal, 3 rows\nleaderboard-changes.json: equal, 3 rows\n\
             results-changes.jsonl: equal, 3 rows\n"
        ),
        "{}",
        ended.stderr
    );
}

#[test]
fn verifies_the_records_that_the_summary_says_are_listed() {
    let place = compared();
    let all = fs::read_to_string(place.path("changes/changes.jsonl")).unwrap();
    let ended = place.run("compare in.jsonl --rules rules.toml --out changes");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let ended = place.run("verify old new --changes changes");
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert!(ended.stdout.starts_with("changes.jsonl class 1: equal, 1 rows\n"), "{}", ended.stdout);
    // The ranks of a record that changes are verified in both cases.
    let records = fs::read_to_string(place.path("changes/changes.jsonl")).unwrap();
    for (text, reported) in [
        (&records.replace("\"oldRank\":1", "\"oldRank\":2"), "right from 68 rank 2"),
        (&all, "racer 5: left missing"),
        (&String::new(), "racer 7: left from 68 rank 1 to nothing, right missing"),
    ] {
        place.write("changes/changes.jsonl", text);
        let ended = place.run("verify old new --changes changes");
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        assert!(ended.stdout.contains(reported), "{reported}: {}", ended.stdout);
    }
    fs::write(place.path("changes/summary.json"), "{}").unwrap();
    let ended = place.run("verify old new --changes changes");
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    assert!(ended.stderr.contains("missing field `ranks`"), "{}", ended.stderr);
}

#[test]
fn fails_for_missing_and_extra_changes() {
    for file in ["changes.jsonl", "results-changes.jsonl"] {
        let ended =
            changed(file, |text| text.lines().skip(1).map(|line| format!("{line}\n")).collect());
        assert_eq!(ended.code, 1, "{file}: {}", ended.stderr);
        assert!(ended.stdout.contains("right missing"), "{}", ended.stdout);
        let ended = changed(file, |text| {
            let line = text.lines().next_back().unwrap().replace("\"racerId\":7", "\"racerId\":8");
            text + &line + "\n"
        });
        assert_eq!(ended.code, 1, "{file}: {}", ended.stderr);
        assert!(ended.stdout.contains("racer 8: left missing"), "{}", ended.stdout);
    }
    let extra = |text: String| {
        text + r#"{"classId":9,"second":1,"racerId":7,"oldOutput":1,"newOutput":2,"oldRank":1,"newRank":1}"#
    };
    let ended = changed("changes.jsonl", extra);
    assert_eq!(ended.code, 1);
    assert!(
        ended.stdout.contains("changes.jsonl class 9: second 1 racer 7: left missing"),
        "{}",
        ended.stdout
    );
    let ended = changed("leaderboard-changes.json", |_| "{}".to_owned());
    assert_eq!(ended.code, 1);
    assert!(
        ended.stdout.contains(
            "class-1 racer 7: left from output 68 race 7 rank 1 to nothing, right missing"
        ),
        "{}",
        ended.stdout
    );
}

#[test]
fn fails_for_a_wrong_rank_output_or_result() {
    assert_fails(
        "changes.jsonl",
        "\"oldRank\":3",
        "\"oldRank\":4",
        "left from 66 rank 3 to 66 rank 2, right from 66 rank 4",
    );
    assert_fails(
        "changes.jsonl",
        "\"oldOutput\":66.0",
        "\"oldOutput\":66.5",
        "right from 66.5 rank 3",
    );
    assert_fails("changes.jsonl", "\"newOutput\":66.0", "\"newOutput\":null", "to nothing");
    assert_fails(
        "leaderboard-changes.json",
        "\"rank\":2",
        "\"rank\":1",
        "leaderboard-changes.json: class-1 racer",
    );
    assert_fails("leaderboard-changes.json", "\"raceId\":7", "\"raceId\":8", "race 8");
    assert_fails("results-changes.jsonl", "\"total\":131.5", "\"total\":131.25", "total 131.25");
    assert_fails("results-changes.jsonl", "\"rank\":3", "\"rank\":null", "no rank");
}

#[test]
fn fails_for_changes_of_other_rules() {
    assert_fails("rules.json", "[7]", "[8]", "rules.json: the rules");
    assert_fails("against.json", "65.0", "66.0", "against.json: the rules");
}

#[test]
fn rejects_files_without_valid_changes() {
    for (file, text, part) in [
        ("changes.jsonl", "{}", "line 1"),
        ("changes.jsonl", &(line(2) + &line(1)), "line 2: its class comes before"),
        ("changes.jsonl", &(line(1) + &line(1)), "duplicate key"),
        ("leaderboard-changes.json", "[]", "leaderboard-changes.json"),
        ("results-changes.jsonl", "{\"worst\":1}", "unknown field"),
    ] {
        let ended = changed(file, |_| text.to_owned());
        assert_eq!(ended.code, 2, "{file} {part}: {}", ended.stdout);
        assert!(ended.stderr.contains(part), "{file} {part}: {}", ended.stderr);
    }
}

/// The line of a changed record of a class.
fn line(class: u16) -> String {
    format!(
        "{{\"classId\":{class},\"second\":1,\"racerId\":7,\"oldOutput\":1,\"newOutput\":2,\"oldRank\":1,\"newRank\":1}}\n"
    )
}
