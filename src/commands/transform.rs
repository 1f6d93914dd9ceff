//! `velodrome transform`: Firehose's data transformation on standard input and output.

use std::io::{self, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::firehose::transform::{BYTES_MAX, transform};
use crate::rules;

/// Transform one request of Firehose's data transformation, from standard input to standard output
#[derive(Debug, clap::Args)]
pub struct Args {
    /// TOML file of rules other than Alleycat's
    #[arg(long, env = "VELODROME_RULES", value_name = "FILE")]
    rules: Option<PathBuf>,
}

/// Answers the one request that standard input is, as an invocation of a Lambda function is one.
///
/// # Errors
/// Rules that cannot be used, what is no request, a request or reply that is too large.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let rules = args.rules.as_deref().map(rules::load).transpose()?.unwrap_or_default();
    let mut request = Vec::new();
    // One byte more, to know that there is more.
    let input = io::stdin().take(BYTES_MAX as u64 + 1).read_to_end(&mut request);
    input.context("cannot read standard input")?;
    let reply = transform(&request, &rules.into())?;
    super::print(String::from_utf8_lossy(&reply))?;
    Ok(ExitCode::SUCCESS)
}
