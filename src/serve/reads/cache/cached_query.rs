//! The queries whose answers are cached.

use std::mem::size_of;

use compact_str::CompactString;
use velodrome_dataflows::{
    Answer, BestFinal, ClassId, ClassSize, EventTime, Output, Query, RacerId,
};

use crate::live_state::LiveTables;

/// A query that many clients send.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::serve) enum CachedQuery {
    /// The records of a class at a second, from 1.
    Board(ClassId, u16),
    /// The best final outputs of a class.
    Leaderboard(ClassId),
    /// The best record of any racer of a class at each second.
    BestCurve(ClassId),
    /// The numbers of records and racers of each class.
    Classes,
    /// The names of racers in a class.
    Names(ClassId, Vec<RacerId>),
}

impl CachedQuery {
    /// The same query for the engine.
    pub(super) fn query(self) -> Query {
        match self {
            Self::Board(class, second) => Query::Board(class, second),
            Self::Leaderboard(class) => Query::Leaderboard(class),
            Self::BestCurve(class) => Query::BestCurve(class),
            Self::Classes => Query::Classes,
            Self::Names(class, racers) => Query::Names(class, racers),
        }
    }

    /// The time of the most recent change of the data that the answer depends on.
    pub(super) fn version(&self, live: &LiveTables) -> EventTime {
        match self {
            Self::Board(class, _) | Self::BestCurve(class) => live.versions(*class).records,
            Self::Leaderboard(class) => live.versions(*class).leaderboard,
            Self::Classes => live.newest_versions().records,
            // A name changes only with a ride that also changes a record or a leaderboard.
            Self::Names(class, _) => {
                let versions = live.versions(*class);
                versions.records.max(versions.leaderboard)
            }
        }
    }

    /// The value of the metrics' label `query`.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Board(..) => "board",
            Self::Leaderboard(_) => "leaderboard",
            Self::BestCurve(_) => "best",
            Self::Classes => "classes",
            Self::Names(..) => "names",
        }
    }

    /// The approximate memory of this query and its answer, in bytes.
    pub(super) fn bytes(&self, answer: &Answer) -> u32 {
        let rows = match answer {
            Answer::Board(rows) => rows.len() * size_of::<(RacerId, Output)>(),
            Answer::Leaderboard(rows) => rows.len() * size_of::<(RacerId, BestFinal)>(),
            Answer::BestCurve(curve) => usize::from(curve.seconds()) * size_of::<f64>(),
            Answer::Classes(rows) => rows.len() * size_of::<(ClassId, ClassSize)>(),
            Answer::Names(rows) => {
                let heap = rows.iter().filter(|(_, name)| name.is_heap_allocated());
                rows.len() * size_of::<(RacerId, CompactString)>()
                    + heap.map(|(_, name)| name.capacity()).sum::<usize>()
            }
            // No cached query has another answer.
            _ => 0,
        };
        let parameters = match self {
            Self::Names(_, racers) => racers.len() * size_of::<RacerId>(),
            _ => 0,
        };
        let fixed = size_of::<(Self, EventTime)>() + size_of::<(EventTime, Answer)>();
        u32::try_from(fixed + parameters + rows).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_grow_with_rows_and_with_names_on_the_heap() {
        let board = CachedQuery::Board(1, 2);
        let rows = |rows| Answer::Board(vec![(1, Output(1.0)); rows]);
        assert_eq!(board.bytes(&rows(1_000)) - board.bytes(&rows(0)), 16_000);
        let name = |name: &str| Answer::Names(vec![(1, name.into())]);
        let names = CachedQuery::Names(1, vec![1]);
        assert!(names.bytes(&name(&"n".repeat(900))) - names.bytes(&name("n")) >= 900);
    }
}
