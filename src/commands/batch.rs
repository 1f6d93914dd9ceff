//! `velodrome batch`: one plain pass over the inputs, without a dataflow.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail};
use tokio::runtime::Runtime;

use super::Job;
use crate::batch;
use crate::results::summary::{SUMMARY, Summary};
use crate::rules;

/// Turn files of events into results in one plain pass, without a dataflow: what `replay` is held
/// against
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    job: Job,
}

/// Runs the batch and prints its summary; the status is 1 where an input's end was lost to damage.
///
/// # Errors
/// An input, rules file or result directory that cannot be used.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = Runtime::new().context("cannot start threads")?;
    let rules = args.job.rules()?;
    let source = args.job.source;
    let inputs = source.inputs(runtime.handle(), |name, _| {
        bail!("'{name}' is a stream, which a batch does not read; replay it")
    })?;
    let (out, as_of) = (&source.out, source.as_of);
    let mut letters = super::prepare(out, &inputs)?;

    let start = Instant::now();
    let (results, counts) = batch::run(&inputs, rules.clone(), as_of, &mut letters);
    results.write(out, &rules, 1)?;
    letters.finish().context("cannot keep the rejected lines")?;
    let summary = Summary { rules_id: rules::id(&rules), as_of, ..counts };
    let summary = summary.with_cost(start.elapsed().as_secs_f64());
    summary.write(&out.join(SUMMARY))?;
    super::print(&summary)?;
    Ok(ExitCode::from(u8::from(summary.damaged > 0)))
}
