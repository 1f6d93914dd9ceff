//! The content of a frame before it is encoded.

use serde::Serialize;
use velodrome_dataflows::EventTime;

use super::frame::Frame;
use super::payload::{Payload, TreePayload};
use super::topic::Topic;
use crate::serve::error::ApiError;
use crate::serve::firebase_tree::{TreeCounts, TreeEvent};
use crate::serve::reads::ReadState;

/// The counts of this many projects are encoded on the hub's own thread, in about half a millisecond.
const INLINE_PROJECTS_MAX: usize = 1_000;

/// The content of a frame.
#[derive(Debug)]
pub(super) struct Message {
    /// The name of the server-sent event.
    event: &'static str,
    /// The event clock of the state in the payload.
    as_of: EventTime,
    payload: Payload,
}

/// The JSON of an event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventData<'a> {
    topic: String,
    as_of: EventTime,
    #[serde(flatten)]
    payload: &'a Payload,
}

impl Message {
    /// The complete state of a topic.
    pub(super) fn snapshot(as_of: EventTime, payload: Payload) -> Self {
        Self { event: "snapshot", as_of, payload }
    }

    /// The rows that changed since the previous frame.
    pub(super) fn delta(as_of: EventTime, payload: Payload) -> Self {
        Self { event: "delta", as_of, payload }
    }

    /// Queries what the live state does not have: boards, and the names of racers whose ride has none.
    ///
    /// # Errors
    /// 503 if the engine is busy or stopping.
    pub(super) async fn fetch_missing(&mut self, reads: &ReadState) -> Result<(), ApiError> {
        match &mut self.payload {
            Payload::Standings(standings) => {
                let nameless = || standings.rows.iter().filter(|row| row.name.is_none());
                let mut names =
                    reads.names(standings.class_id, nameless().map(|row| row.racer_id)).await?;
                for row in standings.rows.iter_mut().filter(|row| row.name.is_none()) {
                    row.name = names.remove(&row.racer_id);
                }
            }
            Payload::Board(board) => {
                let Some(second) = board.second else { return Ok(()) };
                let top = reads.top_of_board(board.class_id, second).await?;
                (self.as_of, board.racers, board.rows) = (top.as_of, top.racers, top.rows);
            }
            Payload::Views { .. } | Payload::AllViews { .. } | Payload::Races { .. } => {}
            Payload::Stats(_) | Payload::Tree(_) => {}
        }
        Ok(())
    }

    /// Whether encoding it takes milliseconds, because it has many projects.
    pub(super) fn is_large(&self) -> bool {
        let projects = match &self.payload {
            Payload::AllViews { rows } => rows.len(),
            Payload::Tree(TreePayload::Snapshot(_, TreeCounts::All(list))) => list.len(),
            _ => 0,
        };
        projects > INLINE_PROJECTS_MAX
    }

    /// A function that encodes it as the frame of `topic` at `position`.
    pub(super) fn encoder(
        self,
        position: EventTime,
        topic: &Topic,
    ) -> impl FnOnce() -> Frame + Send + use<> {
        let topic = topic.clone();
        move || Frame::new(position, self.encode(&topic))
    }

    /// Encodes it as server-sent events: one event, or one for each change of the tree.
    fn encode(&self, topic: &Topic) -> String {
        if let Payload::Tree(tree) = &self.payload {
            return tree.events().iter().map(TreeEvent::encode).collect();
        }
        let data =
            EventData { topic: topic.to_string(), as_of: self.as_of, payload: &self.payload };
        // Plain values always serialize.
        let data = serde_json::to_string(&data).unwrap_or_default();
        ["event: ", self.event, "\ndata: ", &data, "\n\n"].concat()
    }
}
