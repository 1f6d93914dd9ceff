//! Starts the outputs of a run, and prints to standard output.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, ensure};

use crate::ingest::dead_letters::{DeadLetterFile, REJECTED};
use crate::ingest::inputs::{Input, Origin};
use crate::output_directory::{Kind, OutputDirectory};
use crate::results::WriteError;

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

/// Prints a line. A closed pipe is not an error.
pub(super) fn print(text: impl Display) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}
