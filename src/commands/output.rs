//! Prepares output directories, and prints to standard output.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, ensure};

use crate::compare;
use crate::ingest::dead_letters::{DeadLetterFile, REJECTED};
use crate::ingest::inputs::{Input, Origin};
use crate::results::{self, WriteError};

/// Prepares `out` for the results of `inputs`: removes results of an earlier run, and creates the file
/// of rejected lines.
pub(super) fn prepare_results(out: &Path, inputs: &[Input]) -> anyhow::Result<DeadLetterFile> {
    ensure_not_inside(out, inputs)?;
    results::prepare(out)?;
    create_dead_letters(out)
}

/// Prepares `out` for the changes of a comparison.
pub(super) fn prepare_changes(out: &Path, inputs: &[Input]) -> anyhow::Result<DeadLetterFile> {
    ensure_not_inside(out, inputs)?;
    compare::prepare(out)?;
    create_dead_letters(out)
}

fn create_dead_letters(out: &Path) -> anyhow::Result<DeadLetterFile> {
    let rejected = out.join(REJECTED);
    Ok(DeadLetterFile::create(&rejected).map_err(|e| WriteError::new(&rejected, e))?)
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
