//! `velodrome replay`: results from files of events, computed by the dataflow graph.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use tokio::runtime::Runtime;

use super::arguments::{ResultArgs, WorkerArgs};
use super::output;
use crate::engine::{Plan, RunProgress, replay};
use crate::kinesis;
use crate::results::Overview;
use crate::results::summary::{SUMMARY, Summary};
use crate::rules;

/// Compute results from files of events
///
/// Reads all inputs and writes records, race results, leaderboards and view counts to --out. The results
/// depend only on the events and their order, not on the number of workers or processes. Lines that are
/// not events are written to rejected.jsonl in --out.
///
/// The exit status is 1 if an input is damaged and could not be read to its end.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  velodrome replay data/archive data/log --out results
  velodrome replay s3://races/archive --out results --rules rules.toml")]
pub struct Args {
    #[command(flatten)]
    results: ResultArgs,
    #[command(flatten)]
    workers: WorkerArgs,
}

/// Replays the inputs. The status is 1 if an input could not be read to its end.
///
/// # Errors
/// If inputs, rules or hosts cannot be used, or results cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let runtime = Runtime::new().context("cannot start threads")?;
    let rules = args.results.rules()?;
    let input = args.results.input;
    let inputs =
        input.inputs(runtime.handle(), |name, lazy_aws| Ok(kinesis::input(name, lazy_aws)?))?;
    let (out, as_of) = (&input.out, input.as_of);
    let cluster = args.workers.cluster()?;
    let dead_letters = (cluster.process == 0).then(|| output::prepare_results(out, &inputs));

    let progress = RunProgress::start(&inputs);
    let plan = Plan::new(inputs, &[&rules], as_of, cluster.process, cluster.processes());
    let outcome = replay(plan, rules.clone(), &cluster, dead_letters.transpose()?, &progress)?;
    progress.finish();
    let Some(outcome) = outcome else { return Ok(ExitCode::SUCCESS) };
    outcome.results.write(out, &rules, cluster.workers)?;
    let summary = Summary { rules_id: rules::id(&rules), as_of, ..outcome.summary };
    let summary = summary.with_cost(started.elapsed().as_secs_f64());
    summary.write(&out.join(SUMMARY))?;
    let overview = Overview(&outcome.results);
    output::print(format_args!("{summary}\n\n{overview}\nresults in '{}'", out.display()))?;
    Ok(ExitCode::from(u8::from(summary.damaged > 0)))
}
