//! `velodrome simulate`: writes simulated races to files, or sends events to a service or a stream.

mod progress_bar;
mod send;
mod write;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use tokio::runtime::Runtime;

use super::parse;
use crate::lazy_aws::LazyAws;
use crate::simulate::load_test::EventSource;
use crate::simulate::{CONCURRENT_MAX, Parameters, RecordedEvents, Workload};

const DEFAULT: Parameters = Parameters::DEFAULT;

/// Simulate races: write their events to files, or send them to a service as a load test
///
/// Races of five minutes follow each other. In each race, --concurrent racers send an event a second,
/// and viewers send view and watch events. The same arguments give the same events.
///
/// With --to, events are sent in real time, or at the speed of --rate, until they end or Ctrl-C is
/// pressed. Then a report is printed: events per second, latencies, and the lag of sending behind its
/// schedule. Some of the events are looked up in the standings of the service. The exit status is 1 if
/// an acknowledged event was missing there.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  velodrome simulate --out events.jsonl --hours 0.5
  velodrome simulate --to http://127.0.0.1:7070 --concurrent 6000
  velodrome simulate --to kinesis:races --events data/archive --rate max")]
pub struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// Duration of the racing in hours
    ///
    /// It is rounded to complete races of five minutes, at least one.
    #[arg(long, env = "VELODROME_HOURS",
        value_parser = parse::number, default_value_t = DEFAULT.hours)]
    hours: f64,
    /// Number of racers
    #[arg(long, env = "VELODROME_RACERS", value_name = "N",
        value_parser = parse::whole_number(1, u32::MAX), default_value_t = DEFAULT.racers)]
    racers: u32,
    /// Number of racers in each race, 1 to 1000000
    ///
    /// Each of them sends an event a second, so this is about the number of events per second.
    #[arg(long, env = "VELODROME_CONCURRENT", value_name = "N",
        value_parser = parse::whole_number(1, CONCURRENT_MAX), default_value_t = DEFAULT.concurrent)]
    concurrent: u32,
    /// Number of classes that the racers of a race are distributed over, 1 to 65535
    #[arg(long, env = "VELODROME_CLASSES", value_name = "N",
        value_parser = parse::whole_number(1, u16::MAX), default_value_t = DEFAULT.classes)]
    classes: u16,
    /// View and watch events for each race event, 0 to 10
    #[arg(long, env = "VELODROME_VIEWS", value_name = "FRACTION",
        value_parser = parse::number, default_value_t = DEFAULT.views)]
    views: f64,
    /// Fraction of race events that are sent twice, 0 to 1
    ///
    /// For view and watch events, the fraction is ten times as large.
    #[arg(long, env = "VELODROME_DUPLICATES", value_name = "FRACTION",
        value_parser = parse::number, default_value_t = DEFAULT.duplicates)]
    duplicates: f64,
    /// Seed of the random numbers; a different seed gives different races
    #[arg(long, env = "VELODROME_SEED", value_name = "N",
        value_parser = parse::whole_number(0, u64::MAX), default_value_t = DEFAULT.seed)]
    seed: u64,
    /// Start of the first race in milliseconds since the epoch [default: now with --to, else 1620240000000]
    #[arg(long, env = "VELODROME_START", value_name = "MS",
        value_parser = parse::whole_number(0, u64::MAX))]
    start: Option<u64>,
    #[command(flatten)]
    send: send::SendArgs,
}

/// Where the events are written or sent: exactly one of the two.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct TargetArgs {
    /// Write the events to this file or directory
    ///
    /// A name that ends with .jsonl is a file of JSON lines, one that ends with .gz is such a file in
    /// gzip, and - is standard output. Any other name is a directory, which gets a gzip object for each
    /// race, named as Amazon Data Firehose names them. The directory must be absent, empty, or have only
    /// the objects of an earlier simulation, which are replaced.
    #[arg(long, env = "VELODROME_OUT", value_name = "PATH")]
    out: Option<PathBuf>,
    /// Send the events to a service, as http://host:port, or to a Kinesis stream, as kinesis:NAME
    ///
    /// For a cluster, give the addresses of its nodes, separated by commas. The connections are spread over them, and
    /// a request that fails is sent again to the next node.
    #[arg(long, env = "VELODROME_TO", value_name = "URL")]
    to: Option<String>,
}

/// Writes a workload, or sends it or the events of files to a service or a stream. The status is 1 if a
/// service did not show events that it had acknowledged.
///
/// # Errors
/// If an argument is out of range, a file cannot be read, an output cannot be written, or a service or
/// a stream rejects events.
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
        TargetArgs { to: Some(to), .. } => {
            // Calls to AWS run on this runtime.
            let runtime = Runtime::new().context("cannot start threads")?;
            let endpoint = args.send.endpoint.url.clone();
            let lazy_aws = LazyAws::new(endpoint, runtime.handle().clone());
            let events = match &args.send.events[..] {
                [] => EventSource::Simulated(workload(now_ms())?),
                paths => EventSource::Recorded(RecordedEvents::list(paths, &lazy_aws)?),
            };
            send::run(&events, send::target(to, &args.send, &lazy_aws)?, args.send)
        }
        // clap requires one of the two.
        TargetArgs { out, .. } => {
            write::run(&workload(DEFAULT.start_ms)?, &out.unwrap_or_default())
        }
    }
}

/// The system's time in ms since the epoch; 0 if it is before that.
fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default().as_millis() as u64
}
