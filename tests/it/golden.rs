//! Replay and batch must have the results that the published Alleycat sample has for the same events
//! (CONTRACTS, section 3).

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run::{Workplace, history};

/// The directory of the sample's data. `None` if it is missing outside CI, where it is optional.
pub(crate) fn alleycat() -> Option<PathBuf> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/alleycat");
    if !golden.exists() && std::env::var_os("CI").is_none() {
        eprintln!("left out: the sample's data is not at '{}'", golden.display());
        return None;
    }
    Some(golden)
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
    let Some(golden) = alleycat() else { return };
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
