//! Lines of the log with room for arrivals that are stamped later, so each event is copied only once on
//! its way to disk.

use std::mem;
use std::ops::RangeInclusive;

use memchr::memchr2;

use super::arrival_slots::ArrivalSlots;
use super::clock::{MS_MAX, MS_MIN};

/// The text before the digits of an arrival.
pub(super) const ARRIVAL_KEY: &[u8; 20] = br#","arrivalTimestamp":"#;
/// The number of digits of an arrival, until 2286.
pub(super) const ARRIVAL_DIGITS: usize = 13;
/// The text after the digits of an arrival.
pub(super) const LINE_END: &[u8; 2] = b"}\n";

/// The number of bytes by which a line, without its newline, is longer than its event. An event must be
/// at least this much shorter than the longest readable line.
pub const ARRIVAL_BYTES: usize = ARRIVAL_KEY.len() + ARRIVAL_DIGITS;

/// A batch of lines for the log, with room for their arrivals.
///
/// Each line has the text of its event up to the closing brace, then `,"arrivalTimestamp":`, 13 digits,
/// the brace and a newline.
#[derive(Debug, Default)]
pub struct LogLines {
    text: Vec<u8>,
    /// The offset of each line's end.
    ends: Vec<usize>,
    /// The recorded arrivals, one per line, in ascending order. Empty when the log stamps the lines with
    /// its own time.
    recorded: Vec<u64>,
    /// The arrival of lines without a recorded one, once they are stamped.
    stamped_ms: u64,
}

impl LogLines {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an event.
    ///
    /// `event` is a JSON object with at least one field and without `arrivalTimestamp`. It must be at
    /// least [`ARRIVAL_BYTES`] shorter than the longest readable line. Blanks around it are removed.
    /// Line breaks in it become spaces; valid JSON has them only between tokens.
    pub fn push(&mut self, event: &[u8]) {
        let event = event.trim_ascii();
        let event = event.strip_suffix(b"}").unwrap_or(event).trim_ascii_end();
        let mut start = self.text.len();
        self.text.extend_from_slice(event);
        while let Some(line) = self.text.get_mut(start..)
            && let Some(at) = memchr2(b'\n', b'\r', line)
        {
            line.iter_mut().skip(at).take(1).for_each(|byte| *byte = b' ');
            start += at + 1;
        }
        self.text.extend_from_slice(ARRIVAL_KEY);
        self.text.extend_from_slice(&[b'0'; ARRIVAL_DIGITS]);
        self.text.extend_from_slice(LINE_END);
        self.ends.push(self.text.len());
    }

    /// Adds an event that arrived elsewhere at `arrival_ms`, with that recorded arrival.
    ///
    /// Returns the arrival in these lines, which is never less than the previous line's. Add all lines
    /// of a batch like this, or none.
    pub fn push_arrived(&mut self, event: &[u8], arrival_ms: u64) -> u64 {
        let last = self.recorded.last().copied().unwrap_or(MS_MIN);
        let arrival_ms = arrival_ms.clamp(last, MS_MAX);
        self.push(event);
        self.recorded.push(arrival_ms);
        arrival_ms
    }

    /// The number of events.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no events.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The number of bytes of all lines.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Stamps the lines with their recorded arrivals, raised to `min_ms` if they are less, or with
    /// `now_ms` if they have none. `now_ms` must be at least `min_ms`. All are raised to `slots`.
    ///
    /// Returns the first and the last arrival, or `now_ms` if there are no lines.
    pub(super) fn stamp(
        &mut self,
        now_ms: u64,
        min_ms: u64,
        slots: ArrivalSlots,
    ) -> RangeInclusive<u64> {
        self.recorded.iter_mut().for_each(|ms| *ms = slots.first_from(min_ms.max(*ms)));
        self.stamped_ms = slots.first_from(now_ms);
        let (first, last) = (self.arrival(0), self.arrival(self.len().saturating_sub(1)));
        let (mut written, mut digits) = (None, String::new());
        for (at, end) in self.ends.iter().enumerate() {
            let arrival_ms = self.arrival(at);
            if written.replace(arrival_ms) != Some(arrival_ms) {
                digits = format!("{arrival_ms:0ARRIVAL_DIGITS$}");
            }
            let end = end - LINE_END.len();
            if let Some(place) = self.text.get_mut(end - ARRIVAL_DIGITS..end) {
                place.copy_from_slice(digits.as_bytes());
            }
        }
        first..=last
    }

    /// The arrival of line `at`, from 0, after the most recent stamping.
    pub fn arrival(&self, at: usize) -> u64 {
        self.recorded.get(at).copied().unwrap_or(self.stamped_ms)
    }

    /// Removes the lines `removed`, which ascend, and returns the text of their events.
    pub(super) fn remove(&mut self, removed: &[usize]) -> Vec<Vec<u8>> {
        let all = mem::take(self);
        let mut texts = Vec::with_capacity(removed.len());
        let mut removed = removed.iter().copied().peekable();
        let mut start = 0;
        for (at, end) in all.ends.iter().copied().enumerate() {
            let line = all.text.get(start..end).unwrap_or_default();
            start = end;
            if removed.next_if_eq(&at).is_some() {
                let event = line.len().saturating_sub(ARRIVAL_BYTES + LINE_END.len());
                texts.push([line.get(..event).unwrap_or_default(), b"}"].concat());
                continue;
            }
            self.text.extend_from_slice(line);
            self.ends.push(self.text.len());
            self.recorded.extend(all.recorded.get(at));
        }
        self.stamped_ms = all.stamped_ms;
        texts
    }

    /// Stamps the lines with their recorded arrivals, which all of them must have.
    pub fn stamp_recorded(&mut self) {
        self.stamp(MS_MIN, MS_MIN, ArrivalSlots::default());
    }

    /// The text of the lines, with the arrivals of the most recent stamping.
    pub fn text(&self) -> &[u8] {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn have_the_arrival_as_their_last_field() {
        let mut lines = LogLines::new();
        assert!(lines.is_empty());
        lines.push(br#"{"a":1}"#);
        lines.push(b"\n {\r\n\"a\" : \"}\" }\t");
        assert_eq!(
            lines.stamp(1_620_240_001_000, 0, ArrivalSlots::default()),
            1_620_240_001_000..=1_620_240_001_000
        );
        let expected = "{\"a\":1,\"arrivalTimestamp\":1620240001000}\n\
                        {  \"a\" : \"}\",\"arrivalTimestamp\":1620240001000}\n";
        assert_eq!(String::from_utf8_lossy(lines.text()), expected);
        assert_eq!((lines.len(), lines.bytes()), (2, expected.len()));
    }

    #[test]
    fn can_be_stamped_again() {
        let mut lines = LogLines::new();
        lines.push(br#"{"a":1}"#);
        lines.stamp(1_620_240_001_000, 0, ArrivalSlots::default());
        lines.stamp(1_620_240_001_001, 0, ArrivalSlots::default());
        assert_eq!(lines.text(), b"{\"a\":1,\"arrivalTimestamp\":1620240001001}\n");
    }

    #[test]
    fn have_their_recorded_arrivals_in_ascending_order() {
        let mut lines = LogLines::new();
        let recorded =
            [5, 3, 9, 9].map(|ms| lines.push_arrived(br#"{"a":1}"#, MS_MIN + ms) - MS_MIN);
        assert_eq!(recorded, [5, 5, 9, 9]);
        let mut stamped = |min_ms: u64| {
            let span = lines.stamp(MS_MIN + 70, MS_MIN + min_ms, ArrivalSlots::default());
            let text = str::from_utf8(lines.text()).unwrap();
            let digits =
                text.lines().map(|line| &line[line.len() - 1 - ARRIVAL_DIGITS..line.len() - 1]);
            let arrivals: Vec<_> =
                digits.map(|digits| digits.parse::<u64>().unwrap() - MS_MIN).collect();
            (span.start() - MS_MIN, span.end() - MS_MIN, arrivals)
        };
        assert_eq!(stamped(0), (5, 9, vec![5, 5, 9, 9]));
        assert_eq!(stamped(7), (7, 9, vec![7, 7, 9, 9]));
        assert_eq!(stamped(20), (20, 20, vec![20; 4]));
        assert_eq!(lines.push_arrived(br#"{"a":1}"#, u64::MAX), MS_MAX);
    }

    #[test]
    fn lose_the_removed_lines_and_nothing_else() {
        let event = |number: usize| format!("{{\"number\":{number}}}");
        for is_recorded in [false, true] {
            for removed in [&[][..], &[0], &[1, 2], &[3], &[0, 1, 2, 3]] {
                let kept: Vec<_> = (0..4).filter(|number| !removed.contains(number)).collect();
                let lines =
                    |numbers: &[usize]| {
                        let mut lines = LogLines::new();
                        for number in numbers {
                            match is_recorded {
                                true => drop(lines.push_arrived(
                                    event(*number).as_bytes(),
                                    MS_MIN + *number as u64,
                                )),
                                false => lines.push(event(*number).as_bytes()),
                            }
                        }
                        lines.stamp(MS_MIN + 7, MS_MIN + 2, ArrivalSlots::default());
                        lines
                    };
                let mut some = lines(&[0, 1, 2, 3]);
                let texts = some.remove(removed);
                assert!(
                    texts.iter().eq(removed
                        .iter()
                        .map(|number| event(*number).into_bytes())
                        .collect::<Vec<_>>()
                        .iter())
                );
                let expected = lines(&kept);
                assert_eq!(some.text(), expected.text());
                let arrivals = |lines: &LogLines| {
                    (0..lines.len()).map(|at| lines.arrival(at)).collect::<Vec<_>>()
                };
                assert_eq!(arrivals(&some), arrivals(&expected));
            }
        }
    }

    #[test]
    fn are_longer_than_their_events_by_the_stated_bytes() {
        let mut lines = LogLines::new();
        lines.push(br#"{"a":1}"#);
        assert_eq!(lines.bytes(), br#"{"a":1}"#.len() + ARRIVAL_BYTES + 1);
    }
}
