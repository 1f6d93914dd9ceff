//! What a run or the oracle results in, in a form that can be compared.

use std::collections::{BTreeMap, BTreeSet};

use velodrome_dataflows::{Output, RideResult, Standing};

/// The standing of a running ride, and its best output at each second.
pub(crate) type Running = (Standing, Vec<(u16, Output)>);

/// A ride's name, final, best and total output (as bits), and its seconds.
pub(crate) type ResultRow = (Option<String>, Option<u64>, u64, u64, u16);

/// The state after some events. Outputs are stored as bits, so that they are compared exactly.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// By (class, racer, second).
    pub(crate) records: BTreeMap<(u16, u32, u16), u64>,
    /// By (class, race, racer).
    pub(crate) results: BTreeMap<(u16, u64, u32), ResultRow>,
    /// By (class, racer): output, race and clock.
    pub(crate) leaderboard: BTreeMap<(u16, u32), (u64, u64, u64)>,
    /// By project: views and duration.
    pub(crate) views: BTreeMap<String, (u64, u64)>,
    /// Rides past their retention: a service has removed their results, or is about to.
    pub(crate) expired: BTreeSet<(u16, u64, u32)>,
    /// Rides that have not closed in a service.
    pub(crate) running: BTreeMap<(u16, u64, u32), Running>,
    /// By racer.
    pub(crate) names: BTreeMap<(u16, u32), String>,
    pub(crate) late: u64,
}

pub(crate) fn result_row(result: &RideResult) -> ResultRow {
    (
        result.name.as_ref().map(ToString::to_string),
        result.final_output.map(|output| output.0.to_bits()),
        result.best.0.to_bits(),
        result.total.0.to_bits(),
        result.seconds,
    )
}

/// Asserts that a replay results in what is expected.
pub(crate) fn assert_equal(actual: &Outcome, expected: &Outcome, context: &str) {
    assert_eq!(actual.records, expected.records, "records, {context}");
    assert_eq!(actual.results, expected.results, "results, {context}");
    assert_eq!(actual.leaderboard, expected.leaderboard, "leaderboard, {context}");
    assert_eq!(actual.views, expected.views, "views, {context}");
    assert_eq!(actual.names, expected.names, "names, {context}");
    assert_eq!(actual.late, expected.late, "late samples, {context}");
}

/// Asserts the same of what a service answers, which has no late count. Expired results may be there
/// or not.
pub(crate) fn assert_answers_equal(actual: &Outcome, expected: &Outcome, context: &str) {
    assert_eq!(actual.records, expected.records, "records, {context}");
    let retained = actual.results.iter().filter(|(ride, _)| !expected.expired.contains(*ride));
    assert!(retained.eq(&expected.results), "results, {context}: {actual:?} {expected:?}");
    assert_eq!(actual.leaderboard, expected.leaderboard, "leaderboard, {context}");
    assert_eq!(actual.views, expected.views, "views, {context}");
    assert_eq!(actual.names, expected.names, "names, {context}");
}
