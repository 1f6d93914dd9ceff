//! Events to a running service or a stream.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

use crate::commands::{Endpoint, signals};
use crate::kinesis::{self, StreamName};
use crate::remote::Remote;
use crate::simulate::drive::{self, Drive, Events, Rate, Snapshot, To};

/// How to drive a service or a stream.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Send the events of these files or s3://bucket/prefix in place of simulated ones: JSON lines, plain or
    /// gzip, directories walked in the order of their keys, - for standard input.
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
    /// How fast to go through the events' time: realtime, a factor, or max.
    #[arg(long, env = "VELODROME_RATE", default_value = "realtime", conflicts_with = "out")]
    rate: Rate,
    /// How many connections to send over, each with one request under way; those to a stream have each their
    /// share of the racers.
    #[arg(long, env = "VELODROME_CONNECTIONS", default_value = "8", conflicts_with = "out")]
    connections: NonZeroUsize,
    /// Most events in one request; a stream takes 500, of which each has another racer.
    #[arg(long, env = "VELODROME_BATCH", default_value = "500", conflicts_with = "out")]
    batch: NonZeroUsize,
    // No conflict with --out: the environment may hold it for other commands.
    /// Token that the service knows the sender by.
    #[arg(long, env = "VELODROME_TOKEN", hide_env_values = true)]
    token: Option<String>,
    #[command(flatten)]
    pub(super) endpoint: Endpoint,
    /// Print the report as one JSON object.
    #[arg(long, env = "VELODROME_JSON", conflicts_with = "out")]
    json: bool,
}

/// Sends `events` to the service or stream `to` until they end or a signal comes, and prints the report;
/// the status is 1 where the service did not show what it had acknowledged.
pub(super) fn run(events: &Events, to: To, options: Options) -> anyhow::Result<ExitCode> {
    let Options { rate, connections, batch, json, .. } = options;
    let stop = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&stop);
    let at_end = move || set.store(true, Ordering::Relaxed);
    signals::at_end(at_end).context("cannot wait for signals")?;
    let bar = super::bar(events.expected());
    let progress = |now: &Snapshot| {
        bar.set_position(now.events);
        let lag = now.lag_ms.map(|ms| format!(", {:.1} s behind", ms / 1e3)).unwrap_or_default();
        bar.set_message(format!("{} resent{lag}", now.resent));
    };
    let drive = Drive { to, rate, connections, batch };
    let report = drive::drive(events, &drive, &stop, progress)?;
    bar.finish_and_clear();
    if json {
        super::super::print(serde_json::to_string(&report)?)?;
    } else {
        super::super::print(&report)?;
    }
    Ok(ExitCode::from(u8::from(report.stale > 0)))
}

/// What `to` names.
///
/// # Errors
/// A name that no stream has; no way to AWS.
pub(super) fn target(to: String, options: &Options, remote: &Remote) -> anyhow::Result<To> {
    if !StreamName::is_meant(&to) {
        return Ok(To::Service { url: to, token: options.token.clone() });
    }
    stream(to.parse()?, remote)
}

#[cfg(feature = "aws")]
fn stream(name: StreamName, remote: &Remote) -> anyhow::Result<To> {
    Ok(To::Stream(kinesis::put::Writer::new(&remote.aws()?, name)))
}

#[cfg(not(feature = "aws"))]
fn stream(name: StreamName, _: &Remote) -> anyhow::Result<To> {
    Err(kinesis::NoAws(name).into())
}
