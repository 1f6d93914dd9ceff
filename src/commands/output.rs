//! Starts the outputs of a run, and prints to standard output.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, ensure};
use velodrome_dataflows::EventTime;

use crate::ingest::dead_letters::{DeadLetterFile, REJECTED};
use crate::ingest::inputs::{Input, Origin};
use crate::output_directory::{Kind, OutputDirectory};
use crate::results::{InputCounts, WriteError};
use crate::terminal::Printable;

/// Starts the outputs of a run over `inputs` for the directory `out`, with the file of rejected lines.
pub(super) fn start(
    out: &Path,
    kind: Kind,
    inputs: &[Input],
) -> anyhow::Result<(OutputDirectory, DeadLetterFile)> {
    ensure_not_inside(out, inputs)?;
    let outputs = OutputDirectory::create(out, kind)?;
    let rejected = outputs.path().join(REJECTED);
    let dead_letters =
        DeadLetterFile::create(&rejected).map_err(|e| WriteError::new(&rejected, e))?;
    Ok((outputs, dead_letters))
}

/// Checks that no input is in `out`.
fn ensure_not_inside(out: &Path, inputs: &[Input]) -> anyhow::Result<()> {
    let canonical = |path: &Path| {
        path.canonicalize().with_context(|| format!("cannot read '{}'", path.display()))
    };
    if out.is_dir() {
        let out = canonical(out)?;
        for input in inputs {
            let Origin::File(path) = &input.origin else { continue };
            ensure!(
                !canonical(path)?.starts_with(&out),
                "the input '{}' is in --out, where results replace existing files; give another --out",
                path.display()
            );
        }
    }
    Ok(())
}

/// Warns on standard error if more than 1 % of the events are late or of the lines are rejected, or if no
/// event is at or before the time `as_of`.
pub(super) fn warn(counts: &InputCounts<'_>, late: u64, as_of: Option<EventTime>, is_merged: bool) {
    let InputCounts { events, rejected, .. } = *counts;
    if late * 100 > events {
        let cause = match is_merged {
            true => "a partition is not in order; a directory is one partition, so name its files",
            false => {
                "either inputs overlap in time, then read them side by side with --merge, or they are \
                 not in order"
            }
        };
        let percent = late as f64 * 100.0 / events as f64;
        eprintln!("velodrome: {percent:.1} % of the events are late; {cause}");
    }
    let lines = events + rejected;
    if rejected * 100 > lines {
        let percent = rejected as f64 * 100.0 / lines as f64;
        eprintln!("velodrome: {percent:.1} % of the lines are rejected; the reasons are above");
    }
    if lines == 0 && as_of.is_some() {
        eprintln!("velodrome: no event is at or before the time of --as-of");
    }
}

/// Standard output. A closed pipe is not an error.
#[derive(Debug)]
pub(super) struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match io::stdout().write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

/// Prints lines, with control characters escaped. A closed pipe is not an error.
pub(super) fn print(text: impl Display) -> anyhow::Result<()> {
    let text = text.to_string();
    let mut out = io::stdout().lock();
    let written = text.lines().try_for_each(|line| writeln!(out, "{}", Printable(line)));
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}
