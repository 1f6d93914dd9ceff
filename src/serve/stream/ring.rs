//! The frames of one topic: the most recent ones, and a snapshot for new clients.
//!
//! A *position* orders the frames of all topics: a frame has a greater position than all frames published
//! before it. A client has a position instead of a queue and reads the frames after it.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use velodrome_dataflows::EventTime;

/// Maximum number of frames in a ring: two and a half seconds of ticks, which is longer than a client
/// takes to reconnect.
const FRAMES_MAX: usize = 256;
/// Maximum total size of the frames: ten seconds of a race of 1,000 racers. The last frame stays even if
/// it is larger.
const BYTES_MAX: usize = 1 << 20;
/// Minimum time between two snapshots. A new client in between gets the snapshot and the frames after it.
pub(super) const SNAPSHOT_EVERY: Duration = Duration::from_secs(1);

/// One change of a topic as bytes that all clients share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) position: EventTime,
    bytes: Bytes,
    /// Length of the `id` line at the beginning of `bytes`.
    id_bytes: usize,
}

/// The last frames of a topic.
#[derive(Debug, Default)]
pub(super) struct Ring {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// The ring has all frames after this position.
    reaches_back_to: EventTime,
    snapshot: Option<(Frame, Instant)>,
}

impl Frame {
    /// Creates a frame of server-sent events. Clients cannot resume after a frame without an id.
    pub(super) fn new(position: EventTime, id: Option<&str>, events: &str) -> Self {
        let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
        let bytes = [&id, events].concat();
        Self { position, bytes: bytes.into(), id_bytes: id.len() }
    }

    /// Returns all bytes.
    pub(super) fn with_id(&self) -> Bytes {
        self.bytes.clone()
    }

    /// Returns the bytes without the id line, for a client that will be sent more frames in the same batch.
    pub(super) fn without_id(&self) -> Bytes {
        self.bytes.slice(self.id_bytes..)
    }
}

impl Ring {
    /// Creates an empty ring for a topic that had no clients up to position `published`. Changes up to
    /// that position are in no frame.
    pub(super) fn new(published: EventTime) -> Self {
        Self { reaches_back_to: published + 1, ..Self::default() }
    }

    /// Appends a delta; its position must be greater than all previous ones.
    pub(super) fn push(&mut self, frame: Frame) {
        self.bytes += frame.bytes.len();
        self.frames.push_back(frame);
        while self.frames.len() > 1
            && (self.frames.len() > FRAMES_MAX || self.bytes > BYTES_MAX)
            && let Some(dropped) = self.frames.pop_front()
        {
            self.bytes -= dropped.bytes.len();
            self.reaches_back_to = dropped.position;
        }
    }

    /// Replaces all frames by a snapshot, which connected clients receive too.
    pub(super) fn begin(&mut self, frame: Frame, now: Instant) {
        self.frames.clear();
        // The snapshot is the next frame for a client at any position.
        (self.bytes, self.reaches_back_to) = (0, 0);
        self.refresh(frame.clone(), now);
        self.push(frame);
    }

    /// Stores a snapshot for new clients; connected clients do not receive it.
    pub(super) fn refresh(&mut self, frame: Frame, now: Instant) {
        self.snapshot = Some((frame, now));
    }

    /// Returns the size of the last frame in bytes, or 0.
    pub(super) fn last_bytes(&self) -> usize {
        self.frames.back().map_or(0, |frame| frame.bytes.len())
    }

    /// Returns when the snapshot was built.
    pub(super) fn refreshed(&self) -> Option<Instant> {
        self.snapshot.as_ref().map(|(_, made)| *made)
    }

    /// Returns the frames after `position` in order, or `None` if the ring has dropped some of them.
    pub(super) fn after(&self, position: EventTime) -> Option<impl Iterator<Item = &Frame>> {
        let first = self.frames.partition_point(|frame| frame.position <= position);
        (position >= self.reaches_back_to).then(|| self.frames.range(first..))
    }

    /// Returns the snapshot and the frames after it, or `None` if a new snapshot is needed at `now`.
    pub(super) fn snapshot(&self, now: Instant) -> Option<impl Iterator<Item = &Frame>> {
        let (snapshot, made) = self.snapshot.as_ref()?;
        let is_newest = self.frames.back().is_none_or(|last| last.position <= snapshot.position);
        let is_young = now < *made + SNAPSHOT_EVERY;
        let after = self.after(snapshot.position)?;
        (is_newest || is_young).then(|| std::iter::once(snapshot).chain(after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(position: EventTime) -> Frame {
        Frame::new(position, Some("e-1"), "event: delta\n\n")
    }

    fn ring(positions: impl IntoIterator<Item = EventTime>) -> Ring {
        let mut ring = Ring::new(10);
        positions.into_iter().for_each(|position| ring.push(frame(position)));
        ring
    }

    fn positions<'a>(frames: Option<impl Iterator<Item = &'a Frame>>) -> Option<Vec<EventTime>> {
        frames.map(|frames| frames.map(|frame| frame.position).collect())
    }

    #[test]
    fn encodes_an_event_with_or_without_its_id() {
        let frame = Frame::new(5, Some("e-5"), "event: delta\ndata: 1\n\n");
        assert_eq!(frame.with_id(), "id: e-5\nevent: delta\ndata: 1\n\n");
        assert_eq!(frame.without_id(), "event: delta\ndata: 1\n\n");
        assert_eq!(Frame::new(5, None, "event: put\n\n").with_id(), "event: put\n\n");
    }

    #[test]
    fn returns_the_frames_after_a_position_while_the_ring_has_them() {
        let ring = ring([20, 30, 40]);
        for (position, expected) in [
            (10, None),
            (11, Some(vec![20, 30, 40])),
            (20, Some(vec![30, 40])),
            (25, Some(vec![30, 40])),
            (40, Some(vec![])),
        ] {
            assert_eq!(positions(ring.after(position)), expected, "{position}");
        }
    }

    #[test]
    fn drops_the_oldest_frames_over_the_count_and_size_limits() {
        let many = ring(11..=300);
        assert_eq!(positions(many.after(43)), None);
        assert_eq!(positions(many.after(44)).unwrap().len(), FRAMES_MAX);
        let mut large = ring([20]);
        let data = "x".repeat(BYTES_MAX / 2 + 1);
        for position in [30, 40, 50] {
            large.push(Frame::new(position, None, &data));
        }
        assert_eq!(positions(large.after(39)), None);
        assert_eq!(positions(large.after(40)), Some(vec![50]));
        // The last frame stays even if it is over the size limit.
        large.push(Frame::new(60, None, &data.repeat(3)));
        assert_eq!(positions(large.after(50)), Some(vec![60]));
        large.push(frame(70));
        assert_eq!(positions(large.after(60)), Some(vec![70]));
    }

    #[test]
    fn a_begin_snapshot_is_the_next_frame_for_every_position() {
        let now = Instant::now();
        let mut ring = ring([20, 30]);
        ring.begin(frame(40), now);
        ring.push(frame(50));
        for position in [0, 20, 30] {
            assert_eq!(positions(ring.after(position)), Some(vec![40, 50]));
        }
        assert_eq!(positions(ring.after(40)), Some(vec![50]));
        assert_eq!(positions(ring.snapshot(now)), Some(vec![40, 50]));
    }

    #[test]
    fn new_clients_share_a_snapshot_for_a_second_or_until_a_change() {
        let now = Instant::now();
        let mut ring = ring([20, 30]);
        assert_eq!(positions(ring.snapshot(now)), None);
        ring.refresh(frame(30), now);
        let much_later = now + 100 * SNAPSHOT_EVERY;
        assert_eq!(positions(ring.snapshot(much_later)), Some(vec![30]));
        ring.push(frame(40));
        let soon = now + SNAPSHOT_EVERY - Duration::from_millis(1);
        assert_eq!(positions(ring.snapshot(soon)), Some(vec![30, 40]));
        assert_eq!(positions(ring.snapshot(now + SNAPSHOT_EVERY)), None);
        // A snapshot is useless once the ring has dropped a frame after it.
        (41..=300).for_each(|position| ring.push(frame(position)));
        assert_eq!(positions(ring.snapshot(soon)), None);
    }
}
