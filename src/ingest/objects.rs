//! Splits a line into its JSON objects.
//!
//! A line usually has one. Firehose joins records without anything between them, and a write that broke
//! off leaves a part of an object before the next one.

use memchr::memchr_iter;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Maximum nesting of arrays and objects in an event. Most JSON readers have the same limit.
pub(super) const DEPTH_MAX: usize = 128;

/// Maximum length of an event, and of a line with one event, in bytes without the newline.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Events after a broken object are searched until this many times its window was read. Bounds the work
/// on lines that are made to cost much.
const READS_MAX: usize = 8;

/// The objects of a line, in order, without the white space around them.
///
/// An object that is not valid JSON ends where the next event begins. What is not JSON at all counts as a
/// broken object. Byte order marks and NUL bytes count as white space.
#[derive(Debug)]
pub(crate) struct Objects<'a>(&'a [u8]);

/// Splits `line`, which may contain newlines as white space.
pub(crate) fn objects(line: &[u8]) -> Objects<'_> {
    Objects(line)
}

/// The length of the object that `window` starts with. `is_end` means that the line ends with the
/// window. `None` if the object does not end in the window.
pub(super) fn first_length(window: &[u8], is_end: bool) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_slice(window).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) if window.starts_with(b"{") => Some(values.byte_offset()),
        _ => next_event(window, is_end).or(is_end.then_some(window.len())),
    }
}

/// The offset of the first event in `window`, after its first byte.
///
/// An event is an object with the field `event` that does not nest too deep. After a broken object it must be
/// followed by another object or the end of the line, which an object within the broken one is not.
pub(super) fn next_event(window: &[u8], is_end: bool) -> Option<usize> {
    let is_broken = matches!(window.first(), Some(b'{' | b'['));
    let mut left = window.len().saturating_mul(READS_MAX);
    for at in memchr_iter(b'{', window).filter(|at| *at > 0) {
        let text = window.get(at..).unwrap_or_default();
        let object = shallow_object(text);
        let mut events = serde_json::Deserializer::from_slice(object).into_iter::<AnyEvent>();
        let read = match events.next() {
            // The column of an error is the number of bytes up to it, because a line has no newline.
            Some(Err(error)) => error.column(),
            _ => {
                let length = events.byte_offset();
                let after = trim_start(text.get(length..).unwrap_or_default());
                if !is_broken || after.first().map_or(is_end, |byte| *byte == b'{') {
                    return Some(at);
                }
                length
            }
        };
        left = left.checked_sub(read)?;
    }
    None
}

/// The object that `text` starts with, up to where it nests deeper than an event may.
///
/// Objects that are nested in each other are all searched, so their depth bounds the work.
fn shallow_object(text: &[u8]) -> &[u8] {
    let (mut depth, mut in_string, mut escaped) = (0, false, false);
    let end = text.iter().position(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        depth == 0 || depth > DEPTH_MAX
    });
    end.and_then(|end| text.get(..=end)).unwrap_or(text)
}

impl<'a> Iterator for Objects<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let line = trim_start(self.0);
        if line.is_empty() {
            return None;
        }
        let window = line.get(..LINE_BYTES_MAX).unwrap_or(line);
        let length = first_length(window, window.len() == line.len()).unwrap_or(line.len());
        let (object, rest) = line.split_at_checked(length)?;
        self.0 = rest;
        Some(trim_end(object))
    }
}

/// An object with the field `event`.
#[derive(Deserialize)]
struct AnyEvent {
    #[serde(rename = "event")]
    _event: IgnoredAny,
}

/// Removes white space, NUL bytes and byte order marks from the start.
pub(super) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    loop {
        bytes = match bytes {
            [b' ' | b'\t' | b'\r' | b'\n' | 0, rest @ ..] | [0xef, 0xbb, 0xbf, rest @ ..] => rest,
            _ => return bytes,
        };
    }
}

/// Removes white space, NUL bytes and byte order marks from the start, and all but the marks from the end.
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    trim_end(trim_start(bytes))
}

fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t' | b'\r' | b'\n' | 0] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVENT: &str = r#"{"event":"view","uuid":"{\"}","projectId":"p","deviceTimestamp":1}"#;

    fn split(line: &str) -> Vec<&str> {
        objects(line.as_bytes()).map(|object| str::from_utf8(object).unwrap()).collect()
    }

    #[test]
    fn returns_each_object_without_what_is_between_them() {
        for line in ["", " ", "\0\0", "\u{feff}"] {
            assert_eq!(split(line), [""; 0]);
        }
        let other = r#"{"a":{"event":1}}"#;
        for between in ["", " ", "\r", "\0\0\0", "\u{feff}", "\n"] {
            let line = [between, EVENT, between, other, between, EVENT, between].concat();
            assert_eq!(split(&line), [EVENT, other, EVENT], "{between:?}");
        }
        assert_eq!(split("[1] 2"), ["[1] 2"]);
        let line = format!("x{EVENT}, {EVENT}y");
        assert_eq!(split(&line), ["x", EVENT, ",", EVENT, "y"]);
    }

    #[test]
    fn does_not_take_an_event_out_of_a_broken_object() {
        let inner = format!(r#"{{"data":{EVENT},"more":x}}"#);
        assert_eq!(split(&inner), [&inner]);
        assert_eq!(split(&format!("{inner}{EVENT}")), [&inner, EVENT]);
    }

    #[test]
    fn bounds_the_work_on_a_line_of_broken_objects() {
        let broken = [r#"{"a":[{"event":1},"#].repeat(40_000).concat();
        for line in [format!("x{broken}"), broken] {
            let started = std::time::Instant::now();
            assert!(objects(line.as_bytes()).count() > 0);
            assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
        }
    }

    proptest! {
        #[test]
        fn a_broken_object_breaks_no_other(
            cuts in prop::collection::vec((0..=EVENT.len(), any::<bool>()), 1..6),
        ) {
            // Each part is a complete event, or an event that is cut off.
            let part = |&(cut, is_whole): &(usize, bool)| if is_whole { EVENT } else { &EVENT[..cut] };
            let line: String = cuts.iter().map(part).collect();
            let whole = cuts.iter().filter(|(cut, whole)| *whole || *cut == EVENT.len()).count();
            let seen = split(&line);
            prop_assert_eq!(seen.iter().filter(|object| **object == EVENT).count(), whole, "{}", line);
            prop_assert_eq!(seen.concat(), line);
        }
    }
}
