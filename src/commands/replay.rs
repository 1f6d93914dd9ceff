//! `velodrome replay`: events from files to verified results.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use tokio::runtime::Runtime;

use super::{Job, Work};
use crate::engine::{Plan, Progress, replay};
use crate::kinesis;
use crate::results::Overview;
use crate::results::summary::{SUMMARY, Summary};
use crate::rules;

/// Run events from files through the dataflow graph, and write what they come to
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    job: Job,
    #[command(flatten)]
    work: Work,
}

/// Replays the inputs; the status is 1 where an input ended in damage.
///
/// # Errors
/// Inputs, rules or hosts that cannot be used, results that cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let runtime = Runtime::new().context("cannot start threads")?;
    let rules = args.job.rules()?;
    let source = args.job.source;
    let inputs =
        source.inputs(runtime.handle(), |name, remote| Ok(kinesis::input(name, remote)?))?;
    let (out, as_of) = (&source.out, source.as_of);
    let cluster = args.work.cluster()?;
    let dead_letters = (cluster.process == 0).then(|| super::prepare(out, &inputs));

    let progress = Progress::start(&inputs);
    let plan = Plan::new(inputs, &[&rules], as_of, cluster.process, cluster.processes());
    let outcome = replay(plan, rules.clone(), &cluster, dead_letters.transpose()?, &progress)?;
    progress.finish();
    let Some(outcome) = outcome else { return Ok(ExitCode::SUCCESS) };
    outcome.results.write(out, &rules, cluster.workers)?;
    let summary = Summary { rules_id: rules::id(&rules), as_of, ..outcome.summary };
    let summary = summary.with_cost(started.elapsed().as_secs_f64());
    summary.write(&out.join(SUMMARY))?;
    let overview = Overview(&outcome.results);
    super::print(format_args!("{summary}\n\n{overview}\nresults in '{}'", out.display()))?;
    Ok(ExitCode::from(u8::from(summary.damaged > 0)))
}
