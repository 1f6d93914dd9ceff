//! Which records of a shard belong to a time slice. No I/O.

use std::ops::Range;

use super::shard_reader::Record;

/// Selects the records of one slice from those of a shard.
///
/// A slice begins at the first record that arrived in its time span or later, and ends before the first
/// record that arrived after the span. So each record belongs to exactly one slice, even where arrivals
/// decrease.
pub(super) struct TimeSlice {
    span_ms: Range<u64>,
    has_begun: bool,
}

/// The part of some records that belongs to a slice.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selection {
    /// The indices of the slice's records.
    pub(super) records: Range<usize>,
    /// The index of the first record after the slice, if it is among them.
    pub(super) next: Option<usize>,
}

impl TimeSlice {
    /// The slice with the arrivals in `span_ms`. If `has_begun`, the next record that is selected belongs
    /// to it or to a later slice, even if it arrived before the span.
    pub(super) fn new(span_ms: Range<u64>, has_begun: bool) -> Self {
        Self { span_ms, has_begun }
    }

    /// The end of the slice's time span.
    pub(super) fn end_ms(&self) -> u64 {
        self.span_ms.end
    }

    /// Selects from the shard's next `records`.
    pub(super) fn select(&mut self, records: &[Record]) -> Selection {
        let from = |ms| move |record: &Record| record.arrival_ms >= ms;
        let begin = match self.has_begun {
            true => Some(0),
            false => records.iter().position(from(self.span_ms.start)),
        };
        let Some(begin) = begin else {
            return Selection { records: 0..0, next: None };
        };
        self.has_begun = true;
        let rest = records.get(begin..).unwrap_or_default();
        let next = rest.iter().position(from(self.span_ms.end)).map(|at| begin + at);
        Selection { records: begin..next.unwrap_or(records.len()), next }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SLICE_MS: u64 = 1_000;

    fn record(sequence: usize, arrival_ms: u64) -> Record {
        Record { sequence: sequence.to_string(), arrival_ms, data: "".into() }
    }

    proptest! {
        #[test]
        fn each_record_belongs_to_one_slice_and_order_is_kept(
            arrivals in prop::collection::vec(0..5 * SLICE_MS, 0..50),
            size in 1..20_usize,
            early in 0..3_usize,
            // Whether a slice resumes where the previous one ended.
            resumes in prop::collection::vec(any::<bool>(), 5),
        ) {
            let records: Vec<_> =
                arrivals.iter().enumerate().map(|(n, ms)| record(n, *ms)).collect();
            let (mut read, mut ended_at) = (Vec::new(), 0);
            for (number, resumes) in (0..5).zip(resumes) {
                let resumes = resumes || number == 0;
                let end_ms = if number == 4 { u64::MAX } else { (number + 1) * SLICE_MS };
                let mut slice = TimeSlice::new(number * SLICE_MS..end_ms, resumes);
                // An iterator at a time starts at the first record that arrived then or later, or a bit
                // earlier.
                let at = records.iter().position(|record| record.arrival_ms >= number * SLICE_MS);
                let at = at.unwrap_or(records.len()).saturating_sub(early);
                let mut at = if resumes { ended_at } else { at };
                ended_at = records.len();
                while at < records.len() {
                    let batch = &records[at..records.len().min(at + size)];
                    let Selection { records, next } = slice.select(batch);
                    read.extend(batch[records].iter().map(|record| record.sequence.clone()));
                    if let Some(next) = next {
                        ended_at = at + next;
                        break;
                    }
                    at += batch.len();
                }
            }
            let all: Vec<_> = (0..records.len()).map(|number| number.to_string()).collect();
            prop_assert_eq!(read, all);
        }
    }
}
