//! `velodrome simulate`: a workload to a file, a pipe or a directory of objects; or it, or the events of files, to
//! a service or a stream.

mod drive;
mod write;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use tokio::runtime::Runtime;

use crate::remote::Remote;
use crate::simulate::drive::Events;
use crate::simulate::{Parameters, Recorded, Workload};

const DEFAULT: Parameters = Parameters::DEFAULT;

/// Simulate races: telemetry and view events as JSON lines, the same for the same arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// Hours of racing, rounded to whole races of five minutes, at least one.
    #[arg(long, env = "VELODROME_HOURS", default_value_t = DEFAULT.hours)]
    hours: f64,
    /// How many racers there are.
    #[arg(long, env = "VELODROME_RACERS", default_value_t = DEFAULT.racers)]
    racers: u32,
    /// How many of them ride in each race; each sends an event a second.
    #[arg(long, env = "VELODROME_CONCURRENT", default_value_t = DEFAULT.concurrent)]
    concurrent: u32,
    /// How many classes they are spread over.
    #[arg(long, env = "VELODROME_CLASSES", default_value_t = DEFAULT.classes)]
    classes: u16,
    /// View and watch events, as a share of the race events that comes on top of them.
    #[arg(long, env = "VELODROME_VIEWS", default_value_t = DEFAULT.views)]
    views: f64,
    /// Share of race lines that are sent twice; of view and watch events ten times that share.
    #[arg(long, env = "VELODROME_DUPLICATES", default_value_t = DEFAULT.duplicates)]
    duplicates: f64,
    /// Another seed gives other racing.
    #[arg(long, env = "VELODROME_SEED", default_value_t = DEFAULT.seed)]
    seed: u64,
    /// Start of the first race, in ms since the epoch; by default 1620240000000, and with --to now.
    #[arg(long, env = "VELODROME_START", value_name = "MS")]
    start: Option<u64>,
    #[command(flatten)]
    drive: drive::Options,
}

/// Where to: one of both.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// Where to: a file whose name ends with .jsonl, - for standard output, or a directory of
    /// gzip objects as Firehose delivers them, one a race.
    #[arg(long, env = "VELODROME_OUT", value_name = "PATH")]
    out: Option<PathBuf>,
    /// Address of a running service to post to, as http://host:port, or a Kinesis stream to put into, as
    /// kinesis:name.
    #[arg(long, env = "VELODROME_TO", value_name = "URL")]
    to: Option<String>,
}

/// Writes the workload, or drives a service or a stream with it or the events of files; then the status is 1
/// where the service did not show what it had acknowledged.
///
/// # Errors
/// Arguments out of their range, files that cannot be read, an output that cannot be written, a service or stream
/// that cannot be driven.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let workload = |default_start_ms| {
        Workload::new(Parameters {
            hours: args.hours,
            racers: args.racers,
            concurrent: args.concurrent,
            classes: args.classes,
            views: args.views,
            duplicates: args.duplicates,
            seed: args.seed,
            start_ms: args.start.unwrap_or(default_start_ms),
        })
    };
    match args.target {
        Target { to: Some(to), .. } => {
            // What is asked of AWS runs there, as long as the drive.
            let runtime = Runtime::new().context("cannot start threads")?;
            let remote = Remote::new(args.drive.endpoint.url.clone(), runtime.handle().clone());
            let events = match &args.drive.events[..] {
                [] => Events::Simulated(workload(now_ms())?),
                paths => Events::Recorded(Recorded::list(paths, &remote)?),
            };
            drive::run(&events, drive::target(to, &args.drive, &remote)?, args.drive)
        }
        // That there is one is clap's to see to.
        Target { out, .. } => write::run(&workload(DEFAULT.start_ms)?, &out.unwrap_or_default()),
    }
}

/// The system's time in ms since the epoch; 0 where it is before that.
fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default().as_millis() as u64
}

/// A bar on standard error, hidden where that is no terminal; without a length where nobody knows how many lines
/// there are.
fn bar(lines: Option<u64>) -> ProgressBar {
    let template = match lines {
        Some(_) => "{wide_bar} {human_pos} of {human_len} events, {per_sec}, {eta} left {msg}",
        None => "{spinner} {human_pos} events, {per_sec} {msg}",
    };
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = lines.map_or_else(ProgressBar::no_length, ProgressBar::new);
    bar.with_style(style).with_finish(ProgressFinish::AndClear)
}
