//! Events made ready for the log, so that each is copied once on its way to the disk.

use memchr::memchr2;

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

    /// The lines, once all have `arrival_ms`, a time of 13 digits.
    pub(super) fn arrived(&mut self, arrival_ms: u64) -> &[u8] {
        let digits = format!("{arrival_ms:0DIGITS$}");
        for end in &self.ends {
            let end = end - END.len();
            if let Some(place) = self.text.get_mut(end - DIGITS..end) {
                place.copy_from_slice(digits.as_bytes());
            }
        }
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
        let text = lines.arrived(1_620_240_001_000);
        let expected = "{\"a\":1,\"arrivalTimestamp\":1620240001000}\n\
                        {  \"a\" : \"}\",\"arrivalTimestamp\":1620240001000}\n";
        assert_eq!(String::from_utf8_lossy(text), expected);
        assert_eq!((lines.len(), lines.bytes()), (2, expected.len()));
    }

    #[test]
    fn get_the_arrival_of_the_last_try() {
        let mut lines = Lines::new();
        lines.push(br#"{"a":1}"#);
        lines.arrived(1_620_240_001_000);
        assert_eq!(
            lines.arrived(1_620_240_001_001),
            b"{\"a\":1,\"arrivalTimestamp\":1620240001001}\n"
        );
    }

    #[test]
    fn are_longer_than_their_events_by_the_bytes_that_are_told() {
        let mut lines = Lines::new();
        lines.push(br#"{"a":1}"#);
        assert_eq!(lines.bytes(), br#"{"a":1}"#.len() + ARRIVAL_BYTES + 1);
    }
}
