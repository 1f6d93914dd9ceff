//! Opens an input as a stream of decompressed bytes.

use std::io::{self, BufReader, Cursor, Read};

use crate::ingest::gunzip::Gunzip;
use crate::ingest::inputs::{GZIP_MAGIC, Input, InputKind};

/// Compressed bytes per read.
const BUFFER_BYTES: usize = 1 << 16;

/// Opens `input` for reading. Decompresses it if it is gzip.
///
/// # Errors
/// If the input cannot be opened, or the start of a stream cannot be read.
pub(super) fn open(input: &Input) -> io::Result<Box<dyn Read>> {
    let bytes = input.open(0)?;
    match input.kind {
        InputKind::Plain | InputKind::Parts(_) => Ok(bytes),
        InputKind::Gzip => Ok(gunzip(bytes)),
        InputKind::Detect => by_magic(bytes),
    }
}

/// Detects gzip by its first bytes. They are put back in front of the rest, because a pipe cannot be
/// rewound.
fn by_magic(mut stream: impl Read + 'static) -> io::Result<Box<dyn Read>> {
    let mut start = Vec::new();
    stream.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut start)?;
    let is_gzip = start == GZIP_MAGIC;
    let complete = Cursor::new(start).chain(stream);
    Ok(if is_gzip { gunzip(complete) } else { Box::new(complete) })
}

fn gunzip(stream: impl Read + 'static) -> Box<dyn Read> {
    Box::new(Gunzip::new(BufReader::with_capacity(BUFFER_BYTES, stream)))
}
