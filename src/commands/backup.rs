//! `velodrome backup`: copies the data of a service.

use std::process::ExitCode;

use anyhow::Context;
use clap::builder::BoolishValueParser;
use tokio::runtime::Runtime;

use super::arguments::{ArchiveArgs, exit_code};
use super::logging;
use super::output::Output;
use crate::backup::{self, Plan};
use crate::store::Location;

/// Copy the data of a service, which may be running, to a directory or a bucket
///
/// Copies the log, the archive, the checkpoint, bans, rules and dead letters, and checks the copy as the
/// command check does. A later backup to the same place copies only objects of the archive that are missing
/// there, and replaces the rest. To restore, start a service with a copy of the backup as --data.
///
/// A backup that was interrupted is incomplete, and no service starts on it; run the command again.
///
/// The exit status is 1 if something is damaged or missing in the copy, and 2 if something cannot be read or
/// written. The backup is incomplete in both cases.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  velodrome backup data --to /backups/races
  velodrome backup data --to s3://backups/races
  velodrome backup data --archive s3://races/archive --with-archive --to /backups/races")]
pub struct Args {
    /// Data directory of the service
    #[arg(value_name = "DIR")]
    data: Location,
    /// Where to copy it: a directory or s3://bucket/prefix that is empty, or has a backup of this service
    #[arg(long, env = "VELODROME_BACKUP_TO", value_name = "DIR|S3")]
    to: Location,
    #[command(flatten)]
    archive: ArchiveArgs,
    /// Also copy an archive in S3
    ///
    /// Without this option, the backup needs that archive, and a service on it the same --archive. An archive
    /// in a directory is always copied.
    #[arg(long, env = "VELODROME_WITH_ARCHIVE", value_parser = BoolishValueParser::new())]
    with_archive: bool,
}

/// Makes the backup, and prints the report of its check. The status is 1 if that found damage.
///
/// # Errors
/// If a file cannot be read or written, or the destination is not a backup of this service.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    logging::print_warnings();
    let runtime = Runtime::new().context("cannot start threads")?;
    let lazy_aws = args.archive.lazy_aws(runtime.handle());
    let (archive, with_bucket) = (args.archive.location, args.with_archive);
    let plan = Plan { data: args.data, archive, with_bucket, to: args.to };
    Ok(exit_code(backup::run(&plan, &lazy_aws, &mut Output)?))
}
