//! `velodrome serve`: a live service.

mod access;
mod clock;
mod cluster;
mod source;
mod storage;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use clap::builder::BoolishValueParser;
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

use super::arguments::OpenRidesArgs;
use super::logging::LoggingArgs;
use super::{output, parse, signals};
use crate::memory;
use crate::rules;
use crate::serve;
use crate::service::{Config, RunningService, Service, ServiceError};
use access::{AccessArgs, ClientLimitArgs, TlsArgs};
use clock::ClockArgs;
use cluster::ClusterArgs;
use source::SourceArgs;
use storage::StorageArgs;

/// How long a start may continue after a signal. It checks for signals between its steps, but a call to a
/// bucket can hang for longer. A start that is abandoned leaves what a crash would leave.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum number of worker threads.
const WORKERS_MAX: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// Run a service: accept events over HTTP, and serve standings, records, results and counts
///
/// Accepted events are durable in --data before they are acknowledged. After a crash the service
/// resumes without loss. Ctrl-C or SIGTERM shuts it down gracefully: requests in progress complete, and
/// everything is saved.
///
/// A web page at the service's address shows the data live. GET /openapi.json describes the API.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  velodrome serve --data data --auth off
  velodrome serve --data data --key-file keys.pem --listen 0.0.0.0:7070 --tls-cert cert.pem --tls-key tls.pem
  velodrome serve --data data --auth off --source kinesis:races --archive s3://races/archive")]
pub struct Args {
    /// Data directory of the service, used by one process at a time
    #[arg(long, env = "VELODROME_DATA", value_name = "DIR")]
    data: PathBuf,
    /// Address and port to listen on
    ///
    /// An address that is not loopback requires tokens. Port 0 selects a free port.
    #[arg(
        long,
        env = "VELODROME_LISTEN",
        value_name = "ADDRESS",
        value_parser = parse::address,
        default_value = "127.0.0.1:7070"
    )]
    listen: SocketAddr,
    /// Number of worker threads that compute results, 1 to 256 [default: one per core]
    #[arg(short, long, env = "VELODROME_WORKERS", value_name = "N", value_parser = parse::whole_number(NonZeroUsize::MIN, WORKERS_MAX),
        conflicts_with = "cluster")]
    workers: Option<NonZeroUsize>,
    /// Rules file in TOML, or the rules.json of results [default: those last used with --data, else
    /// Alleycat's]
    ///
    /// If the service ran under different rules before, it does not start unless --rebuild is given too.
    #[arg(long, env = "VELODROME_RULES", value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Replay the archive, under --rules if they are given
    ///
    /// The service answers from its checkpoint while the replay runs in the background, and then
    /// switches to the replayed results. If the checkpoint is damaged, the replay runs before the
    /// service is ready.
    #[arg(long, env = "VELODROME_REBUILD", value_parser = BoolishValueParser::new())]
    rebuild: bool,
    #[command(flatten)]
    open_rides: OpenRidesArgs,
    /// Memory of the process in MB above which it refuses events, streams and new rules [default: three
    /// quarters of the memory of the machine or the container]
    #[arg(long, env = "VELODROME_MEMORY_MAX", value_name = "MB",
        value_parser = parse::whole_number(100_u64, 100_000_000))]
    memory_max: Option<u64>,
    #[command(flatten)]
    storage: StorageArgs,
    /// Seconds between checkpoints, 1 to 30
    ///
    /// After a crash the service replays the log from the last checkpoint.
    #[arg(long, env = "VELODROME_CHECKPOINT_SECONDS", value_name = "N", default_value_t = 10,
        value_parser = parse::whole_number(1_u64, 30))]
    checkpoint_seconds: u64,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    clients: ClientLimitArgs,
    #[command(flatten)]
    logging: LoggingArgs,
    #[command(flatten)]
    clock: ClockArgs,
    /// Stop at the end of standard input, so that the nodes of a demonstration end with it
    #[arg(long, hide = true)]
    stop_at_end_of_input: bool,
}

impl Args {
    fn config(
        self,
        stop: watch::Receiver<bool>,
        hangups: watch::Receiver<u64>,
    ) -> anyhow::Result<Config> {
        let rules = self.rules.as_deref().map(rules::load).transpose()?;
        let auth = self.access.auth(self.listen)?;
        let tls = self.tls.load(self.listen)?;
        let workers = self.workers.or_else(|| thread::available_parallelism().ok());
        let cluster = self.cluster.load()?;
        let node = cluster.as_ref().map(|cluster| cluster.node().id);
        Ok(Config {
            archive: self.storage.archive(&self.data, node),
            archives: self.storage.archives(node),
            history: self.storage.history(&self.data),
            cluster,
            history_acl: self.storage.history_acl()?,
            source: self.source.config(),
            endpoint: self.storage.endpoint.url,
            data: self.data,
            listen: self.listen,
            tls,
            workers: workers.map_or(1, NonZeroUsize::get),
            open_rides_max: self.open_rides.max,
            memory_max: self.memory_max.map_or_else(memory::default_max_bytes, |mb| mb * 1_000_000),
            rules,
            rebuild: self.rebuild,
            checkpoint_every: Duration::from_secs(self.checkpoint_seconds),
            clock: self.clock.clock(),
            accept_clock: self.clock.accept_clock,
            accept_damage: self.storage.accept_damage,
            serve: serve::Config {
                auth,
                proxies: self.access.proxies(),
                origins: self.access.cors_origin,
                limits: self.clients.limits(),
            },
            stop,
            hangups,
        })
    }
}

/// Serves until a signal stops it, then shuts down gracefully.
///
/// # Errors
/// If the data directory, the checkpoint, the log or the address cannot be used.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (stop, hangups) = (signals::install()?, signals::count_hangups()?);
    if args.stop_at_end_of_input {
        signals::stop_at_end_of_input()?;
    }
    args.logging.start()?;
    signals::exit_code(serve_until(args.config(stop, hangups)?))
}

/// Serves until `config.stop` is true.
fn serve_until(config: Config) -> anyhow::Result<()> {
    let mut stop = config.stop.clone();
    let (sender, started) = oneshot::channel();
    let thread = thread::Builder::new().name("start".to_owned());
    thread.spawn(move || sender.send(start(config)).map_err(drop))?;
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let running = runtime.block_on(async {
        let stopped = async {
            stop.wait_for(|stop| *stop).await.map(drop).unwrap_or_default();
            sleep(START_TIMEOUT).await;
        };
        tokio::select! {
            started = started => started.context("the start of the service failed")?,
            () = stopped => Err(ServiceError::Stopped.into()),
        }
    })?;
    running.wait(stop);
    running.stop();
    Ok(())
}

/// Starts the service and prints its address.
fn start(config: Config) -> anyhow::Result<RunningService> {
    let service = Service::listen(config, serve::metrics::install()?)?;
    output::print(format_args!("velodrome serves {}", service.url()))?;
    Ok(service.start()?)
}
