//! Sends events to a running service or a stream, as a load test.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::progress_bar::progress_bar;
use crate::commands::arguments::Endpoint;
use crate::commands::{output, parse, signals};
use crate::kinesis::{self, StreamName};
use crate::lazy_aws::LazyAws;
use crate::open_files;
use crate::simulate::load_test::{self, EventSource, LoadTest, Progress, Rate, Target};

/// How to send events.
#[derive(Debug, clap::Args)]
pub(super) struct SendArgs {
    /// Send the events of files instead of simulated ones
    ///
    /// Takes files, directories, s3://bucket/prefix, or - for standard input. Files are JSON lines,
    /// plain or gzip. Files of a directory are read in the order of their paths.
    #[arg(
        long,
        env = "VELODROME_EVENTS",
        value_name = "PATH",
        num_args = 1..,
        conflicts_with_all = [
            "out", "hours", "racers", "concurrent", "classes", "views", "duplicates", "seed", "start",
        ]
    )]
    pub(super) events: Vec<PathBuf>,
    /// Speed: realtime, max, or a factor such as 10
    ///
    /// A factor of 10 sends ten seconds of events each second. With max, events are sent as fast as they
    /// are acknowledged.
    #[arg(long, env = "VELODROME_RATE", default_value = "realtime", conflicts_with = "out")]
    rate: Rate,
    /// Number of connections, 1 to 1000
    ///
    /// Each connection has one request in progress at a time. When sending to a stream, all records of a
    /// racer use the same connection.
    #[arg(
        long,
        env = "VELODROME_CONNECTIONS",
        value_name = "N",
        value_parser = parse::count, default_value = "8",
        conflicts_with = "out"
    )]
    connections: NonZeroUsize,
    /// Maximum number of events in a request
    ///
    /// A request to a stream has at most 500 records, and at most one of each racer.
    #[arg(
        long,
        env = "VELODROME_BATCH",
        value_name = "N",
        value_parser = parse::count, default_value = "500",
        conflicts_with = "out"
    )]
    batch: NonZeroUsize,
    // This does not conflict with --out, because the environment variable may be set for other
    // commands.
    /// Token for the service, with the scopes ingest and read
    #[arg(long, env = "VELODROME_TOKEN", hide_env_values = true)]
    token: Option<String>,
    #[command(flatten)]
    pub(super) endpoint: Endpoint,
    /// Print the report as a JSON object
    #[arg(long, env = "VELODROME_JSON", conflicts_with = "out")]
    json: bool,
}

/// Sends `events` to `target` until they end or a signal arrives, and prints the report. The status is 1
/// if the service did not show events that it had acknowledged.
pub(super) fn run(
    events: &EventSource,
    target: Target,
    args: SendArgs,
) -> anyhow::Result<ExitCode> {
    let SendArgs { rate, connections, batch, json, .. } = args;
    open_files::ensure(connections.get()).context("each connection is an open file")?;
    let stop = signals::install()?;
    let bar = progress_bar(events.expected());
    let show = |progress: &Progress| {
        bar.set_position(progress.events);
        let lag = progress.lag_ms.map(|ms| format!(", lag {:.1} s", ms / 1e3));
        bar.set_message(format!("{} resent{}", progress.resent, lag.unwrap_or_default()));
    };
    let config = LoadTest { target, rate, connections, batch, is_probed: true };
    let report = load_test::run(events, &config, &stop, show)?;
    bar.finish_and_clear();
    if json {
        output::print(serde_json::to_string(&report)?)?;
    } else {
        output::print(&report)?;
    }
    Ok(ExitCode::from(u8::from(report.stale > 0)))
}

/// The target that `to` names.
///
/// # Errors
/// If the name of a stream is invalid, or AWS is not accessible.
pub(super) fn target(to: String, args: &SendArgs, lazy_aws: &LazyAws) -> anyhow::Result<Target> {
    if !StreamName::has_scheme(&to) {
        let urls = to.split(',').map(str::to_owned).collect();
        return Ok(Target::Service { urls, token: args.token.clone() });
    }
    stream(to.parse()?, lazy_aws)
}

#[cfg(feature = "aws")]
fn stream(name: StreamName, lazy_aws: &LazyAws) -> anyhow::Result<Target> {
    Ok(Target::Stream(kinesis::put::StreamWriter::new(&lazy_aws.get()?, name)))
}

#[cfg(not(feature = "aws"))]
fn stream(name: StreamName, _: &LazyAws) -> anyhow::Result<Target> {
    Err(kinesis::Unsupported(name).into())
}
