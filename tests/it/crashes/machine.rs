//! The machine that a service runs on. It kills the service, and can lose power and set its wall clock.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use rand::RngExt;
use rand_pcg::Pcg64;

use super::calls::TRACED;
use super::disk::Disk;
use super::fake_clock::FakeClock;
use super::trace::Trace;
use crate::serving::{ServiceProcess, now_ms, wait_for};

/// The seconds by which the wall clock may be ahead at a start before the events end. With the speed of the service's
/// clock this is less than the repair window: later samples would not count.
const AHEAD_SECONDS: i64 = 540;

/// A machine with the data directory of a service.
pub(crate) struct Machine {
    place: PathBuf,
    /// About how many crashes it will have, and how many it has had.
    crashes: i64,
    crashed: i64,
    /// Whether the service has been ready, and so can have events.
    has_started: bool,
    since_ms: u64,
    /// `None` if it can only kill.
    faults: Option<Faults>,
    random: Pcg64,
}

/// A disk that loses power, and a wall clock that is set.
struct Faults {
    disk: Disk,
    clock: FakeClock,
    losses: usize,
}

impl Machine {
    /// A machine for a number of crashes, in the directory `place`. It has losses of power and steps of the clock if
    /// the environment names libfaketime.
    pub(crate) fn new(place: &Path, crashes: usize, random: Pcg64) -> Self {
        let faults = env::var_os("VELODROME_TEST_FAKETIME").map(|library| Faults {
            disk: Disk::create(&place.join("data")),
            clock: FakeClock::new(library.into(), place),
            losses: 0,
        });
        let (place, crashes) = (place.to_owned(), crashes as i64);
        Self { place, crashes, crashed: 0, has_started: false, since_ms: now_ms(), faults, random }
    }

    /// Starts the service. Some starts crash.
    pub(crate) fn start(&mut self) -> ServiceProcess {
        while self.faults.is_some() && self.random.random_ratio(1, 4) {
            let starting = self.launch();
            thread::sleep(Duration::from_millis(self.random.random_range(0..100)));
            self.crash(starting);
        }
        self.has_started = true;
        self.launch().ready()
    }

    /// Starts the service, without waiting until it is ready.
    fn launch(&self) -> ServiceProcess {
        // A race finishes 6 minutes after its events arrive, by the service's clock.
        let speed = if self.faults.is_some() { 4 } else { 20 };
        let arguments = format!(
            "--listen {} --clock-speed {speed} --clock-from {} --checkpoint-seconds 1 --workers 2",
            address(),
            self.since_ms
        );
        let data = self.place.join("data");
        let Some(faults) = &self.faults else {
            return ServiceProcess::start_unready(&data, &arguments);
        };
        // As a grandchild, strace leaves the service a child of this process.
        let mut strace = Command::new("strace");
        strace.args(["--daemonize", "--follow-forks", "--seccomp-bpf", "--quiet=attach"]);
        strace.args(["--signal=SIGKILL", "--strings-in-hex=all", "--string-limit=16777216"]);
        strace.arg(format!("--trace={TRACED}")).arg("--output").arg(self.trace());
        for variable in faults.clock.environment() {
            strace.arg("--env").arg(variable);
        }
        ServiceProcess::start_under(strace, &data, &arguments)
    }

    /// Sets the wall clock while a service runs, sometimes.
    pub(crate) fn step_clock(&mut self) {
        if let Some(faults) = &self.faults
            && self.random.random()
        {
            let seconds = faults.clock.step(&mut self.random);
            eprintln!("while it runs, the clock is set to {seconds:+} s");
        }
    }

    /// Crashes: kills the service, and then may lose power. Before the next start, the clock may be set.
    pub(crate) fn crash(&mut self, serving: ServiceProcess) {
        let id = serving.id();
        serving.kill();
        self.crashed += 1;
        self.record(id);
        let Some(faults) = &mut self.faults else { return };
        let loses_power = self.random.random();
        if loses_power {
            faults.disk.lose_power(&mut self.random);
            faults.losses += 1;
        }
        let crash = if loses_power { "loss of power" } else { "kill" };
        // After a step back before the first events, the way back would be a step forward of hours.
        let seconds = if self.has_started {
            let ahead_max = AHEAD_SECONDS * self.crashed.min(self.crashes) / self.crashes;
            faults.clock.step_for_start(ahead_max, &mut self.random)
        } else {
            0
        };
        eprintln!("crash {}: {crash}; then the clock is at {seconds:+} s", self.crashed);
    }

    /// Waits until all races are finished, or sets the clock to hours later.
    pub(crate) fn finish_races(&mut self, mut serving: ServiceProcess) -> ServiceProcess {
        if let Some(faults) = &self.faults {
            let id = serving.id();
            assert_eq!(serving.stop(), 0);
            faults.clock.set(4 * 3600);
            self.record(id);
            serving = self.launch().ready();
        }
        wait_for("all races are finished", || {
            let races = serving.get("/v1/races?limit=1000");
            races["rows"].as_array().unwrap().iter().all(|race| race["state"] == "over")
        });
        serving
    }

    /// Reports how often it lost power.
    pub(crate) fn report(&self) {
        if let Some(faults) = &self.faults {
            eprintln!("{} crashes, {} of them losses of power", self.crashed, faults.losses);
        }
    }

    /// Records what process `id` did that has ended.
    fn record(&mut self, id: u32) {
        let path = self.trace();
        let Some(faults) = &mut self.faults else { return };
        let mut text = String::new();
        wait_for("the trace is complete", || {
            text = fs::read_to_string(&path).unwrap();
            Trace::is_complete(&text, id)
        });
        faults.disk.record(&Trace::parse(&text));
        FakeClock::clean_up(id);
    }

    /// The file with the system calls of the running service.
    fn trace(&self) -> PathBuf {
        self.place.join("trace")
    }
}

/// The address to listen on. While the service is killed, clients send to its previous port, which the service of
/// another test can get. So on Linux, where every address 127.*.*.* is a loopback address, this process has its own.
fn address() -> String {
    let [_, a, b, c] = std::process::id().to_be_bytes();
    if cfg!(target_os = "linux") {
        format!("127.{}.{b}.{c}:0", a | 128)
    } else {
        "127.0.0.1:0".to_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Threads run differently with the same seed, so the files of a failure are worth more than its seed.
        if self.faults.is_some() && thread::panicking() {
            let kept = format!("{}/soak-{}", env!("CARGO_TARGET_TMPDIR"), self.since_ms);
            let copied = Command::new("cp").arg("-r").arg(&self.place).arg(&kept).status();
            eprintln!("the files of the failed round: {kept} ({copied:?})");
        }
    }
}
