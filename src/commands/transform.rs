//! `velodrome transform`: a data transformation of Amazon Data Firehose on standard input and output.

use std::io::{self, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::output;
use crate::firehose::transform::{BYTES_MAX, transform};
use crate::rules;

/// Transform one request of Amazon Data Firehose, from standard input to standard output
///
/// Reads a request of a Firehose data transformation as JSON and prints the response, as a Lambda
/// function returns it. Race events get their output under the rules. Blank records are dropped, and
/// records that are not events are marked as failed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Rules file in TOML, or the rules.json of results [default: Alleycat's rules]
    #[arg(long, env = "VELODROME_RULES", value_name = "FILE")]
    rules: Option<PathBuf>,
}

/// Responds to the request on standard input, as one invocation of a Lambda function does.
///
/// # Errors
/// If the rules cannot be used, the request is invalid, or the request or the response is too large.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let rules = args.rules.as_deref().map(rules::load).transpose()?.unwrap_or_default();
    let mut request = Vec::new();
    // One byte more than the limit, to detect a larger request.
    let input = io::stdin().take(BYTES_MAX as u64 + 1).read_to_end(&mut request);
    input.context("cannot read standard input")?;
    let reply = transform(&request, &rules.into())?;
    output::print(String::from_utf8_lossy(&reply))?;
    Ok(ExitCode::SUCCESS)
}
