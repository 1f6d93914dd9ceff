//! `velodrome demo`: a service on this machine with simulated racing.

mod cluster;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use tokio::sync::watch;

use super::logging::LoggingArgs;
use super::{output, parse, signals};
use crate::health::Health;
use crate::log::{self, AdmitAll, Clock, LogLines};
use crate::memory;
use crate::open_rides::OPEN_RIDES_MAX;
use crate::serve;
use crate::serve::auth::Auth;
use crate::serve::limits::Limits;
use crate::serve::proxies::TrustedProxies;
use crate::service::{ARCHIVE, Config, DataDirectory, HISTORY, Service};
use crate::simulate::load_test::{self, EventSource, LoadTest, Rate, Target};
use crate::simulate::{Parameters, RACE_INTERVAL_MS, Workload};
use crate::store::{self, Location};

/// The classes of the demonstration, as many as Alleycat has, and the riders of each class in a race.
const CLASSES: u16 = 6;
const RIDERS_PER_CLASS: u32 = 50;
/// The riders in a race of all classes.
const RIDERS: u32 = CLASSES as u32 * RIDERS_PER_CLASS;
/// Twice as many racers as ride at the same time, so that most of them have a record to beat.
const RACERS: u32 = 2 * RIDERS;
/// The number of races before the start. They provide records, results and a leaderboard.
const PAST_RACES: u64 = 3;
/// A year of racing: longer than any demonstration.
const HOURS: f64 = 8_760.0;
/// The time from the start of a race until it is finished: its length, the grace of 60 s, and 5 s more.
const FINISHED_AFTER_MS: u64 = RACE_INTERVAL_MS + 65_000;

/// Run a service on this machine with simulated racing: six classes of 50 racers
///
/// The web page of the service is at http://localhost:7070/, or at another --port. It starts with a
/// quarter of an hour of past races, and then racers ride in real time. Press Ctrl-C to stop.
///
/// With --nodes, the service is a cluster of that many processes, each with a page: at --port and the ports after
/// it. Kill one, and see what the others do.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Data directory [default: a temporary one, removed at the end]
    #[arg(long, env = "VELODROME_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Port of the service on this machine; 0 selects a free port
    #[arg(long, env = "VELODROME_PORT", default_value_t = 7070,
        value_parser = parse::whole_number(0, u16::MAX))]
    port: u16,
    /// Run a cluster of this many processes, 2 to 16, with temporary data directories
    #[arg(long, env = "VELODROME_NODES", value_name = "N", conflicts_with = "data",
        value_parser = parse::whole_number(2_usize, 16))]
    nodes: Option<usize>,
    #[command(flatten)]
    logging: LoggingArgs,
}

/// Runs until a signal stops it.
///
/// # Errors
/// If the directory or the port cannot be used.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let stop = signals::install()?;
    args.logging.start()?;
    let temporary = tempfile::Builder::new().prefix("velodrome-demo-").tempdir();
    let temporary = temporary.context("cannot create a temporary directory; give --data")?;
    let data = args.data.unwrap_or_else(|| temporary.path().to_owned());
    signals::exit_code(match args.nodes {
        Some(nodes) => cluster::race(&data, nodes, args.port, &stop),
        None => race(&data, args.port, stop),
    })
}

/// Races in the service on `data` and `port` until `stop` is true.
fn race(data: &Path, port: u16, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    let now_ms = now_ms();
    write_past_races(data, now_ms, &stop).context("cannot write the past races")?;

    let service = Service::listen(config(data, port, stop.clone()), serve::metrics::install()?)?;
    let url = service.url();
    let running = service.start()?;
    output::print(format_args!("velodrome races at {url}"))?;

    let workload = workload(HOURS, now_ms, 1)?;
    let guide = guide(&url, workload.race(0).id, data);
    let printed = OnceLock::new();
    let sending = LoadTest {
        target: Target::Service { urls: vec![url], token: None },
        rate: Rate::Factor(1.0),
        connections: NonZeroUsize::MIN,
        batch: NonZeroUsize::new(500).unwrap_or(NonZeroUsize::MIN),
        is_probed: true,
    };
    let sent = load_test::run(&EventSource::Simulated(workload), &sending, &stop, |progress| {
        // When all riders have sent an event, every call in the printed guide returns rows.
        if progress.events >= u64::from(RIDERS) {
            printed.get_or_init(|| output::print(&guide));
        }
    });
    running.stop();
    sent?;
    printed.into_inner().transpose()?;
    Ok(())
}

/// The time of this machine, in ms since the epoch.
fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.as_millis() as u64
}

/// The configuration of the service: without tokens, on a loopback address.
fn config(data: &Path, port: u16, stop: watch::Receiver<bool>) -> Config {
    Config {
        archives: None,
        cluster: None,
        archive: Location::Directory(data.join(ARCHIVE)),
        history: Location::Directory(data.join(HISTORY)),
        history_acl: None,
        source: None,
        endpoint: None,
        data: data.to_owned(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        tls: None,
        workers: thread::available_parallelism().map_or(1, NonZeroUsize::get),
        open_rides_max: OPEN_RIDES_MAX,
        rules: None,
        rebuild: false,
        checkpoint_every: Duration::from_secs(10),
        clock: Clock::system(),
        accept_clock: false,
        accept_damage: false,
        memory_max: memory::default_max_bytes(),
        serve: serve::Config {
            auth: Auth::Off,
            origins: Vec::new(),
            limits: Limits::default(),
            proxies: TrustedProxies::default(),
        },
        stop,
        // The demonstration has neither keys nor certificates.
        hangups: watch::channel(0).1,
    }
}

/// The simulated racing of the demonstration, for `hours`, starting at `start_ms`.
fn workload(hours: f64, start_ms: u64, seed: u64) -> anyhow::Result<Workload> {
    Ok(Workload::new(Parameters {
        hours,
        racers: RACERS,
        concurrent: RIDERS,
        classes: CLASSES,
        seed,
        start_ms,
        ..Parameters::DEFAULT
    })?)
}

/// Writes a log of races that are finished at `now_ms`, with arrivals as if they had been received
/// live. Does nothing if `data` already has events. Ends early when `stop` is true.
fn write_past_races(data: &Path, now_ms: u64, stop: &watch::Receiver<bool>) -> anyhow::Result<()> {
    let _lock = DataDirectory::lock(data)?;
    let start_ms = now_ms - PAST_RACES * RACE_INTERVAL_MS - (FINISHED_AFTER_MS - RACE_INTERVAL_MS);
    let (clock, time) = Clock::manual(start_ms);
    let log = log::open(data, Arc::new(store::Directory::new(data.join(ARCHIVE))), clock, false)?;
    if log.last_arrival().is_some() {
        return Ok(());
    }
    let log = log.start(Health::default().component("archive"), AdmitAll, |_| {})?;
    let hours = (PAST_RACES * RACE_INTERVAL_MS) as f64 / 3_600_000.0;
    let past = workload(hours, start_ms, 2)?;
    for batch in (0..past.races()).flat_map(|race| past.race_batches(race)) {
        let mut lines = LogLines::new();
        if *stop.borrow() {
            break;
        }
        let Some(last) = batch.lines().last() else { continue };
        batch.lines().for_each(|line| lines.push(line.bytes));
        time.set(last.arrival_ms);
        log.append(lines, ())?.blocking_recv()??;
    }
    log.close();
    Ok(())
}

/// The calls to try while `race` is running.
fn guide(url: &str, race: u64, data: &Path) -> String {
    format!(
        "\
try
  web page      {url}/
  races now     curl '{url}/v1/races?limit=6'
  standings     curl '{url}/v1/races/1/{race}/standings?limit=10'
  live stream   curl -N '{url}/v1/stream?topics=standings:1,views:*'
  records       curl '{url}/v1/classes/1/board?second=60&limit=10'
  leaderboard   curl '{url}/v1/classes/1/leaderboard?limit=10'
  views         curl '{url}/v1/projects?limit=10'
  metrics       curl '{url}/metrics'
  all calls     curl '{url}/openapi.json'
race {race} takes five minutes; the next race is {next}
data is in '{data}'; press Ctrl-C to stop",
        next = race + 1,
        data = data.display()
    )
}
