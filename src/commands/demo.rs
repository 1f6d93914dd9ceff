//! `velodrome demo`: a service with simulated racing, to look at.

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
use super::signals;
use crate::health::Health;
use crate::log::{self, Clock, Lines};
use crate::serve;
use crate::serve::auth::Auth;
use crate::serve::limits::Limits;
use crate::service::{ARCHIVE, Config, Directory, HISTORY, Service};
use crate::simulate::drive::{Drive, Events, Rate, To, drive};
use crate::simulate::{Parameters, RACE_INTERVAL_MS, Workload};
use crate::store::{self, Location};

/// Classes of the demonstration, as Alleycat has them, and racers in each race of one.
const CLASSES: u16 = 6;
const RACERS_A_RACE: u32 = 50;
/// Twice as many racers as ride at once, so that most come back with a record to beat.
const RACERS: u32 = 2 * CLASSES as u32 * RACERS_A_RACE;
/// Races before the first visitor, so that there are records, results and a leaderboard to see.
const RACES_BEFORE: u64 = 3;
/// A year of racing: longer than anybody looks.
const HOURS: f64 = 8_760.0;
/// How long after its start a race is over at the latest: the last second, the grace and a bit.
const OVER_MS: u64 = RACE_INTERVAL_MS + 65_000;

/// See it live: a service on this machine with simulated racing, six classes of 50 racers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory to keep it in; by default one that goes with the demonstration
    #[arg(long, env = "VELODROME_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Port on this machine
    #[arg(long, env = "VELODROME_PORT", default_value_t = 7070)]
    port: u16,
    #[command(flatten)]
    logging: Logging,
}

/// Runs until a signal asks for an end.
///
/// # Errors
/// A directory or port that cannot be used.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    args.logging.start()?;
    let temporary = tempfile::Builder::new().prefix("velodrome-demo-").tempdir();
    let temporary = temporary.context("cannot make a temporary directory; give --data")?;
    let data = args.data.unwrap_or_else(|| temporary.path().to_owned());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now_ms = now.as_millis() as u64;
    race_before(&data, now_ms).context("cannot write the races before")?;

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
    let service = Service::listen(config, serve::ops::metrics()?)?;
    let url = service.url();
    let running = service.start()?;
    let stop = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&stop);
    signals::at_end(move || set.store(true, Ordering::Relaxed))
        .context("cannot wait for signals")?;
    super::print(format_args!("velodrome races at {url}"))?;

    let workload = workload(HOURS, now_ms, 1)?;
    let tour = tour(&url, workload.race(0).id, &data);
    let told = OnceLock::new();
    let racing = Drive {
        to: To::Service { url, token: None },
        rate: Rate::Factor(1.0),
        connections: NonZeroUsize::MIN,
        batch: NonZeroUsize::new(500).unwrap_or(NonZeroUsize::MIN),
    };
    let raced = drive(&Events::Simulated(workload), &racing, &stop, |so_far| {
        // Once all have ridden a second, each command shows something.
        if so_far.events >= u64::from(CLASSES) * u64::from(RACERS_A_RACE) {
            told.get_or_init(|| super::print(&tour));
        }
    });
    running.stop();
    raced?;
    told.into_inner().transpose()?;
    Ok(ExitCode::SUCCESS)
}

/// Racing of the demonstration's size, for some hours from `start_ms` on.
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

/// Writes a log of the races before `now_ms` into an empty `data`, as they would have arrived.
fn race_before(data: &Path, now_ms: u64) -> anyhow::Result<()> {
    let _own = Directory::take(data)?;
    let start_ms = now_ms - RACES_BEFORE * RACE_INTERVAL_MS - (OVER_MS - RACE_INTERVAL_MS);
    let (clock, time) = Clock::manual(start_ms);
    let log = log::open(data, Arc::new(store::Directory::new(data.join(ARCHIVE))), clock)?;
    if log.last_arrival().is_some() {
        return Ok(());
    }
    let log = log.start(Health::default().part("archive"), |_| {})?;
    let hours = (RACES_BEFORE * RACE_INTERVAL_MS) as f64 / 3_600_000.0;
    let before = workload(hours, start_ms, 2)?;
    for batch in (0..before.races()).flat_map(|race| before.window(race)) {
        let mut lines = Lines::new();
        let Some(last) = batch.lines().last() else { continue };
        batch.lines().for_each(|line| lines.push(line.bytes));
        time.set(last.arrival_ms);
        log.append(lines, ())?.blocking_recv()??;
    }
    log.close();
    Ok(())
}

/// What there is to see, where `race` runs now.
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
kept in '{data}'; Ctrl-C ends it",
        next = race + 1,
        data = data.display()
    )
}
