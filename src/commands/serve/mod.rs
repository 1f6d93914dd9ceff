//! `velodrome serve`: the live service.

mod access;
mod places;

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use clap::builder::BoolishValueParser;
use tracing_subscriber::EnvFilter;

use super::{output, signals};
use crate::kinesis::{SourceConfig, Start, StreamName};
use crate::log::Clock;
use crate::rules;
use crate::serve;
use crate::service::{Config, Service};
use access::{Access, Clients, Tls};
use places::Places;

/// Run the live service: accept events over HTTP, and answer boards, results and streams
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Data directory: log, checkpoint and archive; one process can use it at a time
    #[arg(long, env = "VELODROME_DATA", value_name = "DIR")]
    data: PathBuf,
    /// Address to listen on; tokens are required unless it is a loopback address
    #[arg(
        long,
        env = "VELODROME_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:7070"
    )]
    listen: SocketAddr,
    /// Number of worker threads of the engine [default: the number of cores]
    #[arg(short, long, env = "VELODROME_WORKERS", value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// TOML file of the rules [default: the most recent rules of --data, at first those of Alleycat]
    #[arg(long, env = "VELODROME_RULES", value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Rebuild everything from the archive, under --rules if given
    ///
    /// The service answers from its checkpoint until the rebuild has caught up. If the checkpoint is damaged,
    /// it answers only after the rebuild.
    #[arg(long, env = "VELODROME_REBUILD", value_parser = BoolishValueParser::new())]
    rebuild: bool,
    #[command(flatten)]
    places: Places,
    /// Interval between checkpoints in seconds, 1 to 30
    #[arg(long, env = "VELODROME_CHECKPOINT_SECONDS", value_name = "N", default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(1..=30))]
    checkpoint_seconds: u64,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    tls: Tls,
    #[command(flatten)]
    clients: Clients,
    #[command(flatten)]
    logging: Logging,
    #[command(flatten)]
    clock: ClockArgs,
}

/// A source of events in addition to HTTP.
#[derive(Debug, clap::Args)]
struct SourceArgs {
    /// Read a Kinesis stream too; the service then uses the time of the stream
    #[arg(long = "source", env = "VELODROME_SOURCE", value_name = "kinesis:STREAM")]
    stream: Option<StreamName>,
    /// Where to begin a stream that the service has not read yet: trim-horizon, latest, or a time
    ///
    /// A time is RFC 3339 or milliseconds since 1970. A service whose log has events already resumes where the
    /// log ends.
    #[arg(
        long = "source-from",
        env = "VELODROME_SOURCE_FROM",
        value_name = "PLACE",
        default_value = "trim-horizon",
        requires = "stream"
    )]
    from: Start,
}

impl SourceArgs {
    fn config(self) -> Option<SourceConfig> {
        let start = self.from;
        self.stream.map(|stream| SourceConfig { stream, start })
    }
}

/// Logs on standard error.
#[derive(Debug, clap::Args)]
pub(super) struct Logging {
    /// Log level (error, warn, info, debug, trace), or levels by module
    #[arg(long, env = "VELODROME_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
    /// Log one JSON object per line
    #[arg(long, env = "VELODROME_LOG_JSON", value_parser = BoolishValueParser::new())]
    log_json: bool,
}

/// A clock that runs faster than the wall clock, for tests and benchmarks.
#[derive(Debug, clap::Args)]
struct ClockArgs {
    /// Run the clock of the service this many times as fast, 1 to 1000
    #[arg(long, env = "VELODROME_CLOCK_SPEED", value_name = "FACTOR", requires = "clock_from",
        value_parser = speed)]
    clock_speed: Option<f64>,
    /// When both clocks showed the same time, in milliseconds since 1970
    #[arg(long, env = "VELODROME_CLOCK_FROM", value_name = "MS", requires = "clock_speed")]
    clock_from: Option<u64>,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (1.0..=1000.0).contains(speed));
    speed.ok_or_else(|| "must be a number from 1 to 1000".to_owned())
}

impl Logging {
    /// Starts logging.
    pub(super) fn start(&self) -> anyhow::Result<()> {
        let filter = EnvFilter::try_new(&self.log).with_context(|| {
            format!("'{}' is not a log filter; use a level such as info", self.log)
        })?;
        let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
        let logs = logs.with_ansi(io::stderr().is_terminal());
        let started = if self.log_json { logs.json().try_init() } else { logs.try_init() };
        started.map_err(|error| anyhow::anyhow!("cannot log: {error}"))
    }
}

impl Args {
    fn config(self) -> anyhow::Result<Config> {
        let rules = self.rules.as_deref().map(rules::load).transpose()?;
        let auth = self.access.auth(self.listen)?;
        let tls = self.tls.load(self.listen)?;
        let workers = self.workers.or_else(|| thread::available_parallelism().ok());
        let clock = match (self.clock.clock_from, self.clock.clock_speed) {
            (Some(from), Some(speed)) => Clock::scaled(from, speed),
            _ => Clock::system(),
        };
        Ok(Config {
            archive: self.places.archive(&self.data),
            history: self.places.history(&self.data),
            history_acl: self.places.history_acl()?,
            source: self.source.config(),
            endpoint: self.places.endpoint.url,
            data: self.data,
            listen: self.listen,
            tls,
            workers: workers.map_or(1, NonZeroUsize::get),
            rules,
            rebuild: self.rebuild,
            checkpoint_every: Duration::from_secs(self.checkpoint_seconds),
            clock,
            serve: serve::Config {
                auth,
                origins: self.access.cors_origin,
                limits: self.clients.limits(),
            },
        })
    }
}

/// Runs the service until a signal stops it, then shuts it down in order.
///
/// # Errors
/// A data directory, checkpoint, log or address that cannot be used.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    args.logging.start()?;
    let service = Service::listen(args.config()?, serve::metrics::install()?)?;
    output::print(format_args!("velodrome serves {}", service.url()))?;
    let running = service.start()?;
    let (end, ended) = mpsc::channel();
    signals::on_shutdown(move || end.send(()).unwrap_or_default())
        .context("cannot wait for signals")?;
    // An error means that the sender is dropped: no signal can arrive any more.
    ended.recv().unwrap_or_default();
    running.stop();
    Ok(ExitCode::SUCCESS)
}
