//! One frame: encoded events and their position.

use bytes::Bytes;
use velodrome_dataflows::EventTime;

/// The encoded events of one change of a topic. Clones share the bytes.
///
/// A *position* orders the frames of all topics: it is greater than that of every frame published
/// before. Frames that are published together have the same position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) position: EventTime,
    /// Server-sent events without ids.
    pub(super) bytes: Bytes,
}

impl Frame {
    /// A frame of server-sent events.
    pub(super) fn new(position: EventTime, events: String) -> Self {
        Self { position, bytes: events.into() }
    }

    /// The length in bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}
