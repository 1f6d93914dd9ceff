//! `velodrome verify`: checks that two result directories are equal, or differ as a comparison says.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::verify;

/// Check that two result directories have the same results
///
/// Compares every number of every file and prints the differences. With --changes, it checks instead
/// that the output of compare describes exactly the differences between the two directories.
///
/// The exit status is 0 if the check succeeds and 1 if it fails.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  velodrome verify results other-results
  velodrome verify before after --changes changes")]
pub struct Args {
    /// Directory that replay or batch wrote
    #[arg(value_name = "DIR_A")]
    left: PathBuf,
    /// Directory to compare it with
    #[arg(value_name = "DIR_B")]
    right: PathBuf,
    /// Directory that compare wrote: check that it describes exactly how DIR_B differs from DIR_A
    #[arg(long, value_name = "DIR")]
    changes: Option<PathBuf>,
}

/// Prints the differences, file by file. The status is 1 if the check fails.
///
/// # Errors
/// If a directory or file is missing or cannot be parsed.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let out = &mut io::stdout().lock();
    let is_equal = match &args.changes {
        Some(changes) => verify::run_changes(&args.left, &args.right, changes, out)?,
        None => verify::run(&args.left, &args.right, out)?,
    };
    Ok(ExitCode::from(u8::from(!is_equal)))
}
