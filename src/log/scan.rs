//! Reads lines that the log wrote, and finds the complete ones and their arrivals.

use std::io::{self, BufRead};

use memchr::memchr;

use super::error::LogError;
use super::log_lines::{ARRIVAL_DIGITS, ARRIVAL_KEY, LINE_END};

/// A complete line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CompleteLine {
    /// The offset of its end in the stream, after the newline.
    pub(super) end: u64,
    pub(super) arrival_ms: u64,
}

/// An iterator over the complete lines of a stream. It skips all other lines.
pub(super) struct CompleteLines<R> {
    reader: R,
    line: Vec<u8>,
    offset: u64,
}

impl<R: BufRead> CompleteLines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, line: Vec::new(), offset: 0 }
    }

    /// The bytes of the line that was returned last.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }
}

impl<R: BufRead> Iterator for CompleteLines<R> {
    type Item = io::Result<CompleteLine>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.line.clear();
            match self.reader.read_until(b'\n', &mut self.line) {
                Ok(0) => return None,
                Ok(read) => self.offset += read as u64,
                Err(error) => return Some(Err(error)),
            }
            if let Some(arrival_ms) = arrival(&self.line) {
                return Some(Ok(CompleteLine { end: self.offset, arrival_ms }));
            }
        }
    }
}

/// The lines of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LineCounts {
    /// The number of complete lines.
    pub(super) complete: u64,
    /// The offset of the end of the last complete line.
    pub(super) complete_end: u64,
    /// The length of the stream.
    pub(super) bytes: u64,
    /// The number of lines that are not complete.
    pub(super) incomplete: u64,
    /// The offset of the first line that is not complete.
    pub(super) incomplete_start: u64,
}

impl LineCounts {
    /// Reads a stream to its end.
    ///
    /// # Errors
    /// When the stream cannot be read to its end.
    pub(super) fn read(mut reader: impl BufRead) -> io::Result<Self> {
        let (mut counts, mut line) = (Self::default(), Vec::new());
        while reader.read_until(b'\n', &mut line)? > 0 {
            let start = counts.bytes;
            counts.bytes += line.len() as u64;
            if arrival(&line).is_some() {
                counts.complete += 1;
                counts.complete_end = counts.bytes;
            } else {
                if counts.incomplete == 0 {
                    counts.incomplete_start = start;
                }
                counts.incomplete += 1;
            }
            line.clear();
        }
        Ok(counts)
    }

    /// Whether only the end of the stream is incomplete.
    pub(super) fn is_torn_at_end(&self) -> bool {
        self.incomplete_start >= self.complete_end
    }

    /// The error for incomplete lines in the stream `name`, if there are any.
    pub(super) fn incomplete_error(&self, name: &str) -> Option<LogError> {
        let Self { incomplete: lines, incomplete_start: at, .. } = *self;
        (lines > 0).then(|| LogError::Incomplete { path: name.to_owned(), lines, at })
    }
}

/// The arrival of a line, or `None` if the line is not complete.
///
/// A line with a zero byte is not complete: a page that never reached the disk reads as zeros, and JSON
/// has none.
pub(super) fn arrival(line: &[u8]) -> Option<u64> {
    let (event, digits) = line.strip_suffix(LINE_END)?.split_last_chunk::<ARRIVAL_DIGITS>()?;
    let is_complete = event.ends_with(ARRIVAL_KEY)
        && digits.iter().all(u8::is_ascii_digit)
        && memchr(0, event).is_none();
    is_complete.then(|| digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_lines_that_are_not_complete() {
        let complete = b"{\"a\":1,\"arrivalTimestamp\":1620240001000}\n";
        let torn: [&[u8]; 7] = [
            b"\n",
            b"{\"a\":1}\n",
            b"{\"a\":\"\0\",\"arrivalTimestamp\":1620240001000}\n",
            b"{\"a\":1,\"arrivalTimestamp\":16202400010}\n",
            b"{\"a\":1,\"arrivalTimestamp\":16202400010x0}\n",
            b"{\"a\":1,\"arrivalTimestamp\":1620240001000} \n",
            b"{\"a\":1,\"arrivalTimestamp\":1620240001000}",
        ];
        let mut text = complete.to_vec();
        torn[..6].iter().for_each(|line| text.extend_from_slice(line));
        text.extend_from_slice(complete);
        let end = text.len() as u64;
        text.extend_from_slice(torn[6]);
        let found: Vec<_> = CompleteLines::new(&text[..]).map(Result::unwrap).collect();
        let arrival_ms = 1_620_240_001_000;
        assert_eq!(
            found,
            [
                CompleteLine { end: complete.len() as u64, arrival_ms },
                CompleteLine { end, arrival_ms }
            ]
        );
    }
}
