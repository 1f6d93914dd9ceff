//! Answers, and the merging of the workers' parts.

use std::cmp::Reverse;
use std::sync::Arc;

use compact_str::CompactString;
use differential_dataflow::difference::Semigroup;
use serde::{Deserialize, Serialize};

use crate::values::{
    BestFinal, ClassId, Name, Output, RaceId, RacerId, Record, RideResult, ViewCount,
};

/// The answer to the [`Query`](crate::Query) of the same name.
///
/// ```
/// use velodrome_dataflows::{Answer, Output};
///
/// let answer = Answer::Board(vec![(6, Output(99.0)), (5, Output(97.5)), (9, Output(97.5))]);
/// let Answer::Board(rows) = answer else { unreachable!() };
/// assert_eq!(rows[0].0, 6, "the greatest output is first");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Answer {
    /// Outputs descending, racers with equal outputs ascending.
    Board(Vec<(RacerId, Output)>),
    /// Outputs descending, racers with equal outputs ascending.
    Leaderboard(Vec<(RacerId, BestFinal)>),
    /// Racers ascending.
    ClassCurves(Vec<(RacerId, Record)>),
    /// `None` if the racer has no record.
    Curve(Option<Record>),
    /// Empty if no racer has a record.
    BestCurve(Record),
    /// The classes ascending, with the name if there is one. A banned racer has none.
    Racer(Vec<(ClassId, Option<Name>)>),
    /// Races ascending, and within a race racers ascending.
    Results(Vec<(RaceId, RacerId, Arc<RideResult>)>),
    /// Racers ascending, without those who have no name.
    Names(Vec<(RacerId, CompactString)>),
    /// Classes ascending.
    Classes(Vec<(ClassId, ClassSize)>),
    /// `None` if the project was never viewed.
    Project(Option<ViewCount>),
}

/// The size of a class.
///
/// ```
/// use velodrome_dataflows::ClassSize;
///
/// // Two racers, one with 300 records and one with 120.
/// let size = ClassSize { records: 420, racers: 2 };
/// assert_eq!(size.records / size.racers, 210);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClassSize {
    /// Distinct (second, racer) with a record.
    pub records: u64,
    /// Racers with a record.
    pub racers: u64,
}

impl Answer {
    /// Adds another worker's part of the same query's answer. Rows are unordered until
    /// [`Answer::finish`].
    pub(super) fn merge(&mut self, part: Self) {
        match (self, part) {
            (Self::Board(all), Self::Board(rows)) => all.extend(rows),
            (Self::Leaderboard(all), Self::Leaderboard(rows)) => all.extend(rows),
            (Self::ClassCurves(all), Self::ClassCurves(rows)) => all.extend(rows),
            (Self::Curve(all), Self::Curve(part)) => *all = all.take().or(part),
            (Self::BestCurve(all), Self::BestCurve(part)) => all.plus_equals(&part),
            (Self::Racer(all), Self::Racer(classes)) => all.extend(classes),
            (Self::Results(all), Self::Results(rows)) => all.extend(rows),
            (Self::Names(all), Self::Names(rows)) => all.extend(rows),
            (Self::Classes(all), Self::Classes(rows)) => {
                for (class, size) in rows {
                    match all.iter_mut().find(|(other, _)| *other == class) {
                        Some((_, sum)) => {
                            sum.records += size.records;
                            sum.racers += size.racers;
                        }
                        None => all.push((class, size)),
                    }
                }
            }
            (Self::Project(all), Self::Project(part)) => *all = all.take().or(part),
            // All parts of one query have the same variant.
            _ => {}
        }
    }

    /// Sorts the rows.
    pub(super) fn finish(&mut self) {
        match self {
            Self::Board(rows) => rows.sort_unstable_by_key(|(racer, o)| (Reverse(*o), *racer)),
            Self::Leaderboard(rows) => {
                rows.sort_unstable_by_key(|(racer, best)| (Reverse(best.output), *racer));
            }
            Self::ClassCurves(rows) => rows.sort_unstable_by_key(|(racer, _)| *racer),
            Self::Racer(classes) => classes.sort_unstable_by_key(|(class, _)| *class),
            Self::Results(rows) => rows.sort_unstable_by_key(|(race, racer, _)| (*race, *racer)),
            Self::Names(rows) => rows.sort_unstable_by_key(|(racer, _)| *racer),
            Self::Classes(rows) => rows.sort_unstable_by_key(|(class, _)| *class),
            Self::Curve(_) | Self::BestCurve(_) | Self::Project(_) => {}
        }
    }
}
