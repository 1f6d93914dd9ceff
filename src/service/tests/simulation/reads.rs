//! Reads everything that the service answers.

use std::collections::BTreeSet;
use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::Value;

use super::instance::Instance;
use super::model::{Answers, Line};

pub(super) const CLASSES: [u64; 2] = [1, 2];

impl Instance {
    /// The JSON that a read returns; null if there is nothing.
    pub(super) fn get(&self, path: &str) -> Value {
        let (status, body) = self.send("GET", path, "");
        match status {
            404 => Value::Null,
            200 => serde_json::from_slice(&body).unwrap(),
            _ => panic!("GET {path}: {status} {}", String::from_utf8_lossy(&body)),
        }
    }

    /// The rows of a ranking by `field`, which must be in the order of their ranks.
    pub(super) fn ranking(&self, path: &str, field: &str) -> Vec<Value> {
        let mut page = self.get(path);
        let rows = page["rows"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let output = |row: &Value| row[field].as_f64().unwrap_or(f64::NEG_INFINITY);
        for (at, row) in rows.iter().enumerate() {
            let rank = 1 + rows.iter().filter(|other| output(other) > output(row)).count() as u64;
            assert!(row[field].is_null() || row["rank"] == rank, "{path}: {row}");
            assert_eq!(row["name"], format!("racer-{}", row["racerId"]), "{path}: {row}");
            let racer = |row: &Value| row["racerId"].as_u64();
            let is_before = |next: &Value| {
                output(row) > output(next)
                    || output(row) == output(next) && racer(row) < racer(next)
            };
            assert!(rows.get(at + 1).is_none_or(is_before), "{path}: {row}");
        }
        rows
    }

    /// All answers about the races of `lines`.
    pub(super) fn answers(&self, lines: &[Line], race_seconds: u64) -> Answers {
        let mut answers = Answers::default();
        let number = |row: &Value, name: &str| row[name].as_u64().unwrap();
        let output = |row: &Value, name: &str| row[name].as_f64().unwrap();
        for class in CLASSES {
            for second in 1..=race_seconds {
                let path = format!("/v1/classes/{class}/board?second={second}");
                for row in self.ranking(&path, "output") {
                    let board = answers.boards.entry((class, second)).or_default();
                    board.insert(number(&row, "racerId"), output(&row, "output"));
                }
            }
            let path = format!("/v1/classes/{class}/leaderboard");
            for row in self.ranking(&path, "output") {
                let best = (output(&row, "output"), number(&row, "raceId"));
                let rows = answers.leaderboards.entry(class).or_default();
                rows.insert(number(&row, "racerId"), best);
            }
        }
        for (class, race) in races(lines) {
            for row in self.ranking(&format!("/v1/races/{class}/{race}/results"), "final") {
                let result = (
                    row["final"].as_f64(),
                    output(&row, "best"),
                    output(&row, "total"),
                    number(&row, "seconds"),
                );
                let rows = answers.results.entry((class, race)).or_default();
                rows.insert(number(&row, "racerId"), result);
            }
            for row in self.ranking(&format!("/v1/races/{class}/{race}/standings"), "output") {
                let standing = (output(&row, "output"), number(&row, "second"));
                let rows = answers.standings.entry((class, race)).or_default();
                rows.insert(number(&row, "racerId"), standing);
            }
        }
        for row in self.get("/v1/projects")["rows"].as_array().unwrap() {
            let counts = (number(row, "views"), number(row, "durationMs"));
            answers.views.insert(row["projectId"].as_str().unwrap().to_owned(), counts);
        }
        answers
    }

    /// The published history objects, in the form of the boards. Objects whose files vanished are published
    /// again on request; `None` if that fails.
    pub(super) fn histories(&mut self) -> Option<Answers> {
        let mut answers = Answers::default();
        for class in CLASSES {
            let path = format!("/history/class-{class}.gz");
            let (status, body) = self.send_while_publishing("GET", &path)?;
            if status == 404 {
                continue;
            }
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
            let mut text = String::new();
            GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
            let history: Value = serde_json::from_str(&text).unwrap();
            for (second, racers) in history.as_object().unwrap() {
                let racers = racers.as_object().unwrap().iter();
                let rows = racers
                    .map(|(racer, output)| (racer.parse().unwrap(), output.as_f64().unwrap()));
                answers.boards.insert((class, second.parse().unwrap()), rows.collect());
            }
        }
        Some(answers)
    }
}

/// The races of the events in `lines`.
fn races(lines: &[Line]) -> BTreeSet<(u64, u64)> {
    let race = |line: &Line| {
        let event: Value = serde_json::from_str(&line.text).unwrap();
        Some((event["classId"].as_u64()?, event["raceId"].as_u64()?))
    };
    lines.iter().filter_map(race).collect()
}
