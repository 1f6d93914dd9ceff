//! Dead letters of a replay: the lines that were not taken, each with its place and reason.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

/// File of the rejected lines.
pub const REJECTED: &str = "rejected.jsonl";

/// One line that was not taken, or the damage that ended a file.
#[derive(Serialize)]
struct DeadLetter<'a> {
    file: &'a str,
    line: u64,
    reason: &'a str,
    /// The line itself, of an oversized one its first MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// The same where it is no UTF-8.
    #[serde(rename = "textBase64", skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
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
        if self.failed.is_none() {
            let text = std::str::from_utf8(bytes).ok();
            let base64 = text.is_none().then(|| BASE64_STANDARD.encode(bytes));
            let letter = DeadLetter { file, line, reason, text, base64 };
            let written = serde_json::to_writer(&mut self.out, &letter).map_err(io::Error::from);
            self.failed = written.and_then(|()| self.out.write_all(b"\n")).err();
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
