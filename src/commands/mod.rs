//! The commands of the binary: arguments in, exit status out.
//!
//! Each `run` returns 0 when all went well and 1 when a check or an input's end failed; an error is
//! a usage or input that could not be worked with, and ends the process with 2.

pub mod batch;
pub mod demo;
pub mod key;
pub mod replay;
pub mod serve;
mod signals;
pub mod simulate;
pub mod token;
pub mod verify;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use velodrome_dataflows::Rules;

use crate::ingest::dead_letters::{DeadLetters, REJECTED};
use crate::ingest::inputs::{self, Input, InputKind};
use crate::results::{self, WriteError};
use crate::rules;

/// What a run takes from and to, and under which rules.
#[derive(Debug, clap::Args)]
struct Job {
    /// Files or directories of JSON lines, plain or gzip, in this order; '-' is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Directory to write the results into; those of an earlier run are replaced
    #[arg(long, env = "VELODROME_OUT", value_name = "DIR")]
    out: PathBuf,
    /// TOML file of rules other than Alleycat's
    #[arg(long, env = "VELODROME_RULES", value_name = "FILE")]
    rules: Option<PathBuf>,
}

impl Job {
    /// The inputs in order, and the rules.
    fn load(&self) -> anyhow::Result<(Vec<Input>, Rules)> {
        let rules = self.rules.as_deref().map(rules::load).transpose()?.unwrap_or_default();
        Ok((inputs::list(&self.paths)?, rules))
    }
}

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
