//! The rows of the files of changes. All numbers except ids are doubles.

use std::fmt;

use serde::Deserialize;
use velodrome_dataflows::{ClassId, RaceId, RacerId};

use super::rows::{Best, Ride};

/// A row and its rank, if it has one.
pub(super) type Ranked<T> = (T, Option<f64>);

/// A changed row: its old and its new content. `None` on a side where it does not exist.
#[derive(Debug, PartialEq)]
pub(super) struct Change<T> {
    pub(super) old: Option<Ranked<T>>,
    pub(super) new: Option<Ranked<T>>,
}

impl<T: PartialEq> Change<T> {
    /// Whether the content differs, not only the rank.
    pub(super) fn is_rescored(&self) -> bool {
        let [old, new] = [&self.old, &self.new].map(|side| side.as_ref().map(|(row, _)| row));
        old != new
    }
}

impl<T: fmt::Display> fmt::Display for Change<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (side, row) in [("from", &self.old), (" to", &self.new)] {
            match row {
                Some((row, Some(rank))) => write!(f, "{side} {row} rank {rank}")?,
                Some((row, None)) => write!(f, "{side} {row} no rank")?,
                None => write!(f, "{side} nothing")?,
            }
        }
        Ok(())
    }
}

/// One line of `changes.jsonl`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub(super) struct RecordRow {
    pub(super) class_id: ClassId,
    pub(super) second: u16,
    pub(super) racer_id: RacerId,
    old_output: Option<f64>,
    new_output: Option<f64>,
    old_rank: Option<f64>,
    new_rank: Option<f64>,
}

impl RecordRow {
    pub(super) fn into_change(self) -> Change<f64> {
        Change {
            old: self.old_output.map(|output| (output, self.old_rank)),
            new: self.new_output.map(|output| (output, self.new_rank)),
        }
    }
}

/// A row of `leaderboard-changes.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct BestRow {
    old: Option<BestSide>,
    new: Option<BestSide>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
struct BestSide {
    output: f64,
    race_id: f64,
    rank: Option<f64>,
}

impl BestRow {
    pub(super) fn into_change(self) -> Change<Best> {
        let side = |side: BestSide| -> Ranked<Best> {
            (Best { output: side.output, race_id: side.race_id }, side.rank)
        };
        Change { old: self.old.map(side), new: self.new.map(side) }
    }
}

/// One line of `results-changes.jsonl`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub(super) struct RideRow {
    pub(super) class_id: ClassId,
    pub(super) race_id: RaceId,
    pub(super) racer_id: RacerId,
    old: Option<RideSide>,
    new: Option<RideSide>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct RideSide {
    name: Option<String>,
    r#final: Option<f64>,
    best: f64,
    total: f64,
    seconds: f64,
    rank: Option<f64>,
}

impl RideRow {
    pub(super) fn into_change(self) -> Change<Ride> {
        let side = |side: RideSide| -> Ranked<Ride> {
            let RideSide { name, r#final, best, total, seconds, rank } = side;
            (Ride { name, r#final, best, total, seconds }, rank)
        };
        Change { old: self.old.map(side), new: self.new.map(side) }
    }
}
