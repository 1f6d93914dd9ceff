//! Dead letters of a run: the rejected lines, each with its location and reason.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

/// Name of the file of rejected lines.
pub const REJECTED: &str = "rejected.jsonl";

/// A rejected line, or the damage at which a file ended.
#[derive(Serialize)]
struct DeadLetter<'a> {
    file: &'a str,
    line: u64,
    reason: &'a str,
    /// The line as text. An oversized line is cut after its first MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// The line in base64, if it is not UTF-8.
    #[serde(rename = "textBase64", skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// Writes dead letters as JSON lines, in the order of the calls.
///
/// After a write fails, later ones are dropped and the run continues. `finish` returns the error.
#[derive(Debug)]
pub struct DeadLetterFile {
    out: BufWriter<File>,
    failed: Option<io::Error>,
}

impl DeadLetterFile {
    /// Creates the file at `path`.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { out: BufWriter::new(File::create(path)?), failed: None })
    }

    /// Writes line `line` of `file`, counted from 1, with the reason for its rejection.
    pub fn write(&mut self, file: &str, line: u64, reason: &str, bytes: &[u8]) {
        if self.failed.is_none() {
            let text = std::str::from_utf8(bytes).ok();
            let base64 = text.is_none().then(|| BASE64_STANDARD.encode(bytes));
            let letter = DeadLetter { file, line, reason, text, base64 };
            let written = serde_json::to_writer(&mut self.out, &letter).map_err(io::Error::from);
            self.failed = written.and_then(|()| self.out.write_all(b"\n")).err();
        }
    }

    /// Flushes and closes the file.
    ///
    /// # Errors
    /// The error of the first write that failed.
    pub fn finish(mut self) -> io::Result<()> {
        match self.failed {
            Some(error) => Err(error),
            None => self.out.flush(),
        }
    }
}
