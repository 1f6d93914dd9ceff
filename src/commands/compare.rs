//! `velodrome compare`: what new rules would change, computed in one pass.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use tokio::runtime::Runtime;

use super::arguments::{InputArgs, WorkerArgs};
use super::output;
use super::processes::run_in_all;
use crate::compare::{AGAINST, ChangeFiles, Ranks, Summary};
use crate::engine::{Comparison, Members, Plan, RunProgress, Settings, compare};
use crate::kinesis;
use crate::output_directory::Kind;
use crate::results::summary::SUMMARY;
use crate::results::{RULES, write_rules};
use crate::rules;

/// Compute what new rules would change
///
/// Runs the same events under two sets of rules at once, and writes every difference to --out: which
/// records, results, ranks and counts change, with their old and new values.
///
/// The exit status is 1 if an input is damaged and could not be read to its end, and if lines were rejected
/// but no event was accepted.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Example:
  velodrome compare data/archive --rules new.toml --out changes")]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,
    /// File of the new rules in TOML, or the rules.json of results
    #[arg(long, env = "VELODROME_RULES", value_name = "FILE")]
    rules: PathBuf,
    /// File of the rules to compare with [default: Alleycat's rules]
    #[arg(long, env = "VELODROME_AGAINST", value_name = "FILE")]
    against: Option<PathBuf>,
    /// Records to list in changes.jsonl
    ///
    /// One excluded racer moves all others up, at every second. The summary counts these shifts in both
    /// cases.
    #[arg(long, env = "VELODROME_RANKS", value_enum, default_value_t)]
    ranks: Ranks,
    #[command(flatten)]
    workers: WorkerArgs,
}

/// Compares both sets of rules over the inputs. The status is 1 if an input could not be read to its
/// end.
///
/// # Errors
/// If inputs, rules or hosts cannot be used, or changes cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let runtime = Runtime::new().context("cannot start threads")?;
    let new = rules::load(&args.rules)?;
    let old = args.against.as_deref().map(rules::load).transpose()?.unwrap_or_default();
    let cluster = args.workers.cluster()?;
    let input = &args.input;
    let others = [Some(&*args.rules), args.against.as_deref(), args.workers.hosts.as_deref()];
    let inputs = input.inputs(runtime.handle(), cluster.process, &others, |name, lazy_aws| {
        Ok(kinesis::input(name, lazy_aws)?)
    })?;
    let settings = Settings::new("compare")
        .with("rules (--rules)", rules::id(&new))
        .with("rules to compare with (--against)", rules::id(&old))
        .with("records to list (--ranks)", args.ranks);
    let settings = input.add_to(settings);
    let (process, processes) = (cluster.process, cluster.processes());
    let plan =
        Plan::new(inputs, &[&old, &new], input.as_of, input.open_rides.max, process, processes);
    let comparison = Comparison { rules: [old, new], ranks: args.ranks };
    run_in_all(cluster, settings, plan, |members, plan| {
        write_changes(members, plan, comparison, &input.out, started)
    })
}

/// Runs `comparison` over `plan`, and writes the changes to `out` in process 0. Returns the exit status.
fn write_changes(
    members: &mut Members,
    plan: Plan,
    comparison: Comparison,
    out: &Path,
    started: Instant,
) -> anyhow::Result<u8> {
    let (workers, processes) = (members.cluster().workers, members.cluster().processes());
    let (is_first, as_of) = (members.cluster().process == 0, plan.as_of);
    let (is_merged, missing) = (plan.is_merged(), plan.missing.clone());
    let outputs = is_first.then(|| {
        let (outputs, dead_letters) = output::start(out, Kind::Changes, &plan.inputs)?;
        let changes = ChangeFiles::create(outputs.path())?;
        anyhow::Ok((outputs, (dead_letters, changes)))
    });
    let (outputs, files) = outputs.transpose()?.unzip();
    let progress = RunProgress::start(&plan.inputs);
    let Comparison { rules: [old, new], ranks } = comparison.clone();
    let outcome = compare(plan, comparison, members, files, &progress)?;
    progress.finish();
    let Some((compared, outputs)) = outcome.zip(outputs) else { return Ok(0) };
    compared.changes.finish()?;
    write_rules(&outputs.path().join(RULES), &new)?;
    write_rules(&outputs.path().join(AGAINST), &old)?;
    let summary = Summary {
        ranks,
        as_of,
        events: compared.events,
        rejected: compared.rejected,
        damaged: compared.damaged,
        rejections: compared.rejections,
        missing,
        late: compared.late.into(),
        workers: workers * processes,
        processes,
        ..Summary::default()
    };
    let summary = summary.with_rules(&old, &new).with_changes(compared.totals, compared.classes);
    let summary = summary.with_cost(started.elapsed().as_secs_f64());
    summary.write(&outputs.path().join(SUMMARY))?;
    outputs.commit()?;
    output::print(format_args!("{summary}\nchanges in '{}'", out.display()))?;
    let late = summary.late.new.max(summary.late.old);
    output::warn(&summary.input_counts(), late, as_of, is_merged);
    Ok(summary.input_counts().status())
}
