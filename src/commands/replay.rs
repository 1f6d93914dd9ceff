//! `velodrome replay`: results from files of events, computed by the dataflow graph.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use tokio::runtime::Runtime;
use velodrome_dataflows::Rules;

use super::arguments::{ResultArgs, WorkerArgs};
use super::output;
use super::processes::run_in_all;
use crate::engine::{Members, Plan, RunProgress, Settings, replay};
use crate::kinesis;
use crate::output_directory::Kind;
use crate::results::Overview;
use crate::results::summary::{SUMMARY, Summary};
use crate::rules;

/// Compute results from files of events
///
/// Reads all inputs and writes records, race results, leaderboards and view counts to --out. The results
/// depend only on the events and their order, not on the number of workers or processes. Lines that are
/// not events are written to rejected.jsonl in --out.
///
/// The exit status is 1 if an input is damaged and could not be read to its end, and if lines were rejected
/// but no event was accepted.
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
    let cluster = args.workers.cluster()?;
    let input = &args.results.input;
    let others = [args.results.rules.as_deref(), args.workers.hosts.as_deref()];
    let inputs = input.inputs(runtime.handle(), cluster.process, &others, |name, lazy_aws| {
        Ok(kinesis::input(name, lazy_aws)?)
    })?;
    let settings = Settings::new("replay").with("rules (--rules)", rules::id(&rules));
    let settings = input.add_to(settings);
    let (process, processes) = (cluster.process, cluster.processes());
    let plan = Plan::new(inputs, &[&rules], input.as_of, input.open_rides.max, process, processes);
    run_in_all(cluster, settings, plan, |members, plan| {
        write_results(members, plan, rules, &input.out, started)
    })
}

/// Replays `plan` under `rules`, and writes the results to `out` in process 0. Returns the exit status.
fn write_results(
    members: &mut Members,
    plan: Plan,
    rules: Rules,
    out: &Path,
    started: Instant,
) -> anyhow::Result<u8> {
    let cluster = members.cluster();
    let (workers, is_first, as_of) = (cluster.workers, cluster.process == 0, plan.as_of);
    let (is_merged, missing) = (plan.is_merged(), plan.missing.clone());
    let outputs = is_first.then(|| output::start(out, Kind::Results, &plan.inputs)).transpose()?;
    let (outputs, dead_letters) = outputs.unzip();
    let progress = RunProgress::start(&plan.inputs);
    let outcome = replay(plan, rules.clone(), members, dead_letters, &progress)?;
    progress.finish();
    let Some((outcome, outputs)) = outcome.zip(outputs) else { return Ok(0) };
    outcome.results.write(outputs.path(), &rules, workers)?;
    let summary = Summary { rules_id: rules::id(&rules), as_of, missing, ..outcome.summary };
    let summary = summary.with_cost(started.elapsed().as_secs_f64());
    summary.write(&outputs.path().join(SUMMARY))?;
    outputs.commit()?;
    let overview = Overview(&outcome.results);
    output::print(format_args!("{summary}\n\n{overview}\nresults in '{}'", out.display()))?;
    output::warn(&summary.input_counts(), summary.late, as_of, is_merged);
    Ok(summary.input_counts().status())
}
