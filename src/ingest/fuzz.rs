//! Fuzz targets of the ingest: lines, objects in lines, records, and wrapped inputs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target panics if its decoder is wrong"
)]

use std::io::{Cursor, Read};

use super::decode::{decode, decode_any, decode_first};
use super::lines::{LINE_BYTES_MAX, LineBlock, LineReader};
use super::objects::{objects, trim_start};
use super::record::split_events;
use super::wrapping::unwrap;

/// The length of races in all targets: the default rules'.
pub(crate) const RACE_SECONDS: u16 = 300;
/// How much of an input is decompressed.
const PLAIN_BYTES_MAX: u64 = 4 << 20;

/// The fast path agrees with the JSON library, which is all that decides about a line.
pub(crate) fn event(line: &[u8]) {
    let expected = decode_any(line, RACE_SECONDS);
    assert_eq!(decode(line, RACE_SECONDS), expected);
    if let Some((event, rest)) = decode_first(line, RACE_SECONDS) {
        let (text, _) = line.split_at(line.len() - rest.len());
        assert_eq!(Ok(event), decode_any(text, RACE_SECONDS));
    }
}

/// The objects of a line follow each other, and between them is only what counts as white space. An event
/// is one object.
pub(crate) fn line_objects(line: &[u8]) {
    let mut rest = line;
    for object in objects(line) {
        let start = trim_start(rest);
        assert!(!object.is_empty() && start.starts_with(object));
        rest = start.split_at(object.len()).1;
    }
    assert_eq!(trim_start(rest), b"");
    if decode(line, RACE_SECONDS).is_ok() {
        assert!(objects(line).eq([line.trim_ascii()]));
    }
}

/// The events of a record are in it, in order; an event is the only one of its record.
pub(crate) fn record(data: &[u8]) {
    let mut rest = data;
    for event in split_events(data, RACE_SECONDS) {
        let start = rest.windows(event.len()).position(|window| window == event);
        rest = rest.split_at(start.expect("the event is in the record") + event.len()).1;
    }
    if decode(data.trim_ascii(), RACE_SECONDS).is_ok() {
        assert!(split_events(data, RACE_SECONDS).eq([data.trim_ascii()]));
    }
}

/// A stream has the same lines for all sizes of reads, and cut into units at any offset. The first byte is
/// the size of a read, and the second the offset.
pub(crate) fn lines(input: &[u8]) {
    let [size, offset, text @ ..] = input else { return };
    let (size, offset) = (usize::from(*size) + 1, u64::from(*offset));
    let read = |from: u64| Trickle { rest: text.split_at(from as usize).1, size };
    let all = blocks(LineReader::all(read(0)));
    assert_eq!(all, text);
    let (before, until) = (offset.saturating_sub(1), offset);
    if before as usize <= text.len() && offset > 0 {
        let first = blocks(LineReader::until(read(0), until));
        let second = blocks(LineReader::within(read(before), before, u64::MAX));
        assert_eq!([first, second].concat(), text);
    }
}

/// A wrapped input is read to the same end for all sizes of reads. The first byte is the size of a read,
/// and its lowest bit whether the input is named as gzip.
pub(crate) fn wrapped(input: &[u8]) {
    let [size, wrapped @ ..] = input else { return };
    let is_named_gzip = size & 1 == 1;
    let read = |size: usize| {
        let mut bytes = Vec::new();
        let mut reader = match unwrap(Cursor::new(wrapped.to_vec()), is_named_gzip) {
            Ok(reader) => reader.take(PLAIN_BYTES_MAX),
            Err(error) => return (bytes, Some(error.to_string())),
        };
        let mut buffer = vec![0; size];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return (bytes, None),
                Ok(length) => bytes.extend_from_slice(buffer.split_at(length).0),
                Err(error) => return (bytes, Some(error.to_string())),
            }
        }
    };
    assert_eq!(read(usize::from(*size) + 1), read(64 << 10));
}

/// All bytes in the blocks of a stream.
fn blocks<R: Read>(mut reader: LineReader<R>) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        match reader.next_block() {
            LineBlock::Lines(lines) => bytes.extend_from_slice(lines),
            LineBlock::Oversized(start) => assert_eq!(start.len(), LINE_BYTES_MAX),
            LineBlock::End => return bytes,
            LineBlock::Damaged(error, _) => panic!("{error}"),
        }
    }
}

/// Returns at most `size` bytes at a time.
struct Trickle<'a> {
    rest: &'a [u8],
    size: usize,
}

impl Read for Trickle<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let length = out.len().min(self.size);
        self.rest.read(out.split_at_mut(length).0)
    }
}
