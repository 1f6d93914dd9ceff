//! Verifies that two result directories have equal results, or differ exactly as a comparison reports.
//!
//! Numbers are compared as doubles and rows by their keys, so neither the order of rows nor the form of
//! a number matters. Histories are read class by class, to have at most one of each side in memory.

mod change_rows;
mod changes;
mod error;
mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod report;
mod rows;
mod unique_map;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use crate::ingest::dead_letters::REJECTED;
use crate::results::{HISTORY, LEADERBOARD, RIDES, RULES, VIEWS, history};

pub use changes::run_changes;
pub use error::VerifyError;

use files::read_both;
use report::Report;

/// Compares the results in `left` and `right`, and returns whether all are equal.
///
/// Prints one line to `out` for each equal file, and the first differences of each other file.
///
/// # Errors
/// If a directory or file is missing or invalid, or `out` cannot be written.
pub fn run(left: &Path, right: &Path, out: &mut dyn Write) -> Result<bool, VerifyError> {
    let mut report = Report::new(out);
    histories(left, right, &mut report)?;

    let (a, b) = read_both(left, right, RIDES, files::rides)?;
    report.file(RIDES, &a, &b, |(class, race, racer)| {
        format!("class {class} race {race} racer {racer}")
    })?;

    let (a, b) = read_both(left, right, LEADERBOARD, files::leaderboard)?;
    report.file(LEADERBOARD, &a, &b, |(class, racer)| format!("{class} racer {racer}"))?;

    let (a, b) = read_both(left, right, VIEWS, files::views)?;
    report.file(VIEWS, &a, &b, |project| format!("project {project:?}"))?;

    let (a, b) = read_both(left, right, REJECTED, files::rejected)?;
    report.file(REJECTED, &a, &b, |(file, line, _)| format!("{file:?} line {line}"))?;
    report_rules(left, right, &mut report)?;
    Ok(report.is_equal())
}

/// Prints whether the rules differ. This does not count as a difference of the results.
fn report_rules(left: &Path, right: &Path, report: &mut Report<'_>) -> Result<(), VerifyError> {
    let (left, right) = read_both(left, right, RULES, files::text)?;
    if left != right {
        report.line(format_args!(
            "{RULES}: the results have different rules: left {left}, right {right}"
        ))?;
    }
    Ok(())
}

fn histories(left: &Path, right: &Path, report: &mut Report<'_>) -> Result<(), VerifyError> {
    let (left, right) = (left.join(HISTORY), right.join(HISTORY));
    let (in_left, in_right) = (files::classes(&left)?, files::classes(&right)?);
    let classes: BTreeSet<_> = in_left.union(&in_right).collect();
    if classes.is_empty() {
        report.line(format_args!("{HISTORY}: equal, no classes"))?;
    }
    for class in classes {
        let file = history::object_name(*class);
        let name = format!("{HISTORY}/{file}");
        match (in_left.contains(class), in_right.contains(class)) {
            (true, true) => {
                let (a, b) = read_both(&left, &right, &file, files::history)?;
                report.file(&name, &a, &b, |(second, racer)| {
                    format!("second {second} racer {racer}")
                })?;
            }
            (true, false) => report.difference(&name, "the class", &"present", &"missing")?,
            _ => report.difference(&name, "the class", &"missing", &"present")?,
        }
    }
    Ok(())
}
