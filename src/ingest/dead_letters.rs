//! Dead letters of a run: the rejected lines, each with its location and reason.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

use super::rejections::Rejections;

/// Name of the file of rejected lines.
pub const REJECTED: &str = "rejected.jsonl";

/// The bytes of a line that its dead letter has.
const TEXT_BYTES_MAX: usize = 4096;

/// Lines rejected for one reason that all become dead letters. Of further ones it is each tenth, after ten
/// times as many lines each hundredth, and so on.
const COMPLETE: u64 = 1000;

/// A rejected line, or the damage at which a file ended.
#[derive(Serialize)]
struct DeadLetter<'a> {
    file: &'a str,
    line: u64,
    reason: &'a str,
    /// The start of the line as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// The start of the line in base64, if it is not UTF-8.
    #[serde(rename = "textBase64", skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    /// The length of the line, if the text is only its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
}

/// Writes dead letters as JSON lines, in the order of the calls, and counts their reasons.
///
/// The size of the file is bounded: lines are cut after 4 KiB, and of a reason that is repeated more than a
/// thousand times only some lines are written.
///
/// After a write fails, later ones are dropped and the run continues. `finish` returns the error.
#[derive(Debug)]
pub struct DeadLetterFile {
    out: BufWriter<File>,
    rejections: Rejections,
    failed: Option<io::Error>,
}

impl DeadLetterFile {
    /// Creates the file at `path`.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        let (out, rejections) = (BufWriter::new(File::create(path)?), Rejections::default());
        Ok(Self { out, rejections, failed: None })
    }

    /// Adds line `line` of `file`, counted from 1, with the reason for its rejection.
    pub fn reject(&mut self, file: &str, line: u64, reason: &str, bytes: &[u8]) {
        let count = self.rejections.reject(file, line, reason, bytes);
        if is_written(count) {
            self.write(file, line, reason, bytes);
        }
    }

    /// Adds the damage of `file` at line `line`, counted from 1. `bytes` is the incomplete line.
    pub fn damage(&mut self, file: &str, line: u64, reason: &str, bytes: &[u8]) {
        self.rejections.damage(file, line, reason);
        self.write(file, line, &format!("input damaged: {reason}"), bytes);
    }

    fn write(&mut self, file: &str, line: u64, reason: &str, bytes: &[u8]) {
        if self.failed.is_none() {
            let start = bytes.get(..TEXT_BYTES_MAX).unwrap_or(bytes);
            // A character that the cut divides is left out.
            let text = match std::str::from_utf8(start) {
                Err(error) if error.error_len().is_none() && start.len() < bytes.len() => {
                    start.get(..error.valid_up_to()).and_then(|text| str::from_utf8(text).ok())
                }
                text => text.ok(),
            };
            let base64 = text.is_none().then(|| BASE64_STANDARD.encode(start));
            let bytes = (start.len() < bytes.len()).then_some(bytes.len());
            let letter = DeadLetter { file, line, reason, text, base64, bytes };
            let written = serde_json::to_writer(&mut self.out, &letter).map_err(io::Error::from);
            self.failed = written.and_then(|()| self.out.write_all(b"\n")).err();
            self.rejections.written += 1;
        }
    }

    /// Flushes and closes the file. Returns what was rejected.
    ///
    /// # Errors
    /// The error of the first write that failed.
    pub fn finish(mut self) -> io::Result<Rejections> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.out.flush()?;
        self.rejections.sort();
        Ok(self.rejections)
    }
}

/// Whether the line with this count for its reason becomes a dead letter.
fn is_written(count: u64) -> bool {
    let mut step = 1;
    while count / step > COMPLETE {
        step *= 10;
    }
    count.is_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_repeated_reason_fewer_and_fewer_lines_are_written() {
        let written = |count| (1..=count).filter(|count| is_written(*count)).count();
        assert_eq!(written(1000), 1000);
        assert_eq!(written(10_000), 1900);
        assert_eq!(written(100_000), 2800);
    }
}
