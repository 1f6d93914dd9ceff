//! The frames of one topic: the last ones, and a snapshot to begin with.
//!
//! A *position* orders frames of all topics: that of a frame is greater than any that was published
//! before it. A client holds a position, not a queue: it takes what comes after it.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use velodrome_dataflows::EventTime;

/// How many frames are kept: two seconds and a half of ticks, more than a connection that is cut and
/// made again misses.
const FRAMES_MAX: usize = 256;
/// How many bytes of frames are kept, but for the last frame: ten seconds of a race of 1,000.
const BYTES_MAX: usize = 1 << 20;
/// A snapshot is made again at most so often, and whoever comes meanwhile gets the frames behind it.
pub(super) const SNAPSHOT_EVERY: Duration = Duration::from_secs(1);

/// What is sent of one change of a topic, the same bytes to all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) position: EventTime,
    bytes: Bytes,
    /// How many of them say which frame it is, at the beginning.
    id_bytes: usize,
}

/// The last frames of a topic.
#[derive(Debug, Default)]
pub(super) struct Ring {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// All frames after this position are here.
    reaches_back_to: EventTime,
    snapshot: Option<(Frame, Instant)>,
}

impl Frame {
    /// A frame of server-sent events that has an id, or one that no client can go on behind.
    pub(super) fn new(position: EventTime, id: Option<&str>, events: &str) -> Self {
        let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
        let bytes = [&id, events].concat();
        Self { position, bytes: bytes.into(), id_bytes: id.len() }
    }

    /// All of it.
    pub(super) fn with_id(&self) -> Bytes {
        self.bytes.clone()
    }

    /// The same without its id, for a client that has yet to be sent more of the same position.
    pub(super) fn without_id(&self) -> Bytes {
        self.bytes.slice(self.id_bytes..)
    }
}

impl Ring {
    /// No frames yet, of a topic that nobody followed when `published` was the last position: what
    /// changed since was not told.
    pub(super) fn new(published: EventTime) -> Self {
        Self { reaches_back_to: published + 1, ..Self::default() }
    }

    /// Adds what changed, which is of a later position than all before.
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

    /// Adds a snapshot that takes the place of all before it, for those who follow as well.
    pub(super) fn begin(&mut self, frame: Frame, now: Instant) {
        self.frames.clear();
        // Whatever a client has, this is what comes next.
        (self.bytes, self.reaches_back_to) = (0, 0);
        self.refresh(frame.clone(), now);
        self.push(frame);
    }

    /// Takes a snapshot for those who come; it tells nothing new to those who follow.
    pub(super) fn refresh(&mut self, frame: Frame, now: Instant) {
        self.snapshot = Some((frame, now));
    }

    /// How long the last frame is.
    pub(super) fn last_bytes(&self) -> usize {
        self.frames.back().map_or(0, |frame| frame.bytes.len())
    }

    /// When the snapshot was made.
    pub(super) fn refreshed(&self) -> Option<Instant> {
        self.snapshot.as_ref().map(|(_, made)| *made)
    }

    /// The frames after `position`, in order, or `None` where they are not all here any more.
    pub(super) fn after(&self, position: EventTime) -> Option<impl Iterator<Item = &Frame>> {
        let first = self.frames.partition_point(|frame| frame.position <= position);
        (position >= self.reaches_back_to).then(|| self.frames.range(first..))
    }

    /// A snapshot and the frames after it, or `None` where one is to be made at `now`.
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
    fn a_frame_is_an_event_with_or_without_its_id() {
        let frame = Frame::new(5, Some("e-5"), "event: delta\ndata: 1\n\n");
        assert_eq!(frame.with_id(), "id: e-5\nevent: delta\ndata: 1\n\n");
        assert_eq!(frame.without_id(), "event: delta\ndata: 1\n\n");
        assert_eq!(Frame::new(5, None, "event: put\n\n").with_id(), "event: put\n\n");
    }

    #[test]
    fn who_is_behind_gets_what_comes_after_as_long_as_it_is_there() {
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
    fn it_keeps_so_many_frames_and_bytes() {
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
        // The last one stays, whatever its size.
        large.push(Frame::new(60, None, &data.repeat(3)));
        assert_eq!(positions(large.after(50)), Some(vec![60]));
        large.push(frame(70));
        assert_eq!(positions(large.after(60)), Some(vec![70]));
    }

    #[test]
    fn a_snapshot_that_begins_anew_is_what_comes_next_for_everybody() {
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
    fn whoever_comes_shares_a_snapshot_for_a_second_and_while_nothing_changes() {
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
        // Nor is it of use where the frames behind it are gone.
        (41..=300).for_each(|position| ring.push(frame(position)));
        assert_eq!(positions(ring.snapshot(soon)), None);
    }
}
