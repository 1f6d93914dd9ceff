//! Reading the log's own lines back: which are whole, and their arrivals.

use std::io::{self, BufRead};

use memchr::memchr;

use super::lines::{ARRIVAL, DIGITS, END};

/// A line as the log writes it, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    /// Where it ends in the stream, its newline included.
    pub(super) end: u64,
    pub(super) arrival_ms: u64,
}

/// The whole lines of a stream, in order; others are passed over.
pub(super) struct WholeLines<R> {
    reader: R,
    line: Vec<u8>,
    offset: u64,
}

impl<R: BufRead> WholeLines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, line: Vec::new(), offset: 0 }
    }
}

impl<R: BufRead> Iterator for WholeLines<R> {
    type Item = io::Result<Whole>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.line.clear();
            match self.reader.read_until(b'\n', &mut self.line) {
                Ok(0) => return None,
                Ok(read) => self.offset += read as u64,
                Err(error) => return Some(Err(error)),
            }
            if let Some(arrival_ms) = arrival(&self.line) {
                return Some(Ok(Whole { end: self.offset, arrival_ms }));
            }
        }
    }
}

/// The arrival in a line; none where the line is not whole. A page that never reached the disk is
/// full of zeros, and no JSON holds one.
fn arrival(line: &[u8]) -> Option<u64> {
    let (event, digits) = line.strip_suffix(END)?.split_last_chunk::<DIGITS>()?;
    let is_whole = event.ends_with(ARRIVAL)
        && digits.iter().all(u8::is_ascii_digit)
        && memchr(0, event).is_none();
    is_whole.then(|| digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_not_whole_are_passed_over() {
        let whole = b"{\"a\":1,\"arrivalTimestamp\":1620240001000}\n";
        let torn: [&[u8]; 7] = [
            b"\n",
            b"{\"a\":1}\n",
            b"{\"a\":\"\0\",\"arrivalTimestamp\":1620240001000}\n",
            b"{\"a\":1,\"arrivalTimestamp\":16202400010}\n",
            b"{\"a\":1,\"arrivalTimestamp\":16202400010x0}\n",
            b"{\"a\":1,\"arrivalTimestamp\":1620240001000} \n",
            b"{\"a\":1,\"arrivalTimestamp\":1620240001000}",
        ];
        let mut text = whole.to_vec();
        torn[..6].iter().for_each(|line| text.extend_from_slice(line));
        text.extend_from_slice(whole);
        let end = text.len() as u64;
        text.extend_from_slice(torn[6]);
        let found: Vec<_> = WholeLines::new(&text[..]).map(Result::unwrap).collect();
        let arrival_ms = 1_620_240_001_000;
        assert_eq!(
            found,
            [Whole { end: whole.len() as u64, arrival_ms }, Whole { end, arrival_ms }]
        );
    }
}
