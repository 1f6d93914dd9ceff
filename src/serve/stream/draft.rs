//! The content of a frame: rows copied from the live state, completed by queries, then encoded as one
//! line of JSON.

use std::sync::Arc;

use compact_str::CompactString;
use serde::Serialize;
use velodrome_dataflows::{ClassId, EventTime, RaceId, RacerId, Standing, ViewCount};

use super::topic::Topic;
use crate::serve::error::ApiError;
use crate::serve::firebase::{Event, Path};
use crate::serve::reads::{BoardRow, Project, RaceRow, ReadState};
use crate::serve::rebuild_status::Rebuild;

/// A frame before it is encoded.
#[derive(Debug)]
pub(super) struct Draft {
    /// The name of the server-sent event.
    pub(super) event: &'static str,
    /// Event time of the state in the frame.
    pub(super) as_of: EventTime,
    pub(super) body: Body,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Body {
    Standings(Standings),
    Board(Board),
    Views {
        rows: Vec<Project>,
    },
    Races {
        rows: Vec<RaceRow>,
        gone: Vec<RaceKey>,
    },
    Stats(Stats),
    #[serde(skip)]
    Tree(Tree),
}

/// Counters of projects for clients that listen at a path of the Firebase tree.
#[derive(Debug)]
pub(super) enum Tree {
    /// All projects at the path.
    Whole(Path, Vec<(CompactString, ViewCount)>),
    /// The changed projects.
    Changes(Path, Vec<(CompactString, ViewCount)>),
}

/// The standings of the running race of a class, or the rows that changed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Standings {
    pub(super) class_id: ClassId,
    pub(super) race_id: Option<RaceId>,
    pub(super) started_at: Option<EventTime>,
    /// Number of all running rides, including those that are not in `rows`.
    pub(super) racers: usize,
    pub(super) rows: Vec<StandingsRow>,
    /// Racers that no longer ride.
    pub(super) gone: Vec<RacerId>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StandingsRow {
    racer_id: RacerId,
    name: Option<CompactString>,
    output: f64,
    second: u16,
}

/// The board at the second that the running race has reached.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Board {
    class_id: ClassId,
    race_id: Option<RaceId>,
    second: Option<u16>,
    racers: usize,
    rows: Vec<BoardRow>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RaceKey {
    pub(super) class_id: ClassId,
    pub(super) race_id: RaceId,
}

/// The service's own figures.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats {
    pub(super) events_per_second: u64,
    /// Median and 99th percentile of how long requests waited whose events were acknowledged in the last
    /// second.
    pub(super) ack_p50_ms: Option<f64>,
    pub(super) ack_p99_ms: Option<f64>,
    /// How much the published state lags behind the accepted events.
    pub(super) lag_ms: u64,
    /// Number of connected clients.
    pub(super) streams: usize,
    pub(super) resident_bytes: u64,
    pub(super) workers: usize,
    /// Number of processes that run the workers.
    pub(super) processes: usize,
    /// Identity of the active rules.
    pub(super) rules_id: Arc<str>,
    /// The running switch to new rules, if any.
    pub(super) rebuild: Option<Rebuild>,
}

/// The JSON object of a frame: the fields common to all topics, and the body.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    topic: String,
    as_of: EventTime,
    #[serde(flatten)]
    body: &'a Body,
}

impl StandingsRow {
    pub(super) fn new(racer_id: RacerId, standing: &Standing) -> Self {
        let Standing { second, output, name, .. } = standing;
        Self { racer_id, name: name.clone(), output: output.0, second: *second }
    }
}

impl Board {
    /// Creates the board at a race and second, without rows; [`Draft::complete`] adds them.
    pub(super) fn new(class_id: ClassId, at: Option<(RaceId, u16)>) -> Self {
        let (race_id, second) = at.unzip();
        Self { class_id, race_id, second, racers: 0, rows: Vec::new() }
    }
}

impl Draft {
    /// Creates a frame with the complete state.
    pub(super) fn snapshot(as_of: EventTime, body: Body) -> Self {
        Self { event: "snapshot", as_of, body }
    }

    /// Creates a frame with the rows that changed since the previous frame.
    pub(super) fn delta(as_of: EventTime, body: Body) -> Self {
        Self { event: "delta", as_of, body }
    }

    /// Queries the data that is not in the live state: boards, and names of racers whose ride has none.
    ///
    /// # Errors
    /// The engine is busy or stopping.
    pub(super) async fn complete(&mut self, reads: &ReadState) -> Result<(), ApiError> {
        match &mut self.body {
            Body::Standings(standings) => {
                let nameless = || standings.rows.iter().filter(|row| row.name.is_none());
                let mut names = reads.names(nameless().map(|row| row.racer_id)).await?;
                for row in standings.rows.iter_mut().filter(|row| row.name.is_none()) {
                    row.name = names.remove(&row.racer_id);
                }
            }
            Body::Board(board) => {
                let Some(second) = board.second else { return Ok(()) };
                let top = reads.top_of_board(board.class_id, second).await?;
                (self.as_of, board.racers, board.rows) = (top.as_of, top.racers, top.rows);
            }
            Body::Views { .. } | Body::Races { .. } | Body::Stats(_) | Body::Tree(_) => {}
        }
        Ok(())
    }

    /// Encodes the frame as server-sent events: one event, or one per changed project of the tree.
    pub(super) fn text(&self, topic: &Topic) -> String {
        if let Body::Tree(tree) = &self.body {
            return tree.events().iter().map(Event::text).collect();
        }
        let data = Data { topic: topic.to_string(), as_of: self.as_of, body: &self.body };
        // Writing plain values to memory does not fail.
        let data = serde_json::to_string(&data).unwrap_or_default();
        ["event: ", self.event, "\ndata: ", &data, "\n\n"].concat()
    }
}

impl Tree {
    fn events(&self) -> Vec<Event> {
        match self {
            Self::Whole(path, counts) => vec![Event::whole(path.node(counts.clone()))],
            Self::Changes(path, counts) => {
                let event =
                    |(id, count): &(CompactString, ViewCount)| Event::of_change(path, id, *count);
                counts.iter().filter_map(event).collect()
            }
        }
    }
}
