//! A workload to a running service.

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

use crate::commands::signals;
use crate::simulate::Workload;
use crate::simulate::drive::{self, Drive, Rate, Snapshot};

/// How to drive a service.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// How fast to go through the workload's time: realtime, a factor, or max.
    #[arg(long, env = "VELODROME_RATE", default_value = "realtime", conflicts_with = "out")]
    rate: Rate,
    /// How many connections to post over, each with one post under way.
    #[arg(long, env = "VELODROME_CONNECTIONS", default_value = "8", conflicts_with = "out")]
    connections: NonZeroUsize,
    /// Most events in one post.
    #[arg(long, env = "VELODROME_BATCH", default_value = "500", conflicts_with = "out")]
    batch: NonZeroUsize,
    // No conflict with --out: the environment may hold it for other commands.
    /// Token that the service knows the sender by.
    #[arg(long, env = "VELODROME_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Print the report as one JSON object.
    #[arg(long, env = "VELODROME_JSON", conflicts_with = "out")]
    json: bool,
}

/// Drives `workload` to the service at `to` until it ends or a signal comes, and prints the report;
/// the status is 1 where the service did not show what it had acknowledged.
pub(super) fn run(workload: &Workload, to: String, options: Options) -> anyhow::Result<ExitCode> {
    let Options { rate, connections, batch, token, json } = options;
    let stop = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&stop);
    let at_end = move || set.store(true, Ordering::Relaxed);
    signals::at_end(at_end).context("cannot wait for signals")?;
    let bar = super::bar(workload.expected_lines());
    let progress = |now: &Snapshot| {
        bar.set_position(now.events);
        let lag = now.lag_ms.map(|ms| format!(", {:.1} s behind", ms / 1e3)).unwrap_or_default();
        bar.set_message(format!("{} resent{lag}", now.resent));
    };
    let drive = Drive { to, token, rate, connections, batch };
    let report = drive::drive(workload, &drive, &stop, progress)?;
    bar.finish_and_clear();
    if json {
        super::super::print(serde_json::to_string(&report)?)?;
    } else {
        super::super::print(&report)?;
    }
    Ok(ExitCode::from(u8::from(report.stale > 0)))
}
