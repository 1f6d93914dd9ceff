//! `velodrome demo`: a service with simulated racing.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::Context;

use super::serve::Logging;
use super::{output, signals};
use crate::health::Health;
use crate::log::{self, Clock, LogLines};
use crate::serve;
use crate::serve::auth::Auth;
use crate::serve::limits::Limits;
use crate::service::{ARCHIVE, Config, DataDirectory, HISTORY, Service};
use crate::simulate::load_test::{self, EventSource, LoadTest, Rate, Target};
use crate::simulate::{Parameters, RACE_INTERVAL_MS, Workload};
use crate::store::{self, Location};

/// The number of classes, as in Alleycat, and of racers in each race.
const CLASSES: u16 = 6;
const RACERS_A_RACE: u32 = 50;
/// Twice as many racers as ride at once, so that most return and have a record to beat.
const RACERS: u32 = 2 * CLASSES as u32 * RACERS_A_RACE;
/// The number of races that are over when the demo starts, so that there are records and results to see.
const RACES_BEFORE: u64 = 3;
/// A year of racing, longer than any demo runs.
const HOURS: f64 = 8_760.0;
/// The maximum time from the start of a race until its rides close: its length, the grace and 5 s.
const OVER_MS: u64 = RACE_INTERVAL_MS + 65_000;

/// Start a demo: a service on this machine with simulated racing, six classes of 50 racers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Data directory [default: a temporary directory, deleted when the demo ends]
    #[arg(long, env = "VELODROME_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Port to listen on, at 127.0.0.1
    #[arg(long, env = "VELODROME_PORT", default_value_t = 7070)]
    port: u16,
    #[command(flatten)]
    logging: Logging,
}

/// Runs until a signal stops it.
///
/// # Errors
/// A directory or port that cannot be used.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    args.logging.start()?;
    let temporary = tempfile::Builder::new().prefix("velodrome-demo-").tempdir();
    let temporary =
        temporary.context("cannot create a temporary directory; choose one with --data")?;
    let data = args.data.unwrap_or_else(|| temporary.path().to_owned());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now_ms = now.as_millis() as u64;
    race_before(&data, now_ms).context("cannot write the races before the start")?;

    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let config = Config {
        archive: Location::Directory(data.join(ARCHIVE)),
        history: Location::Directory(data.join(HISTORY)),
        history_acl: None,
        source: None,
        endpoint: None,
        data: data.clone(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, args.port)),
        tls: None,
        workers,
        rules: None,
        rebuild: false,
        checkpoint_every: Duration::from_secs(10),
        clock: Clock::system(),
        serve: serve::Config { auth: Auth::Off, origins: Vec::new(), limits: Limits::default() },
    };
    let service = Service::listen(config, serve::metrics::install()?)?;
    let url = service.url();
    let running = service.start()?;
    let stop = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&stop);
    signals::on_shutdown(move || set.store(true, Ordering::Relaxed))
        .context("cannot wait for signals")?;
    output::print(format_args!("velodrome races at {url}"))?;

    let workload = workload(HOURS, now_ms, 1)?;
    let tour = tour(&url, workload.race(0).id, &data);
    let printed = OnceLock::new();
    let racing = LoadTest {
        target: Target::Service { url, token: None },
        rate: Rate::Factor(1.0),
        connections: NonZeroUsize::MIN,
        batch: NonZeroUsize::new(500).unwrap_or(NonZeroUsize::MIN),
    };
    let raced = load_test::run(&EventSource::Simulated(workload), &racing, &stop, |progress| {
        // Each command of the tour shows something once every racer has ridden a second.
        if progress.events >= u64::from(CLASSES) * u64::from(RACERS_A_RACE) {
            printed.get_or_init(|| output::print(&tour));
        }
    });
    running.stop();
    raced?;
    printed.into_inner().transpose()?;
    Ok(ExitCode::SUCCESS)
}

/// Racing of the demo's size, for `hours` from `start_ms`.
fn workload(hours: f64, start_ms: u64, seed: u64) -> anyhow::Result<Workload> {
    Ok(Workload::new(Parameters {
        hours,
        racers: RACERS,
        concurrent: CLASSES as u32 * RACERS_A_RACE,
        classes: CLASSES,
        seed,
        start_ms,
        ..Parameters::DEFAULT
    })?)
}

/// Writes the races before `now_ms` to the log of an empty data directory, with the arrivals that they
/// would have had. Does nothing if the directory has a log.
fn race_before(data: &Path, now_ms: u64) -> anyhow::Result<()> {
    let _lock = DataDirectory::lock(data)?;
    let start_ms = now_ms - RACES_BEFORE * RACE_INTERVAL_MS - (OVER_MS - RACE_INTERVAL_MS);
    let (clock, time) = Clock::manual(start_ms);
    let log = log::open(data, Arc::new(store::Directory::new(data.join(ARCHIVE))), clock)?;
    if log.last_arrival().is_some() {
        return Ok(());
    }
    let log = log.start(Health::default().component("archive"), |_| {})?;
    let hours = (RACES_BEFORE * RACE_INTERVAL_MS) as f64 / 3_600_000.0;
    let before = workload(hours, start_ms, 2)?;
    for batch in (0..before.races()).flat_map(|race| before.race_batches(race)) {
        let mut lines = LogLines::new();
        let Some(last) = batch.lines().last() else { continue };
        batch.lines().for_each(|line| lines.push(line.bytes));
        time.set(last.arrival_ms);
        log.append(lines, ())?.blocking_recv()??;
    }
    log.close();
    Ok(())
}

/// The commands that show the demo, while `race` is running.
fn tour(url: &str, race: u64, data: &Path) -> String {
    format!(
        "\
look at
  the page      {url}/
  here now      curl '{url}/v1/races?limit=6'
  standings     curl '{url}/v1/races/1/{race}/standings?limit=10'
  as it changes curl -N '{url}/v1/stream?topics=standings:1,views:*'
  all time      curl '{url}/v1/classes/1/board?second=60&limit=10'
  leaderboard   curl '{url}/v1/classes/1/leaderboard?limit=10'
  views         curl '{url}/v1/projects?limit=10'
  operations    curl '{url}/metrics'
  every call    curl '{url}/openapi.json'
race {race} takes five minutes, and the next one is {next}
the data is in '{data}'; Ctrl-C stops the demo",
        next = race + 1,
        data = data.display()
    )
}
