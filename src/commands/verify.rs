//! `velodrome verify`: whether two result directories hold the same results.

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
}

/// Prints what differs, file by file; the status is 1 where anything does.
///
/// # Errors
/// A directory or file that is missing or cannot be understood.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let is_equal = verify::run(&args.left, &args.right, &mut io::stdout().lock())?;
    Ok(ExitCode::from(u8::from(!is_equal)))
}
