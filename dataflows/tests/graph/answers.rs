//! Queries for everything, and the state that their answers show.

use std::collections::{BTreeMap, BTreeSet};

use velodrome_dataflows::{Answer, BestFinal, ClassSize, Name, Output, Query, ViewCount};

use super::outcome::{Outcome, result_row};
use super::stream::RULES;

/// An answer, with its query's id and its time.
pub(crate) type TimedAnswer = (u64, u64, Answer);

/// Classes, with the name of a racer there.
type NamedClasses = Vec<(u16, Option<String>)>;

/// All projects of a stream.
const PROJECTS: [&str; 3] = ["project-0", "project-1", "project-2"];

/// All queries that a stream's events can give an answer to.
pub(crate) fn all_queries() -> Vec<Query> {
    let mut queries = Vec::from([1, 2].map(|class| Query::Names(class, (0..4).collect())));
    queries.extend(PROJECTS.map(|project| Query::Project(project.into())));
    queries.extend((0..4).map(Query::Racer));
    for class in 1..3 {
        queries.extend([Query::ClassCurves(class), Query::Leaderboard(class)]);
        queries.extend([Query::Results(class, vec![2, 0]), Query::Results(class, vec![1])]);
        queries.extend((1..=RULES.race_seconds).map(|second| Query::Board(class, second)));
        queries.extend((0..4).map(|racer| Query::Curve(class, racer)));
        queries.push(Query::BestCurve(class));
    }
    queries.push(Query::Classes);
    queries
}

/// The state that the answers to [`all_queries`] show. They must be of time `at` and of one state.
pub(crate) fn outcome(at: u64, mut answers: Vec<TimedAnswer>) -> Outcome {
    assert_eq!(answers.len(), all_queries().len(), "one answer per query");
    answers.sort_by_key(|(id, _, _)| *id);
    let mut merged = Merged::default();
    for (query, (_, time, answer)) in all_queries().into_iter().zip(answers) {
        assert_eq!(time, at);
        merged.add(query, answer);
    }
    merged.assert_consistent();
    merged.outcome
}

/// The answers, merged by what they are about. Much of the state is in several answers.
#[derive(Default)]
struct Merged {
    outcome: Outcome,
    /// Records from boards, by (class, racer, second).
    on_boards: BTreeMap<(u16, u32, u16), u64>,
    /// Records from the curves of single racers, by (class, racer, second).
    on_curves: BTreeMap<(u16, u32, u16), u64>,
    /// By (class, second).
    best: BTreeMap<(u16, u16), Output>,
    sizes: BTreeMap<u16, ClassSize>,
    /// Racers, and their classes with the names there.
    racers: Vec<(u32, NamedClasses)>,
}

impl Merged {
    fn add(&mut self, query: Query, answer: Answer) {
        let all = &mut self.outcome;
        match (query, answer) {
            (Query::Names(class, _), Answer::Names(names)) => {
                let names = names.into_iter();
                all.names.extend(names.map(|(racer, name)| ((class, racer), name.into())));
            }
            (Query::Project(id), Answer::Project(count)) => {
                let row = |n: ViewCount| (String::from(id), (n.views, n.duration_ms));
                all.views.extend(count.map(row));
            }
            (Query::ClassCurves(class), Answer::ClassCurves(rows)) => {
                for (racer, record) in &rows {
                    let outputs = record.outputs();
                    let row =
                        |(second, output): (_, f64)| ((class, *racer, second), output.to_bits());
                    all.records.extend(outputs.map(row));
                }
            }
            (Query::Leaderboard(class), Answer::Leaderboard(rows)) => {
                let row = |(racer, best): (u32, BestFinal)| {
                    ((class, racer), (best.output.0.to_bits(), best.race, best.at))
                };
                all.leaderboard.extend(rows.into_iter().map(row));
            }
            (Query::Results(class, _), Answer::Results(rows)) => {
                assert!(rows.is_sorted_by_key(|(race, racer, _)| (*race, *racer)));
                let rows = rows.into_iter();
                let rows = rows.map(|(race, racer, row)| ((class, race, racer), result_row(&row)));
                all.results.extend(rows);
            }
            (Query::Board(class, second), Answer::Board(rows)) => {
                assert!(rows.is_sorted_by(|(a, x), (b, y)| (y, a) < (x, b)), "{rows:?}");
                let row =
                    |(racer, output): (u32, Output)| ((class, racer, second), output.0.to_bits());
                self.on_boards.extend(rows.into_iter().map(row));
            }
            (Query::Curve(class, racer), Answer::Curve(curve)) => {
                for (second, output) in curve.iter().flat_map(|curve| curve.outputs()) {
                    self.on_curves.insert((class, racer, second), output.to_bits());
                }
            }
            (Query::BestCurve(class), Answer::BestCurve(curve)) => {
                self.best.extend(curve.outputs().map(|(second, o)| ((class, second), Output(o))));
            }
            (Query::Racer(racer), Answer::Racer(classes)) => {
                let named =
                    |(class, name): (u16, Option<Name>)| (class, name.map(|name| name.text.into()));
                self.racers.push((racer, classes.into_iter().map(named).collect()));
            }
            (Query::Classes, Answer::Classes(rows)) => self.sizes.extend(rows),
            (query, answer) => panic!("{query:?} answered by {answer:?}"),
        }
    }

    /// Asserts that all answers are of one state.
    fn assert_consistent(&self) {
        let all = &self.outcome;
        assert_eq!(self.on_boards, all.records, "boards equal the class curves");
        assert_eq!(self.on_curves, all.records, "racers' curves equal the class curves");
        let mut greatest: BTreeMap<(u16, u16), Output> = BTreeMap::new();
        for ((class, _, second), output) in &all.records {
            let output = Output(f64::from_bits(*output));
            let best = greatest.entry((*class, *second)).or_insert(output);
            *best = output.max(*best);
        }
        assert_eq!(self.best, greatest, "the best curve equals the class curves");
        for (racer, classes) in &self.racers {
            let own = all.records.keys().filter(|(_, other, _)| other == racer);
            let in_classes: BTreeSet<_> = own.map(|(class, _, _)| *class).collect();
            let named = |class| (class, all.names.get(&(class, *racer)).cloned());
            let expected: Vec<_> = in_classes.into_iter().map(named).collect();
            assert_eq!(*classes, expected, "a racer's classes have records");
        }
        let mut counted: BTreeMap<u16, (BTreeSet<u32>, u64)> = BTreeMap::new();
        for (class, racer, _) in all.records.keys() {
            let (racers, records) = counted.entry(*class).or_default();
            racers.insert(*racer);
            *records += 1;
        }
        let counted = counted.into_iter().map(|(class, (racers, records))| {
            (class, ClassSize { records, racers: racers.len() as u64 })
        });
        assert!(counted.eq(self.sizes.clone()), "class sizes equal the class curves");
    }
}
