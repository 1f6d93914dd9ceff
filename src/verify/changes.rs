//! Verifies that the files of a comparison report exactly how two result directories differ.
//!
//! The changes are computed here independently, from the results.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use velodrome_dataflows::{ClassId, RaceId, RacerId};

use super::change_rows::{Change, Ranked};
use super::error::VerifyError;
use super::files::{self, read_both};
use super::report::Report;
use crate::compare::{AGAINST, CHANGES, LEADERBOARD_CHANGES, RESULTS_CHANGES, Ranks};
use crate::results::summary::SUMMARY;
use crate::results::{HISTORY, LEADERBOARD, RIDES, RULES, history};

/// Returns whether `changes`, which `compare` wrote, reports exactly how the results in `new` differ
/// from those in `old`.
///
/// Prints to `out` like [`run`](super::run), where `left` means computed from the results and `right`
/// means read from the files.
///
/// # Errors
/// If a directory or file is missing or invalid, or `out` cannot be written.
pub fn run_changes(
    old: &Path,
    new: &Path,
    changes: &Path,
    out: &mut dyn Write,
) -> Result<bool, VerifyError> {
    let mut report = Report::new(out);
    for (results, file) in [(old, AGAINST), (new, RULES)] {
        let (of_results, reported) =
            (files::text(&results.join(RULES))?, files::text(&changes.join(file))?);
        if of_results != reported {
            report.difference(file, "the rules", &of_results, &reported)?;
        }
    }
    records(old, new, changes, &mut report)?;

    let (before, after) = read_both(old, new, LEADERBOARD, files::leaderboard)?;
    let expected = changed(before, after, |best| Some(best.output));
    let reported = files::leaderboard_changes(&changes.join(LEADERBOARD_CHANGES))?;
    report.file(LEADERBOARD_CHANGES, &expected, &reported, |(class, racer)| {
        format!("{class} racer {racer}")
    })?;

    let (before, after) = read_both(old, new, RIDES, files::rides)?;
    let expected = changed(by_race(before), by_race(after), |ride| ride.r#final);
    let reported = by_race(files::ride_changes(&changes.join(RESULTS_CHANGES))?);
    report.file(RESULTS_CHANGES, &expected, &reported, |((class, race), racer)| {
        format!("class {class} race {race} racer {racer}")
    })?;
    Ok(report.is_equal())
}

/// Compares the changed records with the histories, class by class. The summary of the comparison says
/// which records it lists.
fn records(
    old: &Path,
    new: &Path,
    changes: &Path,
    report: &mut Report<'_>,
) -> Result<(), VerifyError> {
    let (old, new) = (old.join(HISTORY), new.join(HISTORY));
    let (in_old, in_new) = (files::classes(&old)?, files::classes(&new)?);
    let of_class =
        |directory: &Path, classes: &BTreeSet<ClassId>, class| match classes.contains(&class) {
            true => files::history(&directory.join(history::object_name(class))),
            false => Ok(BTreeMap::new()),
        };
    let ranks = files::listed_records(&changes.join(SUMMARY))?;
    let mut reported = files::RecordChanges::open(&changes.join(CHANGES))?;
    let mut classes: BTreeSet<_> = in_old.union(&in_new).copied().collect();
    while let Some(class) = classes.first().copied().into_iter().chain(reported.class()).min() {
        classes.remove(&class);
        let (before, after) = (of_class(&old, &in_old, class)?, of_class(&new, &in_new, class)?);
        let mut expected = changed(before, after, |output| Some(*output));
        if ranks == Ranks::Records {
            expected.retain(|_, change| change.is_rescored());
        }
        let name = format!("{CHANGES} class {class}");
        report.file(&name, &expected, &reported.read_class(class)?, |(second, racer)| {
            format!("second {second} racer {racer}")
        })?;
    }
    Ok(())
}

/// The rows that differ between the two sides in content or rank. A key is a board and a racer.
fn changed<B: Ord + Clone, T: PartialEq>(
    old: BTreeMap<(B, RacerId), T>,
    new: BTreeMap<(B, RacerId), T>,
    output: impl Fn(&T) -> Option<f64>,
) -> BTreeMap<(B, RacerId), Change<T>> {
    let mut changes: BTreeMap<_, Change<T>> = BTreeMap::new();
    for (key, row) in ranked(old, &output) {
        changes.insert(key, Change { old: Some(row), new: None });
    }
    for (key, row) in ranked(new, &output) {
        changes.entry(key).or_insert(Change { old: None, new: None }).new = Some(row);
    }
    changes.retain(|_, change| change.old != change.new);
    changes
}

/// Each row with its rank: one plus the number of greater outputs on its board.
fn ranked<B: Ord + Clone, T>(
    rows: BTreeMap<(B, RacerId), T>,
    output: impl Fn(&T) -> Option<f64>,
) -> impl Iterator<Item = ((B, RacerId), Ranked<T>)> {
    let mut boards: BTreeMap<B, Vec<f64>> = BTreeMap::new();
    for ((board, _), row) in &rows {
        boards.entry(board.clone()).or_default().extend(output(row));
    }
    boards.values_mut().for_each(|outputs| outputs.sort_unstable_by(|a, b| b.total_cmp(a)));
    rows.into_iter().map(move |((board, racer), row)| {
        let rank = output(&row)
            .zip(boards.get(&board))
            .map(|(output, outputs)| outputs.partition_point(|other| *other > output) as f64 + 1.0);
        ((board, racer), (row, rank))
    })
}

/// Groups rides by race. The race is their board.
fn by_race<T>(
    rides: BTreeMap<(ClassId, RaceId, RacerId), T>,
) -> BTreeMap<((ClassId, RaceId), RacerId), T> {
    rides.into_iter().map(|((class, race, racer), row)| (((class, race), racer), row)).collect()
}
