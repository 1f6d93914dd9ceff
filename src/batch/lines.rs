//! Splits bytes into lines. Buffers at most one line of at most 1 MiB.

use std::io::{self, BufRead, BufReader, Read};

/// Maximum length of a valid line, in bytes without its newline.
pub(super) const LINE_BYTES_MAX: usize = 1 << 20;

/// One line, without its newline.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// The complete line.
    Whole(&'a [u8]),
    /// The first `LINE_BYTES_MAX` bytes of a longer line.
    Oversized(&'a [u8]),
}

/// The lines of one input, in order.
pub(super) struct Lines {
    source: BufReader<Box<dyn Read>>,
    /// The bytes of the current line that were read so far, at most `LINE_BYTES_MAX`.
    line: Vec<u8>,
    /// Whether the current line is longer than `LINE_BYTES_MAX`.
    is_oversized: bool,
}

impl Lines {
    pub(super) fn new(source: Box<dyn Read>) -> Self {
        let source = BufReader::with_capacity(1 << 18, source);
        Self { source, line: Vec::new(), is_oversized: false }
    }

    /// The next line, or `None` at the end. The last line need not end with a newline.
    ///
    /// # Errors
    /// If the source cannot be read. [`Self::partial`] then returns the bytes of the incomplete line.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        self.is_oversized = false;
        let mut is_begun = false;
        loop {
            let bytes = match self.source.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if bytes.is_empty() {
                return Ok(is_begun.then(|| self.current()));
            }
            is_begun = true;
            let end = memchr::memchr(b'\n', bytes);
            let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or(bytes);
            let room = LINE_BYTES_MAX - self.line.len();
            self.is_oversized |= part.len() > room;
            self.line.extend(part.iter().take(room));
            let consumed = part.len() + usize::from(end.is_some());
            self.source.consume(consumed);
            if end.is_some() {
                return Ok(Some(self.current()));
            }
        }
    }

    /// The first `LINE_BYTES_MAX` bytes of the line that was being read when an error occurred.
    pub(super) fn partial(&self) -> &[u8] {
        &self.line
    }

    fn current(&self) -> Line<'_> {
        if self.is_oversized { Line::Oversized(&self.line) } else { Line::Whole(&self.line) }
    }
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

    fn of(bytes: &[u8]) -> Lines {
        Lines::new(Box::new(io::Cursor::new(bytes.to_vec())))
    }

    #[test]
    fn lines_end_at_a_newline_or_at_the_end_of_input() {
        let mut lines = of(b"one\r\n\nthree");
        for line in [&b"one\r"[..], b"", b"three"] {
            assert_eq!(lines.next().unwrap(), Some(Line::Whole(line)));
        }
        assert_eq!(lines.next().unwrap(), None);
        assert_eq!(of(b"").next().unwrap(), None);
        let mut ended = of(b"one\n");
        assert_eq!(ended.next().unwrap(), Some(Line::Whole(b"one")));
        assert_eq!(ended.next().unwrap(), None);
    }

    #[test]
    fn a_line_over_1_mib_is_oversized_and_the_next_line_is_complete() {
        let longest = vec![b'a'; LINE_BYTES_MAX];
        let text = [&longest[..], b"\n", &longest, b"b\n", b"next"].concat();
        let mut lines = of(&text);
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(&longest)));
        assert_eq!(lines.next().unwrap(), Some(Line::Oversized(&longest)));
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"next")));
    }

    #[test]
    fn an_error_leaves_the_partial_line() {
        let mut lines = Lines::new(Box::new(Broken(vec![b"one\ntw", b"o"])));
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"one")));
        assert_eq!(lines.next().unwrap_err().to_string(), "broken");
        assert_eq!(lines.partial(), b"two");
    }
}
