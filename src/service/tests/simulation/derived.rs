//! The reads whose answers follow from other answers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::instance::Instance;
use super::model::Answers;
use super::reads::CLASSES;

impl Instance {
    /// Checks the reads that are no part of `answers` but follow from it.
    pub(super) fn check_derived(&self, answers: &Answers, race_seconds: u64) {
        for class in CLASSES {
            let curve = |of: &dyn Fn(&BTreeMap<u64, f64>) -> Option<f64>| -> Value {
                let board = |second| answers.boards.get(&(class, second)).and_then(of);
                (1..=race_seconds).map(board).collect::<Vec<_>>().into()
            };
            let best = curve(&|board| board.values().copied().reduce(f64::max));
            let path = format!("/v1/classes/{class}/curve");
            assert_eq!(self.get(&path)["outputs"], best, "{path}");
            let boards = answers.boards.iter().filter(|((of, _), _)| *of == class);
            let racers: BTreeSet<_> = boards.flat_map(|(_, board)| board.keys()).collect();
            for racer in &racers {
                let path = format!("/v1/racers/{racer}/curve?classId={class}");
                let curve = curve(&|board| board.get(racer).copied());
                assert_eq!(self.get(&path)["outputs"], curve, "{path}");
            }
            self.check_class(class, racers.len(), answers);
            self.check_rides(class, answers);
        }
        self.check_races(answers);
        for (class, race) in answers.results.keys() {
            for (by, field) in [("best", "best"), ("total", "total")] {
                let path = format!("/v1/races/{class}/{race}/results?by={by}");
                let rows = self.ranking(&path, field);
                assert_eq!(rows.len(), answers.results[&(*class, *race)].len(), "{path}");
            }
        }
    }

    /// Checks the numbers of a class.
    fn check_class(&self, class: u64, racers: usize, answers: &Answers) {
        let classes = self.get("/v1/classes");
        let found = classes.as_array().unwrap().iter().find(|row| row["classId"] == class);
        let boards = answers.boards.iter().filter(|((of, _), _)| *of == class);
        let records: usize = boards.map(|(_, board)| board.len()).sum();
        let expected = json!({"racers": racers, "records": records});
        let count = |name: &str| found.map_or(json!(0), |row| row[name].clone());
        let found = json!({"racers": count("racers"), "records": count("records")});
        assert_eq!(found, expected, "class {class}");
    }

    /// Checks the finished rides of all racers of a class.
    fn check_rides(&self, class: u64, answers: &Answers) {
        let mut rides: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        for ((of, race), racers) in &answers.results {
            for racer in racers.keys().filter(|_| *of == class) {
                rides.entry(*racer).or_default().insert(*race);
            }
        }
        for (racer, races) in rides {
            let path = format!("/v1/racers/{racer}/results?classId={class}&limit=100");
            let page = self.get(&path);
            let rows = page["rows"].as_array().unwrap().iter();
            let found: BTreeSet<_> = rows.map(|row| row["raceId"].as_u64().unwrap()).collect();
            assert_eq!(found, races, "{path}");
        }
    }

    /// Checks the list of races, and the running rides.
    fn check_races(&self, answers: &Answers) {
        let mut expected: BTreeMap<(u64, u64), (&str, BTreeSet<u64>)> = BTreeMap::new();
        for (race, racers) in &answers.results {
            expected.entry(*race).or_insert(("over", BTreeSet::new())).1.extend(racers.keys());
        }
        for (race, racers) in &answers.standings {
            let (state, all) = expected.entry(*race).or_default();
            *state = "running";
            all.extend(racers.keys());
            for (racer, (output, second)) in racers {
                let path = format!("/v1/races/{}/{}/rides/{racer}", race.0, race.1);
                let ride = self.get(&path);
                let outputs = ride["outputs"].as_array().unwrap_or_else(|| panic!("no {path}"));
                let latest = (outputs.last().unwrap().as_f64(), outputs.len() as u64);
                assert_eq!(latest, (Some(*output), *second), "{path}");
                assert_eq!(ride["name"], format!("racer-{racer}"), "{path}");
            }
        }
        let page = self.get("/v1/races?limit=1000");
        let races = page["rows"].as_array().unwrap().iter().map(|row| {
            let number = |name: &str| row[name].as_u64().unwrap();
            let counts = (row["state"].as_str().unwrap(), number("racers"));
            ((number("classId"), number("raceId")), counts)
        });
        let expected: BTreeMap<_, _> = expected
            .into_iter()
            .map(|(race, (state, racers))| (race, (state, racers.len() as u64)))
            .collect();
        assert_eq!(races.collect::<BTreeMap<_, _>>(), expected, "races");
    }
}
