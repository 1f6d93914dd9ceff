//! A workload cut into what goes in one POST.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::super::{Batch, RecordedError};
use super::{Drive, Events};

/// Lines that go in one POST, in the order of their arrival.
#[derive(Debug)]
pub(super) struct Post {
    batch: Arc<Batch>,
    text: Range<usize>,
    /// When to send it, from the beginning of the drive; none where it is due at once.
    pub(super) due: Option<Duration>,
    /// Whether standings show it once it is acknowledged.
    is_shown: bool,
}

/// What a race event tells of its racer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sample {
    pub(super) class_id: u16,
    pub(super) race_id: u64,
    pub(super) racer_id: u32,
    pub(super) second: u16,
}

impl Post {
    /// The lines, each with its newline.
    pub(super) fn text(&self) -> &[u8] {
        self.batch.text().get(self.text.clone()).unwrap_or_default()
    }

    /// The first race event that standings show, if there is one.
    pub(super) fn sample(&self) -> Option<Sample> {
        let lines = self.text().split_inclusive(|&byte| byte == b'\n');
        lines.filter(|_| self.is_shown).find_map(|line| serde_json::from_slice(line).ok())
    }
}

/// All posts of `events`, made as they are taken, until there is an error.
pub(super) fn posts(
    events: &Events,
    drive: &Drive,
) -> impl Iterator<Item = Result<Post, RecordedError>> {
    let is_shown = events.are_shown();
    events.batches().flat_map(move |batch| match batch {
        Ok((start_ms, batch)) => {
            cut(batch, start_ms, drive, is_shown).into_iter().map(Ok).collect()
        }
        Err(error) => vec![Err(error)],
    })
}

/// What of `batch` is due together goes together, as far as a post has room.
fn cut(batch: Batch, start_ms: u64, drive: &Drive, is_shown: bool) -> Vec<Post> {
    let batch = Arc::new(batch);
    let after_ms = |arrival_ms: u64| arrival_ms.saturating_sub(start_ms);
    let lines =
        batch.lines().map(|line| (drive.rate.due(after_ms(line.arrival_ms)), line.bytes.len()));
    let lines: Vec<_> = lines.collect();
    let together = lines.chunk_by(|(due, _), (next, _)| due == next);
    let mut begin = 0;
    let post = |lines: &[(Option<Duration>, usize)]| {
        let end = begin + lines.iter().map(|(_, bytes)| bytes).sum::<usize>();
        let (batch, text) = (Arc::clone(&batch), begin..end);
        begin = end;
        Post { batch, text, due: lines.first().and_then(|(due, _)| *due), is_shown }
    };
    together.flat_map(|lines| lines.chunks(drive.batch.get())).map(post).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Rate;
    use super::super::tests::{drive_to, small};
    use super::*;

    fn lines(post: &Post) -> usize {
        post.text().iter().filter(|&&byte| byte == b'\n').count()
    }

    #[test]
    fn hold_all_lines_in_order_and_no_more_than_fit() {
        let workload = small();
        let all: Vec<u8> = workload.window(0).flat_map(|batch| batch.text().to_vec()).collect();
        for rate in [Rate::Max, Rate::Factor(1_000.0)] {
            let (drive, events) =
                (Drive { rate, ..drive_to("") }, Events::Simulated(workload.clone()));
            let posts: Vec<_> = posts(&events, &drive).map(Result::unwrap).collect();
            assert!(posts.iter().flat_map(Post::text).eq(&all));
            assert_eq!(posts.iter().map(lines).max(), Some(drive.batch.get()));
        }
    }

    #[test]
    fn hold_what_falls_due_in_one_tick_and_nothing_else() {
        let workload = small();
        let drive = Drive { rate: Rate::Factor(1.0), ..drive_to("") };
        let events = Events::Simulated(workload.clone());
        let posts: Vec<_> = posts(&events, &drive).map(Result::unwrap).collect();
        assert!(posts.is_sorted_by_key(|post| post.due));
        let mut lines = workload.window(0).flat_map(|batch| {
            let arrivals: Vec<_> = batch.lines().map(|line| line.arrival_ms).collect();
            arrivals
        });
        for post in &posts {
            let due_ms = post.due.unwrap().as_millis() as u64 + workload.parameters.start_ms;
            let arrivals = lines.by_ref().take(self::lines(post));
            for arrival_ms in arrivals {
                assert!((due_ms - 19..=due_ms).contains(&arrival_ms), "{arrival_ms}, {due_ms}");
            }
        }
    }

    #[test]
    fn tell_their_first_race_event() {
        let event = |second| {
            format!(
                r#"{{"event":"update","second":{second},"raceId":7,"racerId":3,"classId":2,"cadence":1,"resistance":2}}"#
            )
        };
        let view = r#"{"event":"view","uuid":"u","projectId":"p","deviceTimestamp":1}"#;
        let post = |lines: &[&str]| {
            let text = lines.join("\n").into_bytes();
            let text_range = 0..text.len();
            let batch = Arc::new(Batch { text, ends: Vec::new() });
            Post { batch, text: text_range, due: None, is_shown: true }
        };
        let sample = Sample { class_id: 2, race_id: 7, racer_id: 3, second: 4 };
        assert_eq!(post(&[view, &event(4), &event(5)]).sample(), Some(sample));
        assert_eq!(post(&[view]).sample(), None);
        assert_eq!(Post { is_shown: false, ..post(&[&event(4)]) }.sample(), None);
    }
}
