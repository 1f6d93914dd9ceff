//! `velodrome verify`: whether two result directories hold the same results, or differ as told.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::verify;

/// Compare two result directories, number by number
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A directory that `replay` or `batch` wrote
    #[arg(value_name = "DIR_A")]
    left: PathBuf,
    /// The directory to hold against it
    #[arg(value_name = "DIR_B")]
    right: PathBuf,
    /// A directory that `compare` wrote: checks that it tells exactly how DIR_B differs from DIR_A
    #[arg(long, value_name = "DIR")]
    changes: Option<PathBuf>,
}

/// Prints what differs, file by file; the status is 1 where anything does.
///
/// # Errors
/// A directory or file that is missing or cannot be understood.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let out = &mut io::stdout().lock();
    let is_equal = match &args.changes {
        Some(changes) => verify::run_changes(&args.left, &args.right, changes, out)?,
        None => verify::run(&args.left, &args.right, out)?,
    };
    Ok(ExitCode::from(u8::from(!is_equal)))
}
