//! `velodrome batch`: results from one sequential pass over the inputs, without the dataflow graph.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail};
use tokio::runtime::Runtime;

use super::arguments::ResultArgs;
use super::output;
use crate::batch;
use crate::output_directory::Kind;
use crate::results::summary::{SUMMARY, Summary};
use crate::rules;

/// Compute results from files of events with a plain sequential program
///
/// It gives the same results as replay, but decodes and computes with independent, simple code and
/// without parallelism. Use it to check the results of replay: write both, and compare them with
/// verify.
///
/// The exit status is 1 if an input is damaged and could not be read to its end, and if lines were rejected
/// but no event was accepted.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    results: ResultArgs,
}

/// Runs the batch and prints its summary. The status is 1 if an input could not be read to its end.
///
/// # Errors
/// If an input, the rules file or the result directory cannot be used.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = Runtime::new().context("cannot start threads")?;
    let rules = args.results.rules()?;
    let (input, others) = (args.results.input, [args.results.rules.as_deref()]);
    let inputs = input.inputs(runtime.handle(), 0, &others, |name, _| {
        bail!("'{name}' is a stream, which batch cannot read; use replay")
    })?;
    let (out, as_of) = (&input.out, input.as_of);
    let (outputs, mut dead_letters) = output::start(out, Kind::Results, &inputs.inputs)?;

    let start = Instant::now();
    let (results, counts) =
        batch::run(&inputs, rules.clone(), as_of, input.open_rides.max, &mut dead_letters);
    results.write(outputs.path(), &rules, 1)?;
    let rejections = dead_letters.finish().context("cannot write the rejected lines")?;
    let (is_merged, missing) = (inputs.partitions.len() > 1, inputs.missing);
    let summary = Summary { rules_id: rules::id(&rules), as_of, rejections, missing, ..counts };
    let summary = summary.with_cost(start.elapsed().as_secs_f64());
    summary.write(&outputs.path().join(SUMMARY))?;
    outputs.commit()?;
    output::print(&summary)?;
    output::warn(&summary.input_counts(), summary.late, as_of, is_merged);
    Ok(ExitCode::from(summary.input_counts().status()))
}
