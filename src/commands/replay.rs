//! `velodrome replay`: events from files to verified results.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use anyhow::Context;
use tokio::runtime::Runtime;

use super::Job;
use crate::engine::{Cluster, Plan, Progress, replay};
use crate::kinesis;
use crate::results::Overview;
use crate::results::summary::SUMMARY;

/// Run events from files through the dataflow graph, and write what they come to
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    job: Job,
    /// Worker threads of this process; by default one a core
    #[arg(short, long, env = "VELODROME_WORKERS", value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// How many processes share the work; each is started with the same paths and rules
    #[arg(short = 'n', long, env = "VELODROME_PROCESSES", default_value = "1", value_name = "N")]
    processes: NonZeroUsize,
    /// Which of the processes this is, from 0; process 0 writes the results
    #[arg(short, long, env = "VELODROME_PROCESS", default_value_t = 0, value_name = "I")]
    process: usize,
    /// File with the address of each process, one host:port a line
    #[arg(long, env = "VELODROME_HOSTS", value_name = "FILE")]
    hosts: Option<PathBuf>,
}

/// Replays the inputs; the status is 1 where an input ended in damage.
///
/// # Errors
/// Inputs, rules or hosts that cannot be used, results that cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let runtime = Runtime::new().context("cannot start threads")?;
    let (inputs, rules) =
        args.job.load(runtime.handle(), |name, remote| Ok(kinesis::input(name, remote)?))?;
    let out = args.job.out;
    let workers = args.workers.or_else(|| thread::available_parallelism().ok());
    let workers = workers.map_or(1, NonZeroUsize::get);
    let processes = args.processes.get();
    let cluster = Cluster::new(workers, args.process, processes, args.hosts.as_deref())?;
    let dead_letters = (cluster.process == 0).then(|| super::prepare(&out, &inputs));

    let progress = Progress::start(&inputs);
    let plan = Plan::new(inputs, rules, cluster.process, processes);
    let outcome = replay(plan, &cluster, dead_letters.transpose()?, &progress)?;
    progress.finish();
    let Some(outcome) = outcome else { return Ok(ExitCode::SUCCESS) };
    outcome.results.write(&out, workers)?;
    let summary = outcome.summary.with_cost(started.elapsed().as_secs_f64());
    summary.write(&out.join(SUMMARY))?;
    let overview = Overview(&outcome.results);
    super::print(format_args!("{summary}\n\n{overview}\nresults in '{}'", out.display()))?;
    Ok(ExitCode::from(u8::from(summary.damaged > 0)))
}
