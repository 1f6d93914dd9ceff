//! `compare`: the changes it reports in one pass must equal the differences of two batches.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cluster::hosts;
use crate::rules::golden_with_devices;
use crate::run::{Workplace, contents, sample, view};

/// The exit status that the outputs `out` deserve: 1 if lines were rejected and none accepted.
fn status(place: &Workplace, out: &str) -> i32 {
    let summary = place.json(&format!("{out}/summary.json"));
    i32::from(summary["events"] == 0 && summary["rejected"] != 0)
}

/// Compares `input` under both sets of rules with each number of workers, and verifies the changes
/// against two batches.
fn check(place: &Workplace, input: &str, more: &str, workers: &[usize]) {
    for (out, rules) in [("old", "old.toml"), ("new", "new.toml")] {
        let ended = place.run(&format!("batch {input} --rules {rules} --out {out} {more}"));
        assert_eq!(ended.code, status(place, out), "{}", ended.stderr);
    }
    for workers in workers {
        let rules = "--rules new.toml --against old.toml";
        for ranks in ["", "--ranks all"] {
            let ended = place.run(&format!(
                "compare {input} {rules} --out w{workers} -w {workers} {more} {ranks}"
            ));
            assert_eq!(ended.code, status(place, &format!("w{workers}")), "{}", ended.stderr);
            let verified = place.run(&format!("verify old new --changes w{workers}"));
            assert_eq!(verified.code, 0, "{}", verified.stdout);
        }
    }
    let first = counted(place, &format!("w{}", workers[0]));
    for workers in workers {
        assert_eq!(first, counted(place, &format!("w{workers}")), "{workers} workers");
    }
    let (_, summary) = first;
    check_lists(place, &summary);
    for side in ["old", "new"] {
        let batch = place.json(&format!("{side}/summary.json"));
        assert_eq!(summary["late"][side], batch["late"]);
        for count in ["records", "rides"] {
            assert_eq!(summary["total"][count][side], batch[count], "{count}");
        }
    }
}

/// The rank and the output of each racer on a board, by output.
fn ranked(outputs: impl Iterator<Item = (u64, f64)>) -> BTreeMap<u64, (u64, f64)> {
    let outputs: Vec<_> = outputs.collect();
    let rank = |output| 1 + outputs.iter().filter(|(_, other)| *other > output).count() as u64;
    outputs.iter().map(|(racer, output)| (*racer, (rank(*output), *output))).collect()
}

/// The first ranks of each race, by class and race, from `results.jsonl`.
fn podiums(place: &Workplace, side: &str) -> BTreeMap<(u64, u64), BTreeMap<u64, (u64, f64)>> {
    let mut races: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in place.json_lines(&format!("{side}/results.jsonl")) {
        let [class, race, racer] =
            ["classId", "raceId", "racerId"].map(|id| row[id].as_u64().unwrap());
        let race = races.entry((class, race)).or_default();
        race.extend(row["final"].as_f64().map(|output| (racer, output)));
    }
    let podium = |finals: Vec<_>| {
        ranked(finals.into_iter()).into_iter().filter(|(_, (rank, _))| *rank <= 3).collect()
    };
    races.into_iter().map(|(race, finals)| (race, podium(finals))).collect()
}

/// The racers in a list of a summary.
fn listed(racers: &Value) -> BTreeMap<u64, (u64, f64)> {
    let row = |row: &Value| {
        let rank = row["rank"].as_u64().unwrap();
        (row["racerId"].as_u64().unwrap(), (rank, row["output"].as_f64().unwrap()))
    };
    racers.as_array().unwrap().iter().map(row).collect()
}

/// Checks the lists of a summary against the results of two batches, in `old` and `new`.
fn check_lists(place: &Workplace, summary: &Value) {
    let ranks = |podium: &BTreeMap<u64, (u64, f64)>, last| -> Vec<_> {
        podium
            .iter()
            .filter(|(_, (rank, _))| *rank <= last)
            .map(|(r, (rank, _))| (*r, *rank))
            .collect()
    };
    let [mut old, mut new] = ["old", "new"].map(|side| podiums(place, side));
    let races: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    let mut expected: BTreeMap<u64, Vec<_>> = BTreeMap::new();
    for (class, race) in races {
        let [old, new] =
            [&mut old, &mut new].map(|side| side.remove(&(class, race)).unwrap_or_default());
        if ranks(&old, 3) != ranks(&new, 3) {
            let has_new_winner = ranks(&old, 1) != ranks(&new, 1);
            expected.entry(class).or_default().push((race, has_new_winner, old, new));
        }
    }
    let leaderboards = ["old", "new"].map(|side| place.json(&format!("{side}/leaderboard.json")));
    for (class, of_class) in summary["classes"].as_object().unwrap() {
        let changes = of_class["podiumChanges"].as_array().unwrap().iter();
        let mut changes: Vec<_> = changes
            .map(|race| {
                let winner = race["winnerChanged"].as_bool().unwrap();
                (
                    race["raceId"].as_u64().unwrap(),
                    winner,
                    listed(&race["old"]),
                    listed(&race["new"]),
                )
            })
            .collect();
        assert!(changes.is_sorted_by_key(|(race, winner, ..)| (!winner, *race)));
        changes.sort_by_key(|(race, ..)| *race);
        let expected = expected.remove(&class.parse().unwrap()).unwrap_or_default();
        assert_eq!(changes, expected, "class {class}");

        let [old, new] = leaderboards.each_ref().map(|leaderboard| {
            let rows = leaderboard[format!("class-{class}")].as_object().into_iter().flatten();
            ranked(
                rows.map(|(racer, row)| (racer.parse().unwrap(), row["output"].as_f64().unwrap())),
            )
        });
        let only =
            |side: &BTreeMap<u64, _>, other: &BTreeMap<u64, _>| -> BTreeMap<u64, (u64, f64)> {
                side.iter()
                    .filter(|(racer, _)| !other.contains_key(racer))
                    .map(|(r, row)| (*r, *row))
                    .collect()
            };
        let leaderboard = &of_class["leaderboardChanges"];
        assert_eq!(listed(&leaderboard["left"]), only(&old, &new), "class {class}");
        assert_eq!(listed(&leaderboard["entered"]), only(&new, &old), "class {class}");
        let both = old.iter().filter_map(|(racer, row)| Some((*row, *new.get(racer)?)));
        let reranked: Vec<_> = both.filter(|(old, new)| old.0 != new.0).collect();
        let sum = |list: &str, count: &str, first: u64| -> u64 {
            let rows = leaderboard[list].as_array().unwrap().iter();
            rows.map(|row| first + row[count].as_u64().unwrap()).sum()
        };
        let [moved, shifted] =
            ["moved", "shifted"].map(|count| leaderboard[count].as_u64().unwrap());
        assert_eq!(moved + shifted, reranked.len() as u64, "class {class}");
        assert!(moved <= reranked.iter().filter(|(old, new)| old.1 != new.1).count() as u64);
        assert_eq!(sum("shifts", "racers", 0), shifted, "class {class}");
        if moved <= 10 {
            assert_eq!(sum("moves", "tied", 1), moved, "class {class}");
        }
    }
    assert!(expected.is_empty(), "{expected:?}");
}

/// The files and the summary of a comparison, without the cost of the run.
fn counted(place: &Workplace, out: &str) -> (BTreeMap<PathBuf, Vec<u8>>, Value) {
    let mut summary = place.json(&format!("{out}/summary.json"));
    for cost in ["wallSeconds", "eventsPerSecond", "peakRssBytes", "workers", "processes"] {
        assert!(summary.as_object_mut().unwrap().remove(cost).is_some(), "{cost}");
    }
    (contents(&place.path(out)), summary)
}

#[test]
fn equals_the_difference_of_two_batches_on_every_cluster() {
    let place = Workplace::new();
    golden_with_devices(&place);
    place.write("old.toml", "");
    place.write("new.toml", "resistance_offset = 60\nexcluded_racers = [101]");
    check(&place, "golden.jsonl", "", &[1, 2, 4]);
    let summary = place.json("w1/summary.json");
    let total = &summary["total"];
    assert_eq!(summary["rulesChanged"]["resistance_offset"], json!({"old": 65.0, "new": 60.0}));
    assert_eq!(total["records"], json!({"old": 43_200, "new": 41_400}));
    assert_eq!((&total["outputsChanged"], &total["racersGone"]), (&43_200.into(), &6.into()));
    assert_eq!(total["boardsChanged"], 1800);
    let lines = place.json_lines("w1/changes.jsonl");
    assert_eq!(lines.len(), 43_200);

    place.write("hosts", hosts());
    thread::scope(|scope| {
        for process in [0, 1] {
            let place = &place;
            scope.spawn(move || {
                let cluster = format!("-n 2 -p {process} --hosts hosts -w 2");
                let ended = place.run(&format!(
                    "compare golden.jsonl --rules new.toml --out p{process} {cluster} --ranks all"
                ));
                assert_eq!(ended.code, 0, "{}", ended.stderr);
            });
        }
    });
    assert_eq!(counted(&place, "w1"), counted(&place, "p0"));
    assert!(!place.path("p1").exists(), "process 0 alone writes changes");
}

#[test]
fn reports_no_changes_for_equal_rules() {
    let place = Workplace::new();
    let last = sample(9, 5, 2, 1.0).replace("update", "final");
    place
        .write("in.jsonl", [sample(9, 5, 1, 0.5), last, view(9, "u"), "bad".to_owned()].join("\n"));
    place.write("same.toml", "divisor = 100");
    let ended = place.run("compare in.jsonl --rules same.toml --out out");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains("the same on both sides"), "{}", ended.stdout);
    assert!(ended.stdout.contains("no changes"), "{}", ended.stdout);
    let files = contents(&place.path("out"));
    let text = |name: &str| String::from_utf8(files[std::path::Path::new(name)].clone()).unwrap();
    assert_eq!(
        (text("changes.jsonl"), text("results-changes.jsonl")),
        (String::new(), String::new())
    );
    assert_eq!(text("leaderboard-changes.json"), "{}");
    assert_eq!(text("rules.json"), text("against.json"));
    let summary = place.json("out/summary.json");
    assert_eq!((&summary["events"], &summary["rejected"]), (&3.into(), &1.into()));
    assert_eq!(summary["old"], summary["new"]);
}

#[test]
fn reports_ranks_podiums_and_moves() {
    let place = Workplace::new();
    // Racers 1 to 4 finish in this order, 2 and 3 with equal outputs.
    let outputs = [(1, 9.0), (2, 5.0), (3, 5.0), (4, 1.0)];
    let ended = |(racer, resistance)| sample(9, racer, 7, resistance).replace("update", "final");
    // Racer 4 wins another race, under both sets of rules.
    let other = ended((4, 0.5)).replace(r#""raceId":7"#, r#""raceId":8"#);
    place.write("in.jsonl", outputs.map(ended).join("\n") + "\n" + &other);
    place.write("rules.toml", "excluded_racers = [1]\ncorrected_racers.4.resistance = 6");
    let ended = place.run("compare in.jsonl --rules rules.toml --out out");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let row = |racer: u32, old: serde_json::Value, new: serde_json::Value| {
        json!({"classId": 1, "second": 7, "racerId": racer, "oldOutput": old[0], "newOutput": new[0],
            "oldRank": old[1], "newRank": new[1]})
    };
    let expected =
        [row(1, json!([74.0, 1]), json!([null, null])), row(4, json!([66.0, 4]), json!([71.0, 1]))];
    // Racers 2 and 3 keep rank 2.
    assert_eq!(place.json_lines("out/changes.jsonl"), expected);
    let side = |output: f64, rank: u32| json!({"output": output, "raceId": 7, "rank": rank});
    let leaderboard = json!({"class-1": {"1": {"old": side(74.0, 1), "new": null},
        "4": {"old": side(66.0, 4), "new": side(71.0, 1)}}});
    assert_eq!(place.json("out/leaderboard-changes.json"), leaderboard);
    let of_race = place.json_lines("out/results-changes.jsonl");
    assert_eq!(
        of_race[1]["new"],
        json!({"name": null, "final": 71.0, "best": 71.0, "total": 71.0, "seconds": 1, "rank": 1})
    );
    let class = &place.json("out/summary.json")["classes"]["1"];
    let counts = [
        "outputsChanged",
        "ranksChanged",
        "boardsChanged",
        "boards",
        "leaderboardChanged",
        "ridesChanged",
        "podiumsChanged",
        "winnersChanged",
        "racersGone",
        "racersNew",
    ]
    .map(|count| class[count].as_u64().unwrap());
    assert_eq!(counts, [2, 2, 1, 1, 2, 3, 1, 1, 1, 0]);
    let moved = json!({"racerId": 4, "name": null, "tied": 0, "oldRank": 4, "newRank": 1,
        "oldOutput": 66.0, "newOutput": 71.0});
    assert_eq!(class["leaderboardChanges"]["moves"], json!([moved]));
    assert!(
        ended.stdout.contains("class 1 racer 4: rank 4 to 1, output 66.00 to 71.00"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("excluded_racers: none to [1]"), "{}", ended.stdout);
}

#[test]
fn lists_podiums_leaderboards_and_moves_by_name() {
    let place = Workplace::new();
    let outputs = [9.0, 8.0, 8.0, 7.0, 6.0, 5.0, 4.0, 4.0, 0.0];
    let finals = (1..).zip(outputs).map(|(racer, resistance)| {
        let name = match racer {
            1 => r#","name":"Ada\u001b[31m"}"#,
            2 => r#","name":"Bo"}"#,
            7 => r#","name":""}"#,
            9 => &format!(r#","name":"{}"}}"#, "é".repeat(50)),
            _ => "}",
        };
        sample(9, racer, 7, resistance).replace("update", "final").replace('}', name)
    });
    // The name with the greater device time is shown, from whichever race it is.
    let renamed = sample(10, 2, 6, 0.0).replace(r#""raceId":7"#, r#""raceId":8"#);
    let renamed = renamed.replace('}', r#","name":"Bob"}"#);
    place.write("in.jsonl", finals.chain([renamed]).collect::<Vec<_>>().join("\n"));
    place.write("old.toml", "excluded_racers = [9]");
    let corrected = "corrected_racers.7.resistance = 2\ncorrected_racers.8.resistance = 2";
    place.write("new.toml", format!("excluded_racers = [1]\n{corrected}"));
    check(&place, "in.jsonl", "", &[1, 2]);

    for (ranks, lines) in [("records", 4), ("all", 9)] {
        let ended = place.run(&format!(
            "compare in.jsonl --rules new.toml --against old.toml --out out --ranks {ranks}"
        ));
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert_eq!(place.json("out/summary.json")["ranks"], ranks);
        assert_eq!(place.json_lines("out/changes.jsonl").len(), lines);
        let expected = "
races whose podium changes: 1, whose winner changes: 1
  class 1 race 7
    old  1 Ada\\u{1b}[31m (racer 1) 74.00, 2 Bob (racer 2) 73.00, 2 racer 3 73.00
    new  1 Bob (racer 2) 73.00, 1 racer 3 73.00, 1 racer 7 73.00, 1 racer 8 73.00

racers who leave a leaderboard: 1
  class 1 rank 1: Ada\\u{1b}[31m (racer 1), output 74.00

racers who enter a leaderboard: 1
  class 1 rank 8: éééééééééééééééééééééééééééééééééééééééé… (racer 9), output 65.00

racers who move on a leaderboard: 2, the largest moves:
  class 1 racer 7 and 1 more who tie: rank 7 to 1, output 69.00 to 73.00

racers whose rank changes only because others change: 5
  class 1: 3 of ranks 4 to 6 move down 1 rank
  class 1: 2 of ranks 2 to 2 move up 1 rank
";
        assert!(ended.stdout.contains(expected), "{}", ended.stdout);
    }
}

/// A stream of events of a few racers and races, with gaps and invalid lines. Seconds are out of order.
fn stream() -> impl Strategy<Value = Vec<String>> {
    let step =
        prop_oneof![20 => 0..2_000u64, 2 => 60_000..700_000u64, 1 => 3_500_000..4_000_000u64];
    let who = (1..3u32, 0..3u64, 0..5u32, 1..45u16);
    let what = (0..9u32, 0..7u32, prop::bool::weighted(0.2), prop::option::of(0..2u8), 0..40u8);
    prop::collection::vec((step, who, what), 0..60).prop_map(|events| {
        let mut clock = 1_000_000;
        let line = |(step, who, what): (u64, _, _)| {
            let (class, race, racer, second): (u32, u64, u32, u16) = who;
            let (cadence, resistance, is_final, device, kind): (u32, u32, bool, Option<u8>, u8) = what;
            clock += step;
            match kind {
                0 => return "bad".to_owned(),
                1 => return view(clock, &step.to_string()),
                _ => {}
            }
            let kind = if is_final { "final" } else { "update" };
            let device = device.map_or(String::new(), |device| format!(r#","uuid":"d{device}""#));
            format!(
                r#"{{"event":"{kind}","deviceTimestamp":{clock},"raceId":{race},"classId":{class},"racerId":{racer},"second":{second},"cadence":{cadence}.25,"resistance":{resistance}{device},"arrivalTimestamp":{clock}}}"#
            )
        };
        events.into_iter().map(line).collect()
    })
}

/// The text of a rules file with a random selection of all kinds of rules.
fn rules() -> impl Strategy<Value = String> {
    let rule = prop_oneof![
        Just("resistance_offset = 60".to_owned()),
        (10..40u16).prop_map(|seconds| format!("race_seconds = {seconds}")),
        (0..9u16).prop_map(|seconds| format!("grace_seconds = {seconds}")),
        (0..5u32).prop_map(|racer| format!("excluded_racers = [{racer}]")),
        (0..3u64)
            .prop_map(|race| format!("excluded_races = [{{ class_id = 1, race_id = {race} }}]")),
        (0..5u32).prop_map(|racer| {
            format!("excluded_rides = [{{ class_id = 1, race_id = 1, racer_id = {racer} }}]")
        }),
        (0..5u32).prop_map(|racer| format!("corrected_racers.{racer}.cadence = 0.5")),
        (0..2u8).prop_map(|device| format!("corrected_devices.d{device}.resistance = 1.5")),
    ];
    prop::collection::btree_map(0..8u8, rule, 0..4).prop_map(|rules| {
        let mut rules: Vec<_> = rules.into_values().collect();
        rules.sort_by_key(|rule| rule.split(' ').next().map(str::to_owned));
        rules.dedup_by_key(|rule| rule.split([' ', '.']).next().map(str::to_owned));
        rules.join("\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn equals_the_difference_of_two_batches_under_all_rules(
        stream in stream(),
        old in rules(),
        new in rules(),
        as_of in prop::option::of(1_000_000..1_200_000u64),
    ) {
        let place = Workplace::new();
        place.write("in.jsonl", stream.join("\n"));
        place.write("old.toml", old);
        place.write("new.toml", new);
        let more = as_of.map_or(String::new(), |at| format!("--as-of {at}"));
        check(&place, "in.jsonl", &more, &[1, 3]);
        let ended = place.run(&format!("replay in.jsonl --rules new.toml --out replayed -w 2 {more}"));
        prop_assert_eq!(ended.code, status(&place, "replayed"), "{}", ended.stderr);
        let verified = place.run("verify new replayed");
        prop_assert_eq!(verified.code, 0, "{}", verified.stdout);
        for count in ["events", "rejected", "late", "rides", "records", "rulesId", "asOf"] {
            let [batch, replay] = ["new", "replayed"].map(|out| place.json(&format!("{out}/summary.json")));
            prop_assert_eq!(&batch[count], &replay[count], "{}", count);
        }
    }
}
