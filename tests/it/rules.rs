//! Rules that exclude and correct, in replay and batch. Results include their rules.

use std::fmt::Write;
use std::io::Read;
use std::{fs, fs::File};

use flate2::read::GzDecoder;
use ring::digest::{SHA256, digest};

use crate::golden::alleycat;
use crate::run::Workplace;

/// Writes the golden events to golden.jsonl, with a device for every third racer.
pub(crate) fn golden_with_devices(place: &Workplace) {
    let golden = alleycat();
    let mut text = String::new();
    let file = File::open(golden.join("events.jsonl.gz")).unwrap();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut lines = String::new();
    for line in text.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        match event["racerId"].as_u64().unwrap() {
            racer if racer % 3 == 0 => {
                let device = format!(r#","uuid":"bike {}"}}"#, racer % 2);
                writeln!(
                    lines,
                    "{}",
                    line.trim_end().strip_suffix('}').unwrap().to_owned() + &device
                )
                .unwrap();
            }
            _ => writeln!(lines, "{line}").unwrap(),
        }
    }
    place.write("golden.jsonl", lines);
}

#[test]
fn replay_and_batch_exclude_and_correct_the_same() {
    let place = Workplace::new();
    golden_with_devices(&place);
    for (rules, changes) in [
        ("excluded_racers = [101]", "leaderboard.json: class-1 racer 101: left output"),
        (
            "excluded_races = [{ class_id = 2, race_id = 5400801 }]",
            "results.jsonl: class 2 race 5400801",
        ),
        (
            "excluded_rides = [{ class_id = 2, race_id = 5400801, racer_id = 102 }]",
            "results.jsonl: class 2 race 5400801 racer 102: left name",
        ),
        ("corrected_racers.104.cadence = 0.5", "class-1 racer 104: left output"),
        ("corrected_devices.'bike 1'.resistance = 1.5", "class-1 racer 105: left output"),
        ("corrected_devices.'bike 0'.cadence = 0.5", "class-1 racer 102: left output"),
    ] {
        place.write("rules.toml", rules);
        let ended = place.run_both("golden.jsonl --out out --rules rules.toml", &[], b"");
        assert_eq!(ended.code, 0, "{rules}: {}", ended.stderr);
        if !place.path("plain").is_dir() {
            assert_eq!(place.run("batch golden.jsonl --out plain").code, 0);
        }
        let verified = place.run("verify plain out");
        assert_eq!(verified.code, 1, "{rules}");
        assert!(verified.stdout.contains(changes), "{rules}: {}", verified.stdout);
    }
}

#[test]
fn results_carry_the_identity_of_their_rules() {
    let place = Workplace::new();
    place.write("in.jsonl", crate::run::sample(9, 5, 1, 0.0));
    place.write("rules.toml", "excluded_racers = [7]");
    for (out, rules) in [("a", ""), ("b", "--rules rules.toml")] {
        let ended = place.run_both(&format!("in.jsonl --out out {rules}"), &[], b"");
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let text = fs::read(place.path("out/rules.json")).unwrap();
        let id: String =
            digest(&SHA256, &text).as_ref().iter().map(|b| format!("{b:02x}")).collect();
        let summary = place.json("out/summary.json");
        assert_eq!((&summary["rulesId"], &summary["asOf"]), (&id.into(), &serde_json::Value::Null));
        fs::rename(place.path("out"), place.path(out)).unwrap();
    }
    assert_eq!(place.json("b/rules.json")["excluded_racers"][0], 7);
    // Rules are read from results too.
    let arguments = "in.jsonl --out out --rules b/rules.json";
    assert_eq!(place.run_both(arguments, &[], b"").code, 0);
    assert_eq!(place.json("out/summary.json")["rulesId"], place.json("b/summary.json")["rulesId"]);
    let ended = place.run("compare in.jsonl --rules b/rules.json --against a/rules.json --out c");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for (results, of_comparison) in [("a", "against.json"), ("b", "rules.json")] {
        let rules = fs::read(place.path(results).join("rules.json")).unwrap();
        assert_eq!(rules, fs::read(place.path("c").join(of_comparison)).unwrap());
    }
    // verify reports the different rules and succeeds, because the results are equal.
    let verified = place.run("verify a b");
    assert_eq!(verified.code, 0, "{}", verified.stdout);
    assert!(
        verified.stdout.contains("rules.json: the results have different rules"),
        "{}",
        verified.stdout
    );
}
