//! The commands of the binary: arguments in, exit status out.
//!
//! Each `run` returns 0 when all went well and 1 when a check or an input's end failed; an error is
//! a usage or input that could not be worked with, and ends the process with 2.

pub mod batch;
pub mod replay;
pub mod simulate;
pub mod verify;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, ensure};

use crate::ingest::dead_letters::{DeadLetters, REJECTED};
use crate::ingest::inputs::{Input, InputKind};
use crate::results::{self, WriteError};

/// Readies `out` for the results of `inputs`, before any work: what an earlier run left there goes,
/// and the file of rejected lines is begun.
fn prepare(out: &Path, inputs: &[Input]) -> anyhow::Result<DeadLetters> {
    let own = |path: &Path| {
        path.canonicalize().with_context(|| format!("cannot read '{}'", path.display()))
    };
    if out.is_dir() {
        let out = own(out)?;
        for input in inputs.iter().filter(|input| input.kind != InputKind::Stream) {
            ensure!(
                !own(&input.path)?.starts_with(&out),
                "the input '{}' lies in --out, where results replace what is there; give another --out",
                input.path.display()
            );
        }
    }
    results::prepare(out)?;
    let rejected = out.join(REJECTED);
    Ok(DeadLetters::create(&rejected).map_err(|e| WriteError::new(&rejected, e))?)
}

/// Prints what a run came to; that nobody reads it is no failure of the run.
fn print(text: impl Display) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot print the summary")
        }
        _ => Ok(()),
    }
}
