//! Splits a stream of bytes into blocks of complete lines, in bounded memory.

use std::io::{self, Read};

use memchr::{memchr, memrchr};

pub use super::objects::LINE_BYTES_MAX;
use super::objects::{first_length, next_event, trim_start};

/// How far an overlong object is skipped at a time to look for the next event in its line.
const SKIP_BYTES: usize = LINE_BYTES_MAX / 2;

/// Bytes per read: few enough to stay in a core's cache until they are decoded.
const READ_BYTES: usize = 256 << 10;

/// The next item of a stream of lines.
#[derive(Debug)]
pub enum LineBlock<'a> {
    /// Complete lines, each with its newline. The last line of the stream may have none. Or the next
    /// objects of a long line; the rest of the line follows in further blocks.
    Lines(&'a [u8]),
    /// An object that is too long: its first [`LINE_BYTES_MAX`] bytes. The rest of it is not returned.
    Oversized(&'a [u8]),
    /// There are no more lines.
    End,
    /// The stream failed. The bytes are those of the incomplete last line.
    Damaged(io::Error, &'a [u8]),
}

/// What a reader skips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skipping {
    Nothing,
    /// The rest of a line that belongs to the previous unit.
    Line,
    /// An object that is too long, up to the next event or the end of its line.
    Object,
}

/// Blocks of the lines of `R` that start before a given offset.
#[derive(Debug)]
pub struct LineReader<R> {
    reader: R,
    buffer: Vec<u8>,
    /// The bytes that were not returned yet are `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Offset in the stream of `buffer[start]`.
    offset: u64,
    /// Lines that start at this offset or later belong to the next unit.
    until: u64,
    skipping: Skipping,
    /// Whether the next byte continues a line of which a part was returned.
    is_within_line: bool,
    /// How the stream ended, if it has.
    ended: Option<io::Result<()>>,
}

impl<R: Read> LineReader<R> {
    /// All lines of `reader`.
    pub fn all(reader: R) -> Self {
        Self {
            reader,
            buffer: vec![0; READ_BYTES],
            start: 0,
            end: 0,
            offset: 0,
            until: u64::MAX,
            skipping: Skipping::Nothing,
            is_within_line: false,
            ended: None,
        }
    }

    /// The lines of `reader` that start in `0..until`.
    pub fn until(reader: R, until: u64) -> Self {
        Self { until, ..Self::all(reader) }
    }

    /// The lines that start in `offset + 1..until`. The first byte of `reader` is at `offset`.
    ///
    /// The first line starts after the first newline at or after `offset`.
    pub fn within(reader: R, offset: u64, until: u64) -> Self {
        Self { offset, until, skipping: Skipping::Line, ..Self::all(reader) }
    }

    /// The next block. After `End` or `Damaged`, every further block is `End`.
    pub fn next_block(&mut self) -> LineBlock<'_> {
        loop {
            if self.offset >= self.until && !self.is_within_line {
                return LineBlock::End;
            }
            let buffered = self.buffer.get(self.start..self.end).unwrap_or_default();
            if self.skipping != Skipping::Nothing {
                if let Some((length, is_done)) = self.skip_length(buffered) {
                    if is_done {
                        self.skipping = Skipping::Nothing;
                    }
                    self.consume(length);
                    continue;
                }
            } else if Self::is_long(buffered) {
                let length = Self::objects_length(buffered);
                self.is_within_line = true;
                if length == 0 {
                    self.skipping = Skipping::Object;
                    let start = self.consume(LINE_BYTES_MAX);
                    return LineBlock::Oversized(self.buffer.get(start).unwrap_or_default());
                }
                let objects = self.consume(length);
                return LineBlock::Lines(self.buffer.get(objects).unwrap_or_default());
            } else if let Some(length) = self.complete_lines(buffered) {
                self.is_within_line = false;
                let lines = self.consume(length);
                return LineBlock::Lines(self.buffer.get(lines).unwrap_or_default());
            }
            if self.ended.is_none() {
                self.fill();
                continue;
            }
            let rest = self.consume(self.end - self.start);
            (self.until, self.is_within_line) = (0, false);
            let rest = self.buffer.get(rest).unwrap_or_default();
            return match self.ended.take() {
                Some(Err(error)) => LineBlock::Damaged(error, rest),
                _ if rest.is_empty() => LineBlock::End,
                _ => LineBlock::Lines(rest),
            };
        }
    }

    /// Whether the first buffered line is longer than one event can be.
    ///
    /// Only the first line can be. More bytes are read only while no complete line is buffered, so a
    /// long line is the first one when it reaches the limit.
    fn is_long(buffered: &[u8]) -> bool {
        buffered.get(..=LINE_BYTES_MAX).is_some_and(|start| memchr(b'\n', start).is_none())
    }

    /// Length in bytes of the objects with which a long line starts, as far as they are certain: 0 if the
    /// first one is too long.
    ///
    /// Each object is searched in the [`LINE_BYTES_MAX`] from its start, so that the result does not
    /// depend on how many bytes happen to be buffered.
    fn objects_length(buffered: &[u8]) -> usize {
        let newline = memchr(b'\n', buffered);
        let line = buffered.get(..newline.unwrap_or(buffered.len())).unwrap_or(buffered);
        let mut rest = trim_start(line);
        while let Some(window) = rest.get(..LINE_BYTES_MAX)
            && let Some(length) = first_length(window, false)
        {
            rest = trim_start(rest.get(length..).unwrap_or_default());
        }
        line.len() - rest.len()
    }

    /// Length in bytes of what can be skipped now, and whether skipping then ends. `None` if more bytes
    /// are needed to know.
    fn skip_length(&self, buffered: &[u8]) -> Option<(usize, bool)> {
        let newline = memchr(b'\n', buffered);
        if self.skipping == Skipping::Line {
            let length = newline.map_or(buffered.len(), |newline| newline + 1);
            return Some((length, newline.is_some())).filter(|_| length > 0);
        }
        let is_known = newline.is_some() || self.ended.is_some();
        let line = buffered.get(..newline.unwrap_or(buffered.len())).unwrap_or_default();
        let window = line.get(..LINE_BYTES_MAX).or(Some(line).filter(|_| is_known))?;
        let is_end = is_known && window.len() == line.len();
        match next_event(window, is_end) {
            Some(event) => Some((event, true)),
            None if is_end => Some((line.len(), true)),
            None => Some((SKIP_BYTES, false)),
        }
    }

    /// Length in bytes of the buffered complete lines that start before `until`, and of the rest of the
    /// current line.
    fn complete_lines(&self, buffered: &[u8]) -> Option<usize> {
        let left = usize::try_from(self.until.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        if left <= buffered.len() {
            // The last line of the unit contains the last byte before `until`.
            let last = buffered.get(left.max(1) - 1..).unwrap_or_default();
            if let Some(newline) = memchr(b'\n', last) {
                return Some(left.max(1) + newline);
            }
        }
        memrchr(b'\n', buffered).map(|newline| newline + 1)
    }

    fn consume(&mut self, length: usize) -> std::ops::Range<usize> {
        let from = self.start;
        self.start += length;
        self.offset += length as u64;
        from..self.start
    }

    /// Moves the buffered bytes to the front of the buffer and reads more after them.
    fn fill(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end + READ_BYTES / 2 > self.buffer.len() {
            self.buffer.resize(self.end + READ_BYTES, 0);
        }
        let free = self.buffer.get_mut(self.end..).unwrap_or_default();
        match self.reader.read(free) {
            Ok(0) => self.ended = Some(Ok(())),
            Ok(read) => self.end += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.ended = Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of `blocks`, and the incomplete last line if the stream failed.
    fn cut<R: Read>(mut blocks: LineReader<R>) -> (Vec<String>, Option<String>) {
        let mut lines = Vec::new();
        loop {
            match blocks.next_block() {
                LineBlock::Lines(block) => {
                    let block = String::from_utf8_lossy(block);
                    lines.extend(block.split_terminator('\n').map(str::to_owned));
                }
                LineBlock::Oversized(line) => lines.push(format!("oversized {}", line.len())),
                LineBlock::End => return (lines, None),
                LineBlock::Damaged(_, rest) => {
                    return (lines, Some(String::from_utf8_lossy(rest).into_owned()));
                }
            }
        }
    }

    #[test]
    fn chunks_of_any_size_return_every_line_once() {
        let text = "a\n\nbcd\nefghij\n\nk\nlmnopqrstuvwxyz\nlast";
        let expected: Vec<_> = text.split('\n').map(str::to_owned).collect();
        for size in 1..=text.len() + 1 {
            let mut seen = Vec::new();
            for from in (0..text.len()).step_by(size) {
                let (until, before) = ((from + size) as u64, from.saturating_sub(1));
                let reader = &text.as_bytes()[before..];
                let lines = match from {
                    0 => LineReader::until(reader, until),
                    _ => LineReader::within(reader, before as u64, until),
                };
                seen.extend(cut(lines).0);
            }
            assert_eq!(seen, expected, "chunks of {size}");
        }
    }

    #[test]
    fn accepts_a_line_of_the_maximum_length_and_skips_a_longer_one() {
        let text = |length| [&vec![b'x'; length][..], b"\nnext\n"].concat();
        let (lines, _) = cut(LineReader::all(&text(LINE_BYTES_MAX)[..]));
        assert_eq!((lines[0].len(), &lines[1][..]), (LINE_BYTES_MAX, "next"));
        for length in [LINE_BYTES_MAX + 1, 3 * LINE_BYTES_MAX] {
            let (lines, _) = cut(LineReader::all(&text(length)[..]));
            // The newline of the skipped line follows.
            assert_eq!(lines, [&format!("oversized {LINE_BYTES_MAX}"), "", "next"], "{length}");
        }
    }

    #[test]
    fn returns_the_lines_before_damage() {
        struct Broken(&'static [u8]);
        impl Read for Broken {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                if self.0.is_empty() {
                    return Err(io::Error::other("torn"));
                }
                self.0.read(out)
            }
        }
        let (lines, rest) = cut(LineReader::all(Broken(b"one\ntwo\nthr")));
        assert_eq!((lines.join(" "), rest.unwrap()), ("one two".to_owned(), "thr".to_owned()));
    }
}
