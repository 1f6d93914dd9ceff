//! `velodrome check`: finds damaged and missing files of a service.

use std::process::ExitCode;

use anyhow::Context;
use tokio::runtime::Runtime;

use super::arguments::{ArchiveArgs, exit_code};
use super::logging;
use super::output::Output;
use crate::check;
use crate::store::Location;

/// Find damaged and missing files of a service
///
/// Reads the log, the archive, the checkpoint, bans, rules and dead letters of a data directory to their
/// ends, verifies their checksums, and prints what is damaged or missing. It changes nothing, and a service
/// may be running.
///
/// The exit status is 1 if something is damaged or missing, and 2 if something cannot be checked.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  velodrome check data
  velodrome check data --archive s3://races/archive
  velodrome check s3://races/archive")]
pub struct Args {
    /// Data directory of a service, a backup, or an archive: a directory or s3://bucket/prefix
    #[arg(value_name = "DIR|S3")]
    place: Location,
    #[command(flatten)]
    archive: ArchiveArgs,
}

/// Prints the report of the check. The status is 1 if it found damage, and 2 if something was not checked.
///
/// # Errors
/// If there is nothing to check, or it cannot be listed.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    logging::print_warnings();
    let runtime = Runtime::new().context("cannot start threads")?;
    let lazy_aws = args.archive.lazy_aws(runtime.handle());
    let outcome = check::run(&args.place, args.archive.location, &lazy_aws, &mut Output)?;
    Ok(exit_code(outcome))
}
