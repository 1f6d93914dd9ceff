//! Replay and batch reproduce the results of the published Alleycat sample (tests/golden/README.md).

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run::{Workplace, history};

/// The directory of the sample's data.
pub(crate) fn alleycat() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/alleycat")
}

/// A leaderboard with outputs rounded half up to 4 decimals, as in the sample.
pub(crate) fn rounded(mut leaderboard: Value) -> Value {
    let bests = leaderboard.as_object_mut().unwrap().values_mut();
    for best in bests.flat_map(|class| class.as_object_mut().unwrap().values_mut()) {
        let output = best["output"].as_f64().unwrap();
        best["output"] = ((output * 10_000.0 + 0.5).floor() / 10_000.0).into();
    }
    leaderboard
}

#[test]
fn replay_and_batch_reproduce_the_published_sample() {
    let golden = alleycat();
    let place = Workplace::new();
    let events = golden.join("events.jsonl.gz");
    let ended = place.run_both(&format!("{} --out out", events.display()), &[], b"");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let summary = place.json("out/summary.json");
    assert_eq!((&summary["events"], &summary["rejected"]), (&64_800.into(), &0.into()));

    for class in 1..=6 {
        let file = format!("class-{class}.gz");
        let expected = history(&golden.join(&file));
        assert!(!expected.is_empty());
        assert_eq!(history(&place.path(&format!("out/history/{file}"))), expected, "{file}");
    }

    let expected: Value =
        serde_json::from_slice(&std::fs::read(golden.join("leaderboard.json")).unwrap()).unwrap();
    let leaderboard = rounded(place.json("out/leaderboard.json"));
    assert_eq!(as_doubles(&leaderboard), as_doubles(&expected));
}

/// The rows of a leaderboard: class, racer, output as a double even if it is an integer, and race.
pub(crate) fn as_doubles(leaderboard: &Value) -> Vec<(String, String, f64, u64)> {
    let classes = leaderboard.as_object().unwrap().iter();
    let rows = classes.flat_map(|(class, racers)| {
        racers.as_object().unwrap().iter().map(move |(racer, best)| {
            let output = best["output"].as_f64().unwrap();
            (class.clone(), racer.clone(), output, best["raceId"].as_u64().unwrap())
        })
    });
    rows.collect()
}
