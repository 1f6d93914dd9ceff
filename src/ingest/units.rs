//! Units of reading: parts of inputs, each read by one worker. All processes list them in the same
//! order.

use std::io::{self, Read};

use indicatif::ProgressBar;

use super::input::{Input, InputKind};
use super::lines::LineReader;
use super::wrapping::unwrap;

/// Size of the chunks that plain files and objects are split into, so that all workers can read one
/// input.
pub const CHUNK_BYTES: u64 = 4 << 20;

/// A part of an input that one worker reads from start to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Index of the input.
    pub input: usize,
    /// Index of the chunk of a plain input, or of the part of a source. 0 for inputs that can only be
    /// read from the start.
    pub chunk: u64,
}

/// Splits the inputs into units, in order.
pub fn units(inputs: &[Input]) -> Vec<Unit> {
    let chunks = |input: &Input| match input.kind {
        InputKind::Plain => input.bytes.div_ceil(CHUNK_BYTES),
        InputKind::Detect => 1,
        InputKind::Parts(parts) => parts,
    };
    let cut = |(index, input)| (0..chunks(input)).map(move |chunk| Unit { input: index, chunk });
    inputs.iter().enumerate().flat_map(cut).collect()
}

/// The decompressed bytes of a unit, from any kind of input.
pub type UnitReader = Box<dyn Read>;

/// Opens the lines of one unit; `progress` counts the bytes read, before decompression.
///
/// # Errors
/// If the input cannot be opened.
pub fn open(
    input: &Input,
    unit: Unit,
    progress: &ProgressBar,
) -> io::Result<LineReader<UnitReader>> {
    let counted = |from| Ok::<_, io::Error>(progress.wrap_read(input.open(from)?));
    match input.kind {
        InputKind::Plain => {
            let from = unit.chunk * CHUNK_BYTES;
            // The preceding byte shows whether a line starts at the chunk's first byte.
            let (before, until) = (from.saturating_sub(1), from + CHUNK_BYTES);
            let reader: UnitReader = Box::new(counted(before)?);
            Ok(match from {
                0 => LineReader::until(reader, until),
                _ => LineReader::within(reader, before, until),
            })
        }
        InputKind::Parts(_) => Ok(LineReader::all(Box::new(counted(unit.chunk)?))),
        InputKind::Detect => Ok(LineReader::all(unwrap(counted(0)?, input.is_named_gzip())?)),
    }
}
