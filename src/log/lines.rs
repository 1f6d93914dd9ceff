//! Events made ready for the log, so that each is copied once on its way to the disk.

use std::ops::RangeInclusive;

use memchr::memchr2;

use super::clock::{MS_MAX, MS_MIN};

/// What an event's arrival is written behind.
pub(super) const ARRIVAL: &[u8; 20] = br#","arrivalTimestamp":"#;
/// How many digits an arrival has, until 2286.
pub(super) const DIGITS: usize = 13;
/// What comes after an arrival.
pub(super) const END: &[u8; 2] = b"}\n";

/// How many bytes longer than its event a line is, without its newline. An event may have as many
/// bytes less than a line, or nobody would read it back.
pub const ARRIVAL_BYTES: usize = ARRIVAL.len() + DIGITS;

/// Lines of the log that lack but their arrival: of each event its text, up to its closing brace,
/// then `,"arrivalTimestamp":`, 13 digits to be, the brace and a newline.
#[derive(Debug, Default)]
pub struct Lines {
    text: Vec<u8>,
    /// Where each line ends in the text.
    ends: Vec<usize>,
    /// The lines' own arrivals, which never go back; none where all arrive when the log takes them.
    arrivals: Vec<u64>,
}

impl Lines {
    /// No lines yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `event`: the text of a JSON object that is not empty, has no `arrivalTimestamp`, and is
    /// [`ARRIVAL_BYTES`] shorter than the longest line that is read. Blanks around it are left out,
    /// line breaks in it, which can only be blanks, become spaces.
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
        self.text.extend_from_slice(ARRIVAL);
        self.text.extend_from_slice(&[b'0'; DIGITS]);
        self.text.extend_from_slice(END);
        self.ends.push(self.text.len());
    }

    /// Adds `event`, as [`Lines::push`] does, which arrived elsewhere before, at `arrival_ms`. Returns its
    /// arrival in these lines: never less than that of the line before it. All lines of a batch are added
    /// like this, or none.
    pub fn push_at(&mut self, event: &[u8], arrival_ms: u64) -> u64 {
        let last = self.arrivals.last().copied().unwrap_or(MS_MIN);
        let arrival_ms = arrival_ms.clamp(last, MS_MAX);
        self.push(event);
        self.arrivals.push(arrival_ms);
        arrival_ms
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many bytes all lines have.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Writes the arrivals: each line's own, or `now_ms` where it has none, but none before `floor_ms`, which
    /// `now_ms` is not. Returns the first and the last; without lines, `now_ms`.
    pub(super) fn arrive(&mut self, now_ms: u64, floor_ms: u64) -> RangeInclusive<u64> {
        let own = |at: usize| self.arrivals.get(at).map_or(now_ms, |own| floor_ms.max(*own));
        let (first, last) = (own(0), own(self.arrivals.len().saturating_sub(1)));
        let (mut written, mut digits) = (None, String::new());
        for (at, end) in self.ends.iter().enumerate() {
            let arrival_ms = own(at);
            if written.replace(arrival_ms) != Some(arrival_ms) {
                digits = format!("{arrival_ms:0DIGITS$}");
            }
            let end = end - END.len();
            if let Some(place) = self.text.get_mut(end - DIGITS..end) {
                place.copy_from_slice(digits.as_bytes());
            }
        }
        first..=last
    }

    /// Writes the arrivals of lines that have all their own.
    pub fn arrive_as_told(&mut self) {
        self.arrive(MS_MIN, MS_MIN);
    }

    /// The lines, with the arrivals that were written last.
    pub fn text(&self) -> &[u8] {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn get_the_arrival_as_their_last_field() {
        let mut lines = Lines::new();
        assert!(lines.is_empty());
        lines.push(br#"{"a":1}"#);
        lines.push(b"\n {\r\n\"a\" : \"}\" }\t");
        assert_eq!(lines.arrive(1_620_240_001_000, 0), 1_620_240_001_000..=1_620_240_001_000);
        let expected = "{\"a\":1,\"arrivalTimestamp\":1620240001000}\n\
                        {  \"a\" : \"}\",\"arrivalTimestamp\":1620240001000}\n";
        assert_eq!(String::from_utf8_lossy(lines.text()), expected);
        assert_eq!((lines.len(), lines.bytes()), (2, expected.len()));
    }

    #[test]
    fn get_the_arrival_of_the_last_try() {
        let mut lines = Lines::new();
        lines.push(br#"{"a":1}"#);
        lines.arrive(1_620_240_001_000, 0);
        lines.arrive(1_620_240_001_001, 0);
        assert_eq!(lines.text(), b"{\"a\":1,\"arrivalTimestamp\":1620240001001}\n");
    }

    #[test]
    fn keep_arrivals_of_their_own_but_never_go_back() {
        let mut lines = Lines::new();
        let own = [5, 3, 9, 9].map(|ms| lines.push_at(br#"{"a":1}"#, MS_MIN + ms) - MS_MIN);
        assert_eq!(own, [5, 5, 9, 9]);
        let mut arrived = |floor_ms: u64| {
            let span = lines.arrive(MS_MIN + 70, MS_MIN + floor_ms);
            let text = str::from_utf8(lines.text()).unwrap();
            let digits = text.lines().map(|line| &line[line.len() - 1 - DIGITS..line.len() - 1]);
            let arrivals: Vec<_> =
                digits.map(|digits| digits.parse::<u64>().unwrap() - MS_MIN).collect();
            (span.start() - MS_MIN, span.end() - MS_MIN, arrivals)
        };
        assert_eq!(arrived(0), (5, 9, vec![5, 5, 9, 9]));
        assert_eq!(arrived(7), (7, 9, vec![7, 7, 9, 9]));
        assert_eq!(arrived(20), (20, 20, vec![20; 4]));
        assert_eq!(lines.push_at(br#"{"a":1}"#, u64::MAX), MS_MAX);
    }

    #[test]
    fn are_longer_than_their_events_by_the_bytes_that_are_told() {
        let mut lines = Lines::new();
        lines.push(br#"{"a":1}"#);
        assert_eq!(lines.bytes(), br#"{"a":1}"#.len() + ARRIVAL_BYTES + 1);
    }
}
