//! Cutting a stream of bytes into blocks of whole lines, in bounded memory.

use std::io::{self, Read};

use memchr::{memchr, memrchr};

/// The longest line that is taken, in bytes without its newline.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// How much is read at a time: small enough to stay in a core's cache until it is decoded.
const READ_BYTES: usize = 256 << 10;

/// What comes next in a stream of lines.
#[derive(Debug)]
pub enum Block<'a> {
    /// Whole lines, each with its newline but for the last of the stream.
    Lines(&'a [u8]),
    /// A line that is too long: its first [`LINE_BYTES_MAX`] bytes.
    Oversized(&'a [u8]),
    /// There are no more lines.
    End,
    /// The stream broke in the middle of a line: what came of it before.
    Damaged(io::Error, &'a [u8]),
}

/// Blocks of the lines of `R` that start before a given offset.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    /// The bytes not yet handed out are `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Offset in the stream of `buffer[start]`.
    offset: u64,
    /// Lines that start here or later belong to somebody else.
    until: u64,
    /// The rest of the current line is to be passed over.
    skipping: bool,
    /// How the stream ended, once it did.
    ended: Option<io::Result<()>>,
}

impl<R: Read> Lines<R> {
    /// All lines of `reader`.
    pub fn all(reader: R) -> Self {
        Self {
            reader,
            buffer: vec![0; READ_BYTES],
            start: 0,
            end: 0,
            offset: 0,
            until: u64::MAX,
            skipping: false,
            ended: None,
        }
    }

    /// The lines of `reader` that start in `0..until`.
    pub fn until(reader: R, until: u64) -> Self {
        Self { until, ..Self::all(reader) }
    }

    /// The lines of `reader`, which begins at `offset`, that start in `offset + 1..until`: the first
    /// newline at or after `offset` is where they begin.
    pub fn within(reader: R, offset: u64, until: u64) -> Self {
        Self { offset, until, skipping: true, ..Self::all(reader) }
    }

    /// The next lines. After `End` or `Damaged` it is `End`.
    pub fn next_block(&mut self) -> Block<'_> {
        loop {
            if self.offset >= self.until {
                return Block::End;
            }
            let held = self.buffer.get(self.start..self.end).unwrap_or_default();
            if self.skipping {
                let newline = memchr(b'\n', held);
                self.take(newline.map_or(held.len(), |newline| newline + 1));
                self.skipping = newline.is_none();
                if newline.is_some() {
                    continue;
                }
            } else if Self::oversized(held) {
                self.skipping = true;
                let line = self.take(LINE_BYTES_MAX);
                return Block::Oversized(self.buffer.get(line).unwrap_or_default());
            } else if let Some(length) = self.whole(held) {
                let lines = self.take(length);
                return Block::Lines(self.buffer.get(lines).unwrap_or_default());
            }
            if self.ended.is_none() {
                self.fill();
                continue;
            }
            let rest = self.take(self.end - self.start);
            self.until = 0;
            let rest = self.buffer.get(rest).unwrap_or_default();
            return match self.ended.take() {
                Some(Err(error)) => Block::Damaged(error, rest),
                _ if rest.is_empty() => Block::End,
                _ => Block::Lines(rest),
            };
        }
    }

    /// Whether the first line is too long. A later one is once it is the first: more is read only
    /// when no whole line is held, so none of more than the greatest length can follow another.
    fn oversized(held: &[u8]) -> bool {
        held.get(..=LINE_BYTES_MAX).is_some_and(|start| memchr(b'\n', start).is_none())
    }

    /// How many of the bytes held are whole lines that start before `until`.
    fn whole(&self, held: &[u8]) -> Option<usize> {
        let left = usize::try_from(self.until - self.offset).unwrap_or(usize::MAX);
        if left <= held.len() {
            // The last line is the one that holds the last byte before `until`.
            let last = held.get(left - 1..).unwrap_or_default();
            if let Some(newline) = memchr(b'\n', last) {
                return Some(left + newline);
            }
        }
        memrchr(b'\n', held).map(|newline| newline + 1)
    }

    fn take(&mut self, length: usize) -> std::ops::Range<usize> {
        let from = self.start;
        self.start += length;
        self.offset += length as u64;
        from..self.start
    }

    /// Reads more behind what is held, which is moved to the front of the buffer.
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

    /// The lines of `blocks`, with how it ended.
    fn cut<R: Read>(mut blocks: Lines<R>) -> (Vec<String>, Option<String>) {
        let mut lines = Vec::new();
        loop {
            match blocks.next_block() {
                Block::Lines(block) => {
                    let block = String::from_utf8_lossy(block);
                    lines.extend(block.split_terminator('\n').map(str::to_owned));
                }
                Block::Oversized(line) => lines.push(format!("oversized {}", line.len())),
                Block::End => return (lines, None),
                Block::Damaged(_, rest) => {
                    return (lines, Some(String::from_utf8_lossy(rest).into_owned()));
                }
            }
        }
    }

    #[test]
    fn chunks_share_out_every_line_once_wherever_they_are_cut() {
        let text = "a\n\nbcd\nefghij\n\nk\nlmnopqrstuvwxyz\nlast";
        let expected: Vec<_> = text.split('\n').map(str::to_owned).collect();
        for size in 1..=text.len() + 1 {
            let mut seen = Vec::new();
            for from in (0..text.len()).step_by(size) {
                let (until, before) = ((from + size) as u64, from.saturating_sub(1));
                let reader = &text.as_bytes()[before..];
                let lines = match from {
                    0 => Lines::until(reader, until),
                    _ => Lines::within(reader, before as u64, until),
                };
                seen.extend(cut(lines).0);
            }
            assert_eq!(seen, expected, "chunks of {size}");
        }
    }

    #[test]
    fn a_line_of_the_greatest_length_is_taken_and_a_longer_one_passed_over() {
        let text = |length| [&vec![b'x'; length][..], b"\nnext\n"].concat();
        let (lines, _) = cut(Lines::all(&text(LINE_BYTES_MAX)[..]));
        assert_eq!((lines[0].len(), &lines[1][..]), (LINE_BYTES_MAX, "next"));
        for length in [LINE_BYTES_MAX + 1, 3 * LINE_BYTES_MAX] {
            let (lines, _) = cut(Lines::all(&text(length)[..]));
            assert_eq!(lines, [&format!("oversized {LINE_BYTES_MAX}"), "next"], "{length}");
        }
    }

    #[test]
    fn damage_keeps_the_lines_before_it() {
        struct Broken(&'static [u8]);
        impl Read for Broken {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                if self.0.is_empty() {
                    return Err(io::Error::other("torn"));
                }
                self.0.read(out)
            }
        }
        let (lines, rest) = cut(Lines::all(Broken(b"one\ntwo\nthr")));
        assert_eq!((lines.join(" "), rest.unwrap()), ("one two".to_owned(), "thr".to_owned()));
    }
}
