//! The progress of a switch to new rules, as JSON.

use serde::Serialize;
use utoipa::ToSchema;
use velodrome_dataflows::EventTime;

use crate::rebuild_requests::RebuildProgress;

/// A switch to new rules that is in progress, or that failed.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rebuild {
    /// The id of the new rules.
    rules_id: String,
    /// The fraction of the log that has been read, from 0 to 1.
    share: f64,
    /// The number of events that have been replayed.
    events: u64,
    /// The event clock of the replay, in ms since the epoch; null before its first event.
    #[schema(required = true)]
    as_of: Option<EventTime>,
    /// What delays the switch, or why it was cancelled; null while it makes progress.
    #[schema(required = true)]
    error: Option<String>,
}

impl From<RebuildProgress> for Rebuild {
    fn from(progress: RebuildProgress) -> Self {
        let share = progress.share();
        let RebuildProgress { id: rules_id, events, clock, failure: error, .. } = progress;
        Self { rules_id, share, events, as_of: (clock > 0).then_some(clock), error }
    }
}
