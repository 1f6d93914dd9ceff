//! `velodrome compare`: what other rules would change, in one pass.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use tokio::runtime::Runtime;

use super::{Source, Work};
use crate::compare::{AGAINST, Changes, Summary};
use crate::engine::{Plan, Progress, compare};
use crate::kinesis;
use crate::results::summary::SUMMARY;
use crate::results::{RULES, write_rules};
use crate::rules;

/// Tell what other rules would change: both are run over the same events at once, and what differs is written
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// TOML file of the new rules
    #[arg(long, env = "VELODROME_RULES", value_name = "FILE")]
    rules: PathBuf,
    /// TOML file of the rules to compare with; by default Alleycat's
    #[arg(long, env = "VELODROME_AGAINST", value_name = "FILE")]
    against: Option<PathBuf>,
    #[command(flatten)]
    work: Work,
}

/// Compares both rules over the inputs; the status is 1 where an input ended in damage.
///
/// # Errors
/// Inputs, rules or hosts that cannot be used, changes that cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let runtime = Runtime::new().context("cannot start threads")?;
    let new = rules::load(&args.rules)?;
    let old = args.against.as_deref().map(rules::load).transpose()?.unwrap_or_default();
    let source = args.source;
    let inputs =
        source.inputs(runtime.handle(), |name, remote| Ok(kinesis::input(name, remote)?))?;
    let out = &source.out;
    let cluster = args.work.cluster()?;
    let outputs = (cluster.process == 0).then(|| {
        let letters = super::prepare_changes(out, &inputs)?;
        anyhow::Ok((letters, Changes::create(out)?))
    });

    let progress = Progress::start(&inputs);
    let as_of = source.as_of;
    let plan = Plan::new(inputs, &[&old, &new], as_of, cluster.process, cluster.processes());
    let rules = [old.clone(), new.clone()];
    let outcome = compare(plan, rules, &cluster, outputs.transpose()?, &progress)?;
    progress.finish();
    let Some(compared) = outcome else { return Ok(ExitCode::SUCCESS) };
    compared.changes.finish()?;
    write_rules(&out.join(RULES), &new)?;
    write_rules(&out.join(AGAINST), &old)?;
    let summary = Summary {
        as_of,
        events: compared.events,
        rejected: compared.rejected,
        damaged: compared.damaged,
        late: compared.late.into(),
        workers: cluster.workers * cluster.processes(),
        processes: cluster.processes(),
        ..Summary::default()
    };
    let summary = summary.with_rules(&old, &new).with_changes(compared.census, compared.counts);
    let summary = summary.with_cost(started.elapsed().as_secs_f64());
    summary.write(&out.join(SUMMARY))?;
    super::print(format_args!("{summary}\n\nchanges in '{}'", out.display()))?;
    Ok(ExitCode::from(u8::from(summary.damaged > 0)))
}
