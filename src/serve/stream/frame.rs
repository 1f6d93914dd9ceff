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
    bytes: Bytes,
    /// The length of the `id` line, with which the bytes begin.
    id_bytes: usize,
}

impl Frame {
    /// A frame of server-sent events. Clients cannot resume after a frame without `id`.
    pub(super) fn new(position: EventTime, id: Option<&str>, events: &str) -> Self {
        let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
        let bytes = [&id, events].concat();
        Self { position, bytes: bytes.into(), id_bytes: id.len() }
    }

    /// The length in bytes, including the id.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// All bytes.
    pub(super) fn with_id(&self) -> Bytes {
        self.bytes.clone()
    }

    /// The bytes without the id, for a client that has yet to receive another frame of the same
    /// position.
    pub(super) fn without_id(&self) -> Bytes {
        self.bytes.slice(self.id_bytes..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_bytes_with_and_without_its_id() {
        let frame = Frame::new(5, Some("e-5"), "event: delta\ndata: 1\n\n");
        assert_eq!(frame.with_id(), "id: e-5\nevent: delta\ndata: 1\n\n");
        assert_eq!(frame.without_id(), "event: delta\ndata: 1\n\n");
        assert_eq!(Frame::new(5, None, "event: put\n\n").with_id(), "event: put\n\n");
    }
}
