//! Lines of the log with room for arrivals that are stamped later, so each event is copied only once on
//! its way to disk.

use std::ops::RangeInclusive;

use memchr::memchr2;

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
    /// `now_ms` if they have none. `now_ms` must be at least `min_ms`.
    ///
    /// Returns the first and the last arrival, or `now_ms` if there are no lines.
    pub(super) fn stamp(&mut self, now_ms: u64, min_ms: u64) -> RangeInclusive<u64> {
        let arrival = |at: usize| self.recorded.get(at).map_or(now_ms, |ms| min_ms.max(*ms));
        let (first, last) = (arrival(0), arrival(self.recorded.len().saturating_sub(1)));
        let (mut written, mut digits) = (None, String::new());
        for (at, end) in self.ends.iter().enumerate() {
            let arrival_ms = arrival(at);
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

    /// Stamps the lines with their recorded arrivals, which all of them must have.
    pub fn stamp_recorded(&mut self) {
        self.stamp(MS_MIN, MS_MIN);
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
        assert_eq!(lines.stamp(1_620_240_001_000, 0), 1_620_240_001_000..=1_620_240_001_000);
        let expected = "{\"a\":1,\"arrivalTimestamp\":1620240001000}\n\
                        {  \"a\" : \"}\",\"arrivalTimestamp\":1620240001000}\n";
        assert_eq!(String::from_utf8_lossy(lines.text()), expected);
        assert_eq!((lines.len(), lines.bytes()), (2, expected.len()));
    }

    #[test]
    fn can_be_stamped_again() {
        let mut lines = LogLines::new();
        lines.push(br#"{"a":1}"#);
        lines.stamp(1_620_240_001_000, 0);
        lines.stamp(1_620_240_001_001, 0);
        assert_eq!(lines.text(), b"{\"a\":1,\"arrivalTimestamp\":1620240001001}\n");
    }

    #[test]
    fn have_their_recorded_arrivals_in_ascending_order() {
        let mut lines = LogLines::new();
        let recorded =
            [5, 3, 9, 9].map(|ms| lines.push_arrived(br#"{"a":1}"#, MS_MIN + ms) - MS_MIN);
        assert_eq!(recorded, [5, 5, 9, 9]);
        let mut stamped = |min_ms: u64| {
            let span = lines.stamp(MS_MIN + 70, MS_MIN + min_ms);
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
    fn are_longer_than_their_events_by_the_stated_bytes() {
        let mut lines = LogLines::new();
        lines.push(br#"{"a":1}"#);
        assert_eq!(lines.bytes(), br#"{"a":1}"#.len() + ARRIVAL_BYTES + 1);
    }
}
