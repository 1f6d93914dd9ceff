//! Verifying: whether two result directories hold the same results, or differ as a comparison tells.
//!
//! Numbers are compared as doubles and rows by what they are about, so neither the order of rows
//! nor the form of a number makes a difference. At most one class of each side is in memory.

mod change_rows;
mod changes;
mod error;
mod files;
mod report;
mod rows;
mod table;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use crate::ingest::dead_letters::REJECTED;
use crate::results::{HISTORY, LEADERBOARD, RIDES, RULES, VIEWS, history};

pub use changes::run_changes;
pub use error::VerifyError;

use files::both;
use report::Report;

/// Compares the results in `left` and `right` and tells whether all are equal.
///
/// Prints to `out` one line for each equal file, and the first differences of each other.
///
/// # Errors
/// A directory or file that is missing or cannot be understood, an `out` that cannot be written.
pub fn run(left: &Path, right: &Path, out: &mut dyn Write) -> Result<bool, VerifyError> {
    let mut report = Report::new(out);
    histories(left, right, &mut report)?;

    let (a, b) = both(left, right, RIDES, files::rides)?;
    report.file(RIDES, &a, &b, |(class, race, racer)| {
        format!("class {class} race {race} racer {racer}")
    })?;

    let (a, b) = both(left, right, LEADERBOARD, files::leaderboard)?;
    report.file(LEADERBOARD, &a, &b, |(class, racer)| format!("{class} racer {racer}"))?;

    let (a, b) = both(left, right, VIEWS, files::views)?;
    report.file(VIEWS, &a, &b, |project| format!("project {project:?}"))?;

    let (a, b) = both(left, right, REJECTED, files::rejected)?;
    report.file(REJECTED, &a, &b, |(file, line, _)| format!("{file:?} line {line}"))?;
    tell_rules(left, right, &mut report)?;
    Ok(report.is_equal())
}

/// Tells where the results were made under different rules, which is no difference of theirs.
fn tell_rules(left: &Path, right: &Path, report: &mut Report<'_>) -> Result<(), VerifyError> {
    let (left, right) = both(left, right, RULES, files::text)?;
    if left != right {
        report.line(format_args!(
            "{RULES}: made under different rules: left {left}, right {right}"
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
        let file = history::name(*class);
        let name = format!("{HISTORY}/{file}");
        match (in_left.contains(class), in_right.contains(class)) {
            (true, true) => {
                let (a, b) = both(&left, &right, &file, files::history)?;
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
