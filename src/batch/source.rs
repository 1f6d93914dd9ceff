//! Opens an input as one stream of plain bytes.

use std::io::{self, BufReader, Cursor, Read};

use crate::ingest::gunzip::Gunzip;
use crate::ingest::inputs::{GZIP_MAGIC, Input, InputKind};

/// Compressed bytes read at once.
const BUFFER_BYTES: usize = 1 << 16;

/// The bytes of `input`, decompressed where it is gzip.
///
/// # Errors
/// An input that cannot be opened, or a stream that cannot be read.
pub(super) fn open(input: &Input) -> io::Result<Box<dyn Read>> {
    let bytes = input.open(0)?;
    match input.kind {
        InputKind::Plain | InputKind::Parts(_) => Ok(bytes),
        InputKind::Gzip => Ok(gunzip(bytes)),
        InputKind::Either => by_magic(bytes),
    }
}

/// Tells gzip from plain by the first bytes, which a pipe cannot take back.
fn by_magic(mut stream: impl Read + 'static) -> io::Result<Box<dyn Read>> {
    let mut start = Vec::new();
    stream.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut start)?;
    let is_gzip = start == GZIP_MAGIC;
    let whole = Cursor::new(start).chain(stream);
    Ok(if is_gzip { gunzip(whole) } else { Box::new(whole) })
}

fn gunzip(stream: impl Read + 'static) -> Box<dyn Read> {
    Box::new(Gunzip::new(BufReader::with_capacity(BUFFER_BYTES, stream)))
}
