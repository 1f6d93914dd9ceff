//! Splits events into batches, each of which is sent in one POST.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::super::batch::Batch;
use super::super::recorded::RecordedError;
use super::config::LoadTest;
use super::event_source::EventSource;
use super::probe::ProbedSample;

/// The lines of one POST, in order of arrival.
#[derive(Debug)]
pub(super) struct PostBatch {
    batch: Arc<Batch>,
    text: Range<usize>,
    /// When to send it, from the start of the load test; `None` for as soon as possible.
    pub(super) due: Option<Duration>,
    /// Whether standings show its events once they are acknowledged.
    is_shown: bool,
}

impl PostBatch {
    /// The lines, each with its newline.
    pub(super) fn text(&self) -> &[u8] {
        self.batch.text().get(self.text.clone()).unwrap_or_default()
    }

    /// The first race event, if standings show it.
    pub(super) fn sample(&self) -> Option<ProbedSample> {
        let lines = self.text().split_inclusive(|&byte| byte == b'\n');
        lines.filter(|_| self.is_shown).find_map(|line| serde_json::from_slice(line).ok())
    }
}

/// All batches of `events`, generated lazily, up to the first error.
pub(super) fn post_batches(
    events: &EventSource,
    config: &LoadTest,
) -> impl Iterator<Item = Result<PostBatch, RecordedError>> {
    let is_shown = events.are_shown();
    events.batches().flat_map(move |batch| match batch {
        Ok((start_ms, batch)) => {
            cut(batch, start_ms, config, is_shown).into_iter().map(Ok).collect()
        }
        Err(error) => vec![Err(error)],
    })
}

/// Splits a batch: lines that are due together are sent together, up to the maximum batch size.
fn cut(batch: Batch, start_ms: u64, config: &LoadTest, is_shown: bool) -> Vec<PostBatch> {
    let batch = Arc::new(batch);
    let after_ms = |arrival_ms: u64| arrival_ms.saturating_sub(start_ms);
    let lines =
        batch.lines().map(|line| (config.rate.due(after_ms(line.arrival_ms)), line.bytes.len()));
    let lines: Vec<_> = lines.collect();
    let together = lines.chunk_by(|(due, _), (next, _)| due == next);
    let mut begin = 0;
    let post_batch = |lines: &[(Option<Duration>, usize)]| {
        let end = begin + lines.iter().map(|(_, bytes)| bytes).sum::<usize>();
        let (batch, text) = (Arc::clone(&batch), begin..end);
        begin = end;
        PostBatch { batch, text, due: lines.first().and_then(|(due, _)| *due), is_shown }
    };
    together.flat_map(|lines| lines.chunks(config.batch.get())).map(post_batch).collect()
}

#[cfg(test)]
mod tests {
    use super::super::rate::Rate;
    use super::super::tests::{config_for, small};
    use super::*;

    fn lines(batch: &PostBatch) -> usize {
        batch.text().iter().filter(|&&byte| byte == b'\n').count()
    }

    #[test]
    fn batches_have_all_lines_in_order_up_to_the_maximum_each() {
        let workload = small();
        let all: Vec<u8> =
            workload.race_batches(0).flat_map(|batch| batch.text().to_vec()).collect();
        for rate in [Rate::Max, Rate::Factor(1_000.0)] {
            let config = LoadTest { rate, ..config_for("") };
            let events = EventSource::Simulated(workload.clone());
            let batches: Vec<_> = post_batches(&events, &config).map(Result::unwrap).collect();
            assert!(batches.iter().flat_map(PostBatch::text).eq(&all));
            assert_eq!(batches.iter().map(lines).max(), Some(config.batch.get()));
        }
    }

    #[test]
    fn a_batch_has_exactly_the_lines_that_are_due_in_one_send_interval() {
        let workload = small();
        let config = LoadTest { rate: Rate::Factor(1.0), ..config_for("") };
        let events = EventSource::Simulated(workload.clone());
        let batches: Vec<_> = post_batches(&events, &config).map(Result::unwrap).collect();
        assert!(batches.is_sorted_by_key(|batch| batch.due));
        let mut lines = workload.race_batches(0).flat_map(|batch| {
            let arrivals: Vec<_> = batch.lines().map(|line| line.arrival_ms).collect();
            arrivals
        });
        for batch in &batches {
            let due_ms = batch.due.unwrap().as_millis() as u64 + workload.parameters.start_ms;
            let arrivals = lines.by_ref().take(self::lines(batch));
            for arrival_ms in arrivals {
                assert!((due_ms - 19..=due_ms).contains(&arrival_ms), "{arrival_ms}, {due_ms}");
            }
        }
    }

    #[test]
    fn the_sample_of_a_batch_is_its_first_race_event() {
        let event = |second| {
            format!(
                r#"{{"event":"update","second":{second},"raceId":7,"racerId":3,"classId":2,"cadence":1,"resistance":2}}"#
            )
        };
        let view = r#"{"event":"view","uuid":"u","projectId":"p","deviceTimestamp":1}"#;
        let batch = |lines: &[&str]| {
            let text = lines.join("\n").into_bytes();
            let text_range = 0..text.len();
            let batch = Arc::new(Batch { text, ends: Vec::new() });
            PostBatch { batch, text: text_range, due: None, is_shown: true }
        };
        let sample = ProbedSample { class_id: 2, race_id: 7, racer_id: 3, second: 4 };
        assert_eq!(batch(&[view, &event(4), &event(5)]).sample(), Some(sample));
        assert_eq!(batch(&[view]).sample(), None);
        assert_eq!(PostBatch { is_shown: false, ..batch(&[&event(4)]) }.sample(), None);
    }
}
