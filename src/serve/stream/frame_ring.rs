//! The ring buffer of one topic's newest frames, and its latest snapshot.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;
use velodrome_dataflows::EventTime;

use super::frame::Frame;

/// The maximum number of frames: 2.5 seconds of ticks, longer than a client needs to reconnect.
const FRAMES_MAX: usize = 256;
/// The maximum size of all frames, except that the newest frame is always retained. Enough for ten
/// seconds of a race with 1,000 racers.
const BYTES_MAX: usize = 1 << 20;
/// The shortest time between two snapshots for new clients. In between, a new client gets the snapshot
/// and the frames after it.
pub(super) const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(1);

/// The newest frames of a topic.
#[derive(Debug, Default)]
pub(super) struct FrameRing {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// The ring has all frames after this position.
    complete_after: EventTime,
    snapshot: Option<(Frame, Instant)>,
}

impl FrameRing {
    /// An empty ring of a new topic. `published` is the newest position of any topic. The ring lacks all
    /// changes of this topic up to that position.
    pub(super) fn new(published: EventTime) -> Self {
        Self { complete_after: published + 1, ..Self::default() }
    }

    /// Appends a delta. Its position must be greater than all positions so far.
    pub(super) fn push(&mut self, frame: Frame) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
        while self.frames.len() > 1
            && (self.frames.len() > FRAMES_MAX || self.bytes > BYTES_MAX)
            && let Some(dropped) = self.frames.pop_front()
        {
            self.bytes -= dropped.len();
            self.complete_after = dropped.position;
        }
    }

    /// Replaces all frames with a snapshot, which current clients receive too.
    pub(super) fn reset(&mut self, snapshot: Frame, now: Instant) {
        self.frames.clear();
        // The snapshot is the next frame of every client, whatever its cursor.
        (self.bytes, self.complete_after) = (0, 0);
        self.set_snapshot(snapshot.clone(), now);
        self.push(snapshot);
    }

    /// Sets the snapshot for new clients. It reports no change to current clients.
    pub(super) fn set_snapshot(&mut self, snapshot: Frame, now: Instant) {
        self.snapshot = Some((snapshot, now));
    }

    /// The length of the newest frame in bytes, 0 if there is none.
    pub(super) fn newest_frame_bytes(&self) -> usize {
        self.frames.back().map_or(0, Frame::len)
    }

    /// When the snapshot was built.
    pub(super) fn snapshot_built_at(&self) -> Option<Instant> {
        self.snapshot.as_ref().map(|(_, built_at)| *built_at)
    }

    /// The frames after `cursor`, in order. `None` if some of them were dropped.
    pub(super) fn frames_after(&self, cursor: EventTime) -> Option<impl Iterator<Item = &Frame>> {
        let first = self.frames.partition_point(|frame| frame.position <= cursor);
        (cursor >= self.complete_after).then(|| self.frames.range(first..))
    }

    /// The snapshot and the frames after it. `None` if a client at `now` needs a new snapshot.
    pub(super) fn frames_from_snapshot(
        &self,
        now: Instant,
    ) -> Option<impl Iterator<Item = &Frame>> {
        let (snapshot, built_at) = self.snapshot.as_ref()?;
        let is_newest = self.frames.back().is_none_or(|last| last.position <= snapshot.position);
        let is_recent = now < *built_at + SNAPSHOT_INTERVAL;
        let after = self.frames_after(snapshot.position)?;
        (is_newest || is_recent).then(|| std::iter::once(snapshot).chain(after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(position: EventTime) -> Frame {
        Frame::new(position, "event: delta\n\n".to_owned())
    }

    fn ring(positions: impl IntoIterator<Item = EventTime>) -> FrameRing {
        let mut ring = FrameRing::new(10);
        positions.into_iter().for_each(|position| ring.push(frame(position)));
        ring
    }

    fn positions<'a>(frames: Option<impl Iterator<Item = &'a Frame>>) -> Option<Vec<EventTime>> {
        frames.map(|frames| frames.map(|frame| frame.position).collect())
    }

    #[test]
    fn returns_the_frames_after_a_cursor_while_it_has_them_all() {
        let ring = ring([20, 30, 40]);
        for (cursor, expected) in [
            (10, None),
            (11, Some(vec![20, 30, 40])),
            (20, Some(vec![30, 40])),
            (25, Some(vec![30, 40])),
            (40, Some(vec![])),
        ] {
            assert_eq!(positions(ring.frames_after(cursor)), expected, "{cursor}");
        }
    }

    #[test]
    fn drops_the_oldest_frames_over_the_limits() {
        let many = ring(11..=300);
        assert_eq!(positions(many.frames_after(43)), None);
        assert_eq!(positions(many.frames_after(44)).unwrap().len(), FRAMES_MAX);
        let mut large = ring([20]);
        let data = "x".repeat(BYTES_MAX / 2 + 1);
        for position in [30, 40, 50] {
            large.push(Frame::new(position, data.clone()));
        }
        assert_eq!(positions(large.frames_after(39)), None);
        assert_eq!(positions(large.frames_after(40)), Some(vec![50]));
        // The newest frame stays, whatever its size.
        large.push(Frame::new(60, data.repeat(3)));
        assert_eq!(positions(large.frames_after(50)), Some(vec![60]));
        large.push(frame(70));
        assert_eq!(positions(large.frames_after(60)), Some(vec![70]));
    }

    #[test]
    fn after_a_reset_every_client_continues_with_the_snapshot() {
        let now = Instant::now();
        let mut ring = ring([20, 30]);
        ring.reset(frame(40), now);
        ring.push(frame(50));
        for cursor in [0, 20, 30] {
            assert_eq!(positions(ring.frames_after(cursor)), Some(vec![40, 50]));
        }
        assert_eq!(positions(ring.frames_after(40)), Some(vec![50]));
        assert_eq!(positions(ring.frames_from_snapshot(now)), Some(vec![40, 50]));
    }

    #[test]
    fn a_snapshot_is_valid_for_a_second_or_until_the_next_change() {
        let now = Instant::now();
        let mut ring = ring([20, 30]);
        assert_eq!(positions(ring.frames_from_snapshot(now)), None);
        ring.set_snapshot(frame(30), now);
        let much_later = now + 100 * SNAPSHOT_INTERVAL;
        assert_eq!(positions(ring.frames_from_snapshot(much_later)), Some(vec![30]));
        ring.push(frame(40));
        let soon = now + SNAPSHOT_INTERVAL - Duration::from_millis(1);
        assert_eq!(positions(ring.frames_from_snapshot(soon)), Some(vec![30, 40]));
        assert_eq!(positions(ring.frames_from_snapshot(now + SNAPSHOT_INTERVAL)), None);
        // A snapshot is useless once frames after it were dropped.
        (41..=300).for_each(|position| ring.push(frame(position)));
        assert_eq!(positions(ring.frames_from_snapshot(soon)), None);
    }
}
