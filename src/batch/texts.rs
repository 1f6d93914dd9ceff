//! Splits bytes into the texts of events. Buffers little more than the 1 MiB that an event may have.

use std::io::{self, BufRead, BufReader, Read};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::StreamDeserializer;
use serde_json::de::SliceRead;

use super::decode::NESTING_MAX;

/// Maximum length of an event, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 1 << 20;

/// How often the bytes after a broken object may be read to find the next event.
const READS_MAX: usize = 8;

/// The text of an event, or what stands in its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Text<'a> {
    /// The complete text.
    Whole(&'a [u8]),
    /// The first `TEXT_BYTES_MAX` bytes of a longer text.
    Oversized(&'a [u8]),
}

/// The texts of one input, in order. A line has one, or several JSON objects one after another.
pub(super) struct Texts {
    source: BufReader<Box<dyn Read>>,
    /// Bytes of the current line. Those before `start` were returned.
    buffer: Vec<u8>,
    start: usize,
    /// Whether the line ends with the buffer, and whether the source does.
    is_line_end: bool,
    is_source_end: bool,
    /// The number of the current line, from 1.
    number: u64,
    /// Whether the rest of an oversized text is passed over.
    is_skipping: bool,
}

impl Texts {
    pub(super) fn new(source: Box<dyn Read>) -> Self {
        Self {
            source: BufReader::with_capacity(1 << 18, source),
            buffer: Vec::new(),
            start: 0,
            is_line_end: false,
            is_source_end: false,
            number: 1,
            is_skipping: false,
        }
    }

    /// The next text and the number of its line, or `None` at the end.
    ///
    /// # Errors
    /// If the source cannot be read. [`Self::partial`] then returns the bytes of the incomplete line.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Text<'_>)>> {
        loop {
            self.fill()?;
            self.start = self.buffer.len() - without_blanks(self.left()).len();
            let left = self.buffer.len() - self.start;
            if left == 0 && self.is_source_end {
                return Ok(None);
            }
            if left == 0 && self.is_line_end {
                self.number += 1;
                (self.is_line_end, self.is_skipping) = (false, false);
            }
            if left <= TEXT_BYTES_MAX && !self.is_line_end {
                continue;
            }
            let window = self.left().get(..TEXT_BYTES_MAX).unwrap_or(self.left());
            let is_end = left == window.len();
            let whole = values::<IgnoredAny>(window).filter(|_| window.starts_with(b"{"));
            let found = match whole.filter(|_| !self.is_skipping) {
                Some(length) => Some(length),
                None => next_event(window, is_end).or(is_end.then_some(left)),
            };
            let from = self.start;
            if self.is_skipping {
                self.start += found.unwrap_or(TEXT_BYTES_MAX / 2);
                self.is_skipping = found.is_none();
                continue;
            }
            self.start += found.unwrap_or(TEXT_BYTES_MAX);
            self.is_skipping = found.is_none();
            let text = self.buffer.get(from..self.start).unwrap_or_default();
            let text =
                if found.is_some() { Text::Whole(trim(text)) } else { Text::Oversized(text) };
            return Ok(Some((self.number, text)));
        }
    }

    /// The first `TEXT_BYTES_MAX` bytes of the line that was being read when an error occurred, and the
    /// number of the line.
    pub(super) fn partial(&self) -> (u64, &[u8]) {
        (self.number, self.left().get(..TEXT_BYTES_MAX).unwrap_or(self.left()))
    }

    fn left(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Reads until more bytes than a text may have are buffered, or the line ends.
    fn fill(&mut self) -> io::Result<()> {
        if self.is_line_end || self.left().len() > TEXT_BYTES_MAX {
            return Ok(());
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        while !self.is_line_end && self.buffer.len() <= TEXT_BYTES_MAX {
            let bytes = match self.source.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let newline = memchr::memchr(b'\n', bytes);
            self.is_source_end = bytes.is_empty();
            self.is_line_end = self.is_source_end || newline.is_some();
            let part = bytes.get(..newline.unwrap_or(bytes.len())).unwrap_or(bytes);
            self.buffer.extend(part);
            let read = part.len() + usize::from(newline.is_some());
            self.source.consume(read);
        }
        Ok(())
    }
}

/// The length of the JSON value that `text` starts with, if it is a `T`.
fn values<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Option<usize> {
    let mut values: StreamDeserializer<'a, SliceRead<'a>, T> =
        StreamDeserializer::new(SliceRead::new(text));
    values.next()?.ok()?;
    Some(values.byte_offset())
}

/// Where the first event after other text begins: an object with the field `event`. After a broken object or
/// array it stands before another object or the end.
fn next_event(text: &[u8], is_end: bool) -> Option<usize> {
    let is_broken = text.starts_with(b"{") || text.starts_with(b"[");
    let mut read = 0;
    for (at, byte) in text.iter().enumerate().skip(1) {
        if *byte != b'{' {
            continue;
        }
        let candidate = text.get(at..)?;
        // Each object around an event is read to its end, so their number is limited.
        let object = candidate.get(..depth_end(candidate)).unwrap_or(candidate);
        if let Some(length) = values::<WithEvent>(object) {
            let after = without_blanks(candidate.get(length..)?);
            if !is_broken || after.first().map_or(is_end, |next| *next == b'{') {
                return Some(at);
            }
            read += length;
        } else if let Err(error) = serde_json::from_slice::<WithEvent>(object) {
            read += error.column();
        }
        if read > text.len() * READS_MAX {
            return None;
        }
    }
    None
}

/// Where the object at the start of `text` ends, or nests deeper than an event may.
fn depth_end(text: &[u8]) -> usize {
    let (mut open, mut is_string, mut is_escape) = (0_usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        match (byte, is_string) {
            _ if is_escape => is_escape = false,
            (b'\\', _) => is_escape = true,
            (b'"', _) => is_string = !is_string,
            (b'{' | b'[', false) => open += 1,
            (b'}' | b']', false) => open -= 1,
            _ => {}
        }
        if open == 0 || open > NESTING_MAX {
            return at + 1;
        }
    }
    text.len()
}

#[derive(Deserialize)]
struct WithEvent {
    #[serde(rename = "event")]
    _event: IgnoredAny,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

fn without_blanks(mut text: &[u8]) -> &[u8] {
    loop {
        let next = match text.first() {
            Some(b' ' | b'\t' | b'\r' | b'\n' | 0) => text.get(1..),
            _ => text.strip_prefix(BYTE_ORDER_MARK),
        };
        match next {
            Some(next) => text = next,
            None => return text,
        }
    }
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let Some((b' ' | b'\t' | b'\r' | b'\n' | 0, rest)) = text.split_last() {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that returns its parts one by one, then fails.
    struct Broken(Vec<&'static [u8]>);

    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Err(io::Error::other("broken"));
            }
            self.0.remove(0).read(buffer)
        }
    }

    fn of(bytes: &[u8]) -> Texts {
        Texts::new(Box::new(io::Cursor::new(bytes.to_vec())))
    }

    /// All texts with their lines. An oversized text is represented by its length.
    fn all(bytes: &[u8]) -> Vec<(u64, String)> {
        let (mut texts, mut seen) = (of(bytes), Vec::new());
        while let Some((number, text)) = texts.next().unwrap() {
            seen.push(match text {
                Text::Whole(text) => (number, String::from_utf8(text.to_vec()).unwrap()),
                Text::Oversized(start) => (number, start.len().to_string()),
            });
        }
        seen
    }

    fn pairs(seen: &[(u64, String)]) -> Vec<(u64, &str)> {
        seen.iter().map(|(number, text)| (*number, text.as_str())).collect()
    }

    #[test]
    fn a_line_has_one_text_or_several_objects() {
        let seen = all(b"one\r\n\n\xef\xbb\xbf{\"a\":\"}{\"} {}\0{}\n \0\nthree");
        let expected = [(1, "one"), (3, r#"{"a":"}{"}"#), (3, "{}"), (3, "{}"), (5, "three")];
        assert_eq!(pairs(&seen), expected);
        assert_eq!(all(b""), []);
    }

    #[test]
    fn a_broken_object_ends_before_the_next_event() {
        let seen = all(br#"{"x":{"event":{"event":1}{"event":2}"#);
        assert_eq!(
            pairs(&seen),
            [(1, r#"{"x":{"event":"#), (1, r#"{"event":1}"#), (1, r#"{"event":2}"#)]
        );
    }

    #[test]
    fn bounds_the_work_on_a_line_of_broken_objects() {
        let broken = br#"{"a":[{"event":1},"#.repeat(40_000);
        for line in [[b"x", &broken[..]].concat(), broken] {
            let started = std::time::Instant::now();
            assert!(!all(&line).is_empty());
            assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
        }
    }

    #[test]
    fn an_oversized_text_hides_no_other() {
        let event = br#"{"event":1}"#;
        let long = vec![b'a'; TEXT_BYTES_MAX + 1];
        let text = [&long[..], event, event, b"\n", &long[1..], b"\n", &long, b"\nnext"].concat();
        let seen: Vec<_> = all(&text)
            .into_iter()
            .map(|(number, text)| (number, text.len().min(20), text))
            .collect();
        let brief: Vec<_> = seen.iter().map(|(number, length, _)| (*number, *length)).collect();
        assert_eq!(brief, [(1, 7), (1, 11), (1, 11), (2, 20), (3, 7), (4, 4)]);
    }

    #[test]
    fn an_error_leaves_the_partial_line() {
        let mut texts = Texts::new(Box::new(Broken(vec![b"one\ntw", b"o"])));
        assert_eq!(texts.next().unwrap(), Some((1, Text::Whole(b"one"))));
        assert_eq!(texts.next().unwrap_err().to_string(), "broken");
        assert_eq!(texts.partial(), (2, &b"two"[..]));
    }
}
