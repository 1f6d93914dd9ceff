//! Batches: the lines that arrive in a few seconds of a race, in order of arrival.

use super::event::SLOW_DELAY_MS_MAX;
use super::lines::LineWriter;
use super::parameters::RACE_SECONDS;
use super::race::Race;
use super::workload::Workload;

/// Lines in order of arrival.
#[derive(Debug)]
pub struct Batch {
    pub(super) text: Vec<u8>,
    /// The arrival of each line, in ms since the epoch, and the offset of its end.
    pub(super) ends: Vec<(u64, usize)>,
}

/// A line of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its arrival, in ms since the epoch.
    pub arrival_ms: u64,
    /// Its JSON with a newline.
    pub bytes: &'a [u8],
}

impl Batch {
    /// All lines, each with its newline.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The number of lines.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no lines.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The lines.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let mut begin = 0;
        self.ends.iter().filter_map(move |&(arrival_ms, end)| {
            let bytes = self.text.get(begin..end)?;
            begin = end;
            Some(Line { arrival_ms, bytes })
        })
    }
}

impl Workload {
    /// The batches of the race with this index, counted from 0.
    pub fn race_batches(&self, index: u64) -> impl Iterator<Item = Batch> {
        let race = self.race(index);
        (0..self.batches()).map(move |number| race.batch(number))
    }
}

impl Race<'_> {
    /// The race's batch with this number, counted from 0.
    pub fn batch(&self, number: u32) -> Batch {
        let seconds = self.workload.batch_seconds();
        let first = 1 + number * seconds;
        self.arrivals_in(first, (first + seconds).min(RACE_SECONDS + 1))
    }

    /// The lines that arrive in the seconds `first..end`.
    fn arrivals_in(&self, first: u32, end: u32) -> Batch {
        // Some of the lines were sent in earlier seconds. Those seconds are generated again, because
        // that costs less than passing lines from batch to batch, and keeps batches independent.
        let sent = first.saturating_sub(SLOW_DELAY_MS_MAX / 1_000).max(1)..end;
        let expected = sent.len() * (self.riders.len() + self.riders.len() / 16);
        let (mut events, mut keys) = (Vec::with_capacity(expected), Vec::with_capacity(expected));
        let arrives = first * 1_000..end * 1_000;
        for second in sent {
            self.second(second, |event, arrivals| {
                let index = events.len() as u64;
                let before = keys.len();
                let now = arrivals.into_iter().flatten().filter(|ms| arrives.contains(ms));
                keys.extend(now.map(|ms| u64::from(ms) << 32 | index));
                if keys.len() > before {
                    events.push(event);
                }
            });
        }
        // Sorts by arrival, then by the order of sending. Two equal keys are copies of one line that
        // arrive at the same time.
        keys.sort_unstable();

        let mut lines = LineWriter::with_capacity(keys.len());
        let mut ends = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(event) = events.get(key as u32 as usize) else { continue };
            lines.push(self, event);
            ends.push((self.start_ms + (key >> 32), lines.text.len()));
        }
        Batch { text: lines.text, ends }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parameters::Parameters;
    use super::*;

    #[test]
    fn batches_of_any_length_have_the_same_lines() {
        let parameters = Parameters { concurrent: 50, duplicates: 0.05, ..Parameters::DEFAULT };
        let workload = Workload::new(parameters).unwrap();
        let race = workload.race(3);
        let all = race.arrivals_in(1, RACE_SECONDS + 1);
        assert!(all.len() > 15_000);
        for seconds in [1, 7] {
            let mut text = Vec::new();
            for first in (1..=RACE_SECONDS).step_by(seconds) {
                let end = (first + seconds as u32).min(RACE_SECONDS + 1);
                text.extend_from_slice(race.arrivals_in(first, end).text());
            }
            assert!(text == all.text(), "{seconds}");
        }
    }

    #[test]
    fn each_line_has_its_arrival() {
        let parameters = Parameters { concurrent: 10, ..Parameters::DEFAULT };
        let workload = Workload::new(parameters).unwrap();
        let batch = workload.race(0).batch(0);
        let lines: Vec<_> = batch.lines().collect();
        assert_eq!(lines.len(), batch.len());
        assert!(lines.iter().map(|line| line.bytes).collect::<Vec<_>>().concat() == batch.text());
        assert!(lines.iter().all(|line| line.bytes.ends_with(b"}\n")));
        assert!(lines.is_sorted_by_key(|line| line.arrival_ms));
    }
}
