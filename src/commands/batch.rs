//! `velodrome batch`: one plain pass over the inputs, without a dataflow.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;

use crate::batch;
use crate::ingest::inputs;
use crate::results::summary::SUMMARY;
use crate::rules;

/// Turn files of events into results in one plain pass, without a dataflow: what `replay` is held
/// against
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files or directories of JSON lines, plain or gzip, in this order; '-' is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Directory to write the results into
    #[arg(long, env = "VELODROME_OUT", value_name = "DIR")]
    out: PathBuf,
    /// TOML file of rules other than Alleycat's
    #[arg(long, env = "VELODROME_RULES", value_name = "FILE")]
    rules: Option<PathBuf>,
}

/// Runs the batch and prints its summary; the status is 1 where an input's end was lost to damage.
///
/// # Errors
/// An input, rules file or result directory that cannot be used.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let rules = args.rules.as_deref().map(rules::load).transpose()?.unwrap_or_default();
    let inputs = inputs::list(&args.paths)?;
    let mut letters = super::prepare(&args.out, &inputs)?;

    let start = Instant::now();
    let (results, counts) = batch::run(&inputs, rules, &mut letters);
    results.write(&args.out, 1)?;
    letters.finish().context("cannot keep the rejected lines")?;
    let summary = counts.with_cost(start.elapsed().as_secs_f64());
    summary.write(&args.out.join(SUMMARY))?;
    super::print(summary)?;
    Ok(ExitCode::from(u8::from(summary.damaged > 0)))
}
