//! Partitions that overlap in time, merged by their event clocks.

use std::thread;

use crate::cluster::hosts;
use crate::run::{Workplace, contents, gzip, sample};

/// Two hours and a half of racing in one file, and spread over three partitions: a file, gzip, and a directory
/// of two files.
fn partitioned() -> Workplace {
    let place = Workplace::new();
    let arguments = "--hours 2.5 --racers 40 --concurrent 10 --duplicates 0.02 --views 0.2";
    let ended = place.run(&format!("simulate {arguments} --out all.jsonl"));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let text = std::fs::read_to_string(place.path("all.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // Runs of one to seven lines, so that each ride is in all partitions.
    let mut parts = [const { Vec::new() }; 3];
    for (number, line) in lines.iter().enumerate() {
        parts[number * number % 11 % 3].push(*line);
    }
    let [first, second, third] = parts;
    place.write("1.jsonl", first.join("\n"));
    place.write("2.gz", gzip(second.join("\n").as_bytes()));
    let (before, after) = third.split_at(third.len() / 3);
    place.write("3/a.jsonl", before.join("\n"));
    place.write("3/b.jsonl", after.join("\n"));
    place
}

const PARTITIONS: &str = "1.jsonl 2.gz 3";

#[test]
fn merged_partitions_give_the_results_of_one_sorted_file() {
    let place = partitioned();
    let file = std::fs::read_to_string(place.path("3/a.jsonl")).unwrap();
    place.write("3/a.jsonl", file.replacen('\n', "\nnot json\n", 1));
    let all = place.run("replay all.jsonl --out all");
    assert_eq!(all.code, 0, "{}", all.stderr);
    let apart = place.run(&format!("replay {PARTITIONS} --out apart"));
    assert_eq!(apart.code, 0, "{}", apart.stderr);
    assert!(place.json("apart/summary.json")["late"].as_u64().unwrap() > 1000);

    let ended = place.run_both(&format!("{PARTITIONS} --merge --out out"), &[], b"");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let (one, merged) = (contents(&place.path("all")), contents(&place.path("out")));
    for name in ["results.jsonl", "leaderboard.json", "views.json"] {
        let name = std::path::Path::new(name);
        assert!(one[name] == merged[name], "{}", name.display());
    }
    let verified = place.run("verify all out");
    let mut different = verified.stdout.lines().filter(|line| !line.contains(": equal"));
    assert!(different.next().unwrap().starts_with("rejected.jsonl"), "{}", verified.stdout);
    let (expected, summary) = (place.json("all/summary.json"), place.json("out/summary.json"));
    for count in ["events", "late", "rides", "records"] {
        assert_eq!(expected[count], summary[count], "{count}");
    }
    assert_eq!(summary["rejected"], 1);
    let dead_letter = &place.json_lines("out/rejected.jsonl")[0];
    assert_eq!((&dead_letter["file"], &dead_letter["line"]), (&"3/a.jsonl".into(), &2.into()));

    place.write("hosts", hosts());
    thread::scope(|scope| {
        for process in [0, 1] {
            let place = &place;
            scope.spawn(move || {
                let cluster = format!("-n 2 -p {process} --hosts hosts -w 2");
                let run = format!("replay {PARTITIONS} --merge --out by-two {cluster}");
                let ended = place.run(&run);
                assert_eq!(ended.code, 0, "{}", ended.stderr);
            });
        }
    });
    assert_eq!(contents(&place.path("out")), contents(&place.path("by-two")));
}

#[test]
fn merged_partitions_have_results_as_of_a_time() {
    let place = partitioned();
    let lines = place.json_lines("all.jsonl");
    let first = lines[0]["deviceTimestamp"].as_u64().unwrap();
    for after in [0, 77_777, 4_000_000, 100_000_000] {
        let as_of = format!("--as-of {}", first + after);
        let all = place.run(&format!("replay all.jsonl --out all {as_of}"));
        assert_eq!(all.code, 0, "{}", all.stderr);
        let ended = place.run_both(&format!("{PARTITIONS} --merge --out out {as_of}"), &[], b"");
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let verified = place.run("verify all out");
        assert_eq!(verified.code, 0, "{after}: {}", verified.stdout);
    }
}

#[test]
fn each_partition_has_a_clock_of_its_own_and_ties_are_in_the_order_of_the_paths() {
    let place = Workplace::new();
    // The first sample of a ride decides when it closes. At equal times, it is the one in the first path.
    place.write("a", sample(1000, 5, 9, 0.0));
    place.write("b", sample(1000, 5, 1, 0.0));
    let closes_at = |seconds: u64| 1000 + (300 - seconds + 60) * 1000;
    let repair = 3_600_000;
    for (paths, first) in [("a b", 9), ("b a", 1)] {
        for (after, late) in [(0, 0), (1, 1)] {
            let arrival = format!(r#","arrivalTimestamp":{}}}"#, closes_at(first) + repair + after);
            place.write("c", sample(1, 5, 2, 0.0).replace('}', &arrival));
            let ended = place.run_both(&format!("{paths} c --merge --out out"), &[], b"");
            assert_eq!(ended.code, 0, "{}", ended.stderr);
            assert_eq!(place.json("out/summary.json")["late"], late, "{paths} {after}");
        }
    }
}

#[test]
fn damage_in_one_partition_leaves_the_others_complete() {
    let place = partitioned();
    let bytes = std::fs::read(place.path("2.gz")).unwrap();
    place.write("2.gz", &bytes[..bytes.len() / 2]);
    let ended = place.run_both(&format!("{PARTITIONS} --merge --out out"), &[], b"");
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let letters = place.json_lines("out/rejected.jsonl");
    assert!(letters.iter().any(|letter| letter["file"] == "2.gz"), "{letters:?}");
}

#[test]
fn more_partitions_than_the_limit_are_refused() {
    let place = Workplace::new();
    place.write("a", "");
    let ended = place.run(&format!("replay {} --merge --out out", "a ".repeat(257)));
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("at most 256"), "{}", ended.stderr);
}
