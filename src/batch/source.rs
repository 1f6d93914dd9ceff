//! Opens an input as a stream of lines.

use std::io::{self, Read};

use crate::ingest::inputs::{Input, InputKind};
use crate::ingest::wrapping::unwrap;

/// Opens `input` for reading, without compression and other wrappings.
///
/// # Errors
/// If the input cannot be opened, or is in a format that is not supported.
pub(super) fn open(input: &Input) -> io::Result<Box<dyn Read>> {
    let bytes = input.open(0)?;
    match input.kind {
        InputKind::Plain | InputKind::Parts(_) => Ok(bytes),
        InputKind::Detect => unwrap(bytes, input.is_named_gzip()),
    }
}
