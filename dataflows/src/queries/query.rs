//! The queries.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::values::{ClassId, RaceId, RacerId};

/// A query of the graph's state. Its answer is the [`Answer`](crate::Answer) of the same name.
///
/// Answers omit the records, results and classes of racers who are banned; names are not omitted.
///
/// ```
/// use velodrome_dataflows::Query;
///
/// // The records of class 1 at its first second, and of class 2.
/// assert_ne!(Query::Board(1, 1), Query::Board(2, 1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Query {
    /// The records of a class at a second (from 1).
    Board(ClassId, u16),
    /// The best final outputs of a class.
    Leaderboard(ClassId),
    /// The record curves of all racers of a class.
    ClassCurves(ClassId),
    /// A racer's record curve in a class.
    Curve(ClassId, RacerId),
    /// The best record of any racer of a class at each second.
    BestCurve(ClassId),
    /// The classes in which the racer has a record, with the racer's name there.
    Racer(RacerId),
    /// The results of races of a class. The races must be distinct.
    Results(ClassId, Vec<RaceId>),
    /// The names of racers in a class.
    Names(ClassId, Vec<RacerId>),
    /// The size of each class.
    Classes,
    /// A project's views.
    Project(CompactString),
}

/// A query that enters the dataflow, with its sender.
///
/// ```
/// use velodrome_dataflows::{Query, QueryRequest};
///
/// let request = QueryRequest { worker: 0, id: 17, query: Query::Board(1, 300) };
/// assert_eq!(request.query, Query::Board(1, 300));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QueryRequest {
    /// The index of the worker that asks, which receives the answer.
    pub worker: usize,
    /// The id that the worker assigned to the query, unique among the worker's open queries.
    pub id: u64,
    /// The query.
    pub query: Query,
}
