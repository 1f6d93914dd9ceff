//! Dead letters: the lines that were not taken, each with its place and reason.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

/// File of the rejected lines.
pub const REJECTED: &str = "rejected.jsonl";

/// Where a line came from.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub enum Place<'a> {
    /// Line `line` (from 1) of a file.
    File {
        /// Its path.
        file: &'a str,
        /// Which line it is.
        line: u64,
    },
    /// Event `index` (from 0) of a request.
    Request {
        /// The address that sent it.
        peer: &'a str,
        /// Which event it is.
        index: usize,
    },
}

/// One line that was not taken, or the damage that ended a file.
#[derive(Serialize)]
struct DeadLetter<'a> {
    #[serde(flatten)]
    place: Place<'a>,
    reason: &'a str,
    /// The line itself, of an oversized one its first MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// The same where it is no UTF-8.
    #[serde(rename = "textBase64", skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// Writes the dead letter of a line at `place`, with the reason why it was not taken, and a newline.
///
/// # Errors
/// Those of `out`.
pub(super) fn write(
    mut out: impl Write,
    place: Place<'_>,
    reason: &str,
    bytes: &[u8],
) -> io::Result<()> {
    let text = std::str::from_utf8(bytes).ok();
    let base64 = text.is_none().then(|| BASE64_STANDARD.encode(bytes));
    serde_json::to_writer(&mut out, &DeadLetter { place, reason, text, base64 })?;
    out.write_all(b"\n")
}

/// Writes dead letters as JSON lines, in the order that they come.
///
/// A failed write ends the writing, not the run: `finish` tells of it.
#[derive(Debug)]
pub struct DeadLetters {
    out: BufWriter<File>,
    failed: Option<io::Error>,
}

impl DeadLetters {
    /// Begins the file at `path`.
    ///
    /// # Errors
    /// A file that cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { out: BufWriter::new(File::create(path)?), failed: None })
    }

    /// Keeps line `line` (from 1) of `file`, with the reason why it was not taken.
    pub fn keep(&mut self, file: &str, line: u64, reason: &str, bytes: &[u8]) {
        let place = Place::File { file, line };
        if self.failed.is_none() {
            self.failed = write(&mut self.out, place, reason, bytes).err();
        }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// The first write that failed.
    pub fn finish(mut self) -> io::Result<()> {
        match self.failed {
            Some(error) => Err(error),
            None => self.out.flush(),
        }
    }
}
