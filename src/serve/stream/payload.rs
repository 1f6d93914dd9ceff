//! The JSON of frames, a type for each kind of topic.

use std::sync::Arc;

use compact_str::CompactString;
use serde::{Serialize, Serializer};
use velodrome_dataflows::{ClassId, EventTime, RaceId, RacerId, Standing, ViewCount};

use crate::live_state::ProjectList;
use crate::serve::firebase_tree::{TreeCounts, TreeEvent, TreePath};
use crate::serve::reads::{BoardRow, Project, RaceRow};
use crate::serve::rebuild_status::Rebuild;

/// The rows and fields of a frame.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Payload {
    Standings(Standings),
    Board(Board),
    Views {
        rows: Vec<Project>,
    },
    /// All projects, for a snapshot. It is serialized after the lock of the live state is released.
    AllViews {
        #[serde(serialize_with = "all_views")]
        rows: ProjectList,
    },
    Races {
        rows: Vec<RaceRow>,
        /// Removed races.
        gone: Vec<RaceKey>,
    },
    Stats(Stats),
    /// Encoded as [`TreeEvent`]s.
    #[serde(skip)]
    Tree(TreePayload),
}

/// View counts, for clients that stream a path of the Firebase tree.
#[derive(Debug)]
pub(super) enum TreePayload {
    /// All projects at or below the path.
    Snapshot(TreePath, TreeCounts),
    /// The projects whose counters changed.
    Changes(TreePath, Vec<(CompactString, ViewCount)>),
}

/// The standings of the running race of a class, or the rows that changed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Standings {
    pub(super) class_id: ClassId,
    pub(super) race_id: Option<RaceId>,
    pub(super) started_at: Option<EventTime>,
    /// The number of all running racers, whether or not they have a row here.
    pub(super) racers: usize,
    pub(super) rows: Vec<StandingsRow>,
    /// Racers that no longer ride.
    pub(super) gone: Vec<RacerId>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StandingsRow {
    pub(super) racer_id: RacerId,
    pub(super) name: Option<CompactString>,
    output: f64,
    second: u16,
}

/// The board at the current second of the running race.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Board {
    pub(super) class_id: ClassId,
    race_id: Option<RaceId>,
    pub(super) second: Option<u16>,
    pub(super) racers: usize,
    pub(super) rows: Vec<BoardRow>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RaceKey {
    pub(super) class_id: ClassId,
    pub(super) race_id: RaceId,
}

/// The service's own metrics.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats {
    pub(super) events_per_second: u64,
    /// Latencies of the requests with events that were acknowledged in the last second: median and 99th
    /// percentile. `None` if there were none.
    pub(super) ack_p50_ms: Option<f64>,
    pub(super) ack_p99_ms: Option<f64>,
    /// The lag of the engine behind the service's clock.
    pub(super) lag_ms: u64,
    /// Open streams.
    pub(super) streams: usize,
    pub(super) resident_bytes: u64,
    pub(super) workers: usize,
    /// The processes of the workers.
    pub(super) processes: usize,
    /// The id of the active rules.
    pub(super) rules_id: Arc<str>,
    /// A switch to new rules that is in progress, or that failed.
    pub(super) rebuild: Option<Rebuild>,
}

fn all_views<S: Serializer>(rows: &ProjectList, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(rows.iter().map(|row| Project::new(row.id.clone(), row.count())))
}

impl StandingsRow {
    pub(super) fn new(racer_id: RacerId, standing: &Standing) -> Self {
        let Standing { second, output, name, .. } = standing;
        Self { racer_id, name: name.clone(), output: output.0, second: *second }
    }
}

impl Board {
    /// The board at a second of a race, with its rows still missing.
    pub(super) fn new(class_id: ClassId, race_and_second: Option<(RaceId, u16)>) -> Self {
        let (race_id, second) = race_and_second.unzip();
        Self { class_id, race_id, second, racers: 0, rows: Vec::new() }
    }
}

impl TreePayload {
    /// One `put` of the complete data, or an event for each changed project.
    pub(super) fn events(&self) -> Vec<TreeEvent> {
        match self {
            Self::Snapshot(path, counts) => vec![TreeEvent::put(path.node(counts))],
            Self::Changes(path, counts) => {
                let events = counts.iter();
                events.filter_map(|(id, count)| TreeEvent::for_change(path, id, *count)).collect()
            }
        }
    }
}
