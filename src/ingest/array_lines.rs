//! The elements of JSON arrays as lines.

use std::io::{self, BufRead, Read};

/// Writes each element of the arrays in `R` on a line of its own. Text outside arrays is left as it is.
///
/// Newlines within an element become spaces. Nothing is checked; the decoder rejects what is not JSON.
#[derive(Debug)]
pub(super) struct ArrayLines<R> {
    source: R,
    /// Whether the next byte is in an array of elements.
    is_array: bool,
    /// How many arrays and objects within an element, or outside any array, enclose the next byte.
    depth: usize,
    is_string: bool,
    is_escaped: bool,
}

impl<R> ArrayLines<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, is_array: false, depth: 0, is_string: false, is_escaped: false }
    }

    /// The byte to write in place of `byte`.
    fn map(&mut self, byte: u8) -> u8 {
        if byte == b'\n' && !self.is_array {
            // Outside arrays an object ends with its line at the latest.
            (self.depth, self.is_string, self.is_escaped) = (0, false, false);
        } else if self.is_string {
            self.is_string = self.is_escaped || byte != b'"';
            self.is_escaped = !self.is_escaped && byte == b'\\';
        } else {
            match (byte, self.depth, self.is_array) {
                (b'[', 0, false) => {
                    self.is_array = true;
                    return b' ';
                }
                (b']', 0, true) => {
                    self.is_array = false;
                    return b'\n';
                }
                (b',', 0, true) => return b'\n',
                (b'\n', ..) => return b' ',
                (b'[' | b'{', ..) => self.depth += 1,
                (b']' | b'}', ..) => self.depth = self.depth.saturating_sub(1),
                (b'"', ..) => self.is_string = true,
                _ => {}
            }
        }
        byte
    }
}

impl<R: BufRead> Read for ArrayLines<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let buffered = self.source.fill_buf()?.len();
        if buffered == 0 && self.is_array {
            self.is_array = false;
            let message = "the JSON array is truncated";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        let length = buffered.min(out.len());
        let out = out.get_mut(..length).unwrap_or_default();
        self.source.read_exact(out)?;
        for byte in out {
            *byte = self.map(*byte);
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let mut out = String::new();
        ArrayLines::new(text.as_bytes()).read_to_string(&mut out).unwrap();
        let trimmed = out.lines().map(|line| line.trim().to_owned());
        trimmed.filter(|line| !line.is_empty()).collect()
    }

    #[test]
    fn each_element_becomes_a_line() {
        let inner = r#"{"a":"],[\"\\","b":[1,{"c":[]}]}"#;
        let text = format!("[\n{inner},\n  {{\n\"d\": 1\n}}, 7,{inner}\n]\n[{inner}]{inner}");
        let expected = [inner, r#"{ "d": 1 }"#, "7", inner, inner, inner];
        assert_eq!(lines(&text), expected);
        assert_eq!(lines("[]"), [""; 0]);
    }

    #[test]
    fn an_array_that_ends_early_is_damaged_after_its_elements() {
        let (mut out, text) = (String::new(), r#"[{"a":1},{"b":"#);
        let error = ArrayLines::new(text.as_bytes()).read_to_string(&mut out).unwrap_err();
        assert!(error.to_string().contains("truncated"));
        assert_eq!(out, " {\"a\":1}\n{\"b\":");
    }
}
