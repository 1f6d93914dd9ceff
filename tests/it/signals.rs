//! Signals at any moment of the start: the command ends in order, and `demo` leaves no files.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::run::{Workplace, sample, view};
use crate::serving::{ServiceProcess, terminate, wait_for};

/// The starts of each command, half of them with each signal. Their delays are 0 to 300 ms.
const STARTS: u64 = 24;

/// Starts the command `STARTS` times, and sends each process a signal after another delay.
///
/// The delay begins when the process handles signals: until the system has loaded the binary, after about
/// 3 ms, it cannot. `has_files` returns whether the process has created a file, which it must not do before.
fn signal_starts(start: impl Fn() -> Child, has_files: impl Fn() -> bool) {
    for number in 0..STARTS {
        let signal = if number % 2 == 0 { "-TERM" } else { "-INT" };
        let mut child = start();
        loop {
            let is_late = has_files();
            if handles_signals(child.id()) {
                break;
            }
            assert!(!is_late, "start {number} has files and does not handle signals");
            thread::yield_now();
        }
        // The delay is what is tested, so this is no wait for a state.
        thread::sleep(Duration::from_millis(300 * (number / 2) / (STARTS / 2 - 1)));
        assert_eq!(terminate(&mut child, signal), 0, "start {number} with {signal}");
    }
}

/// Whether a process has handlers for SIGINT and SIGTERM, by the mask of caught signals.
fn handles_signals(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
    [2, 15].iter().all(|signal| caught & (1 << (signal - 1)) != 0)
}

fn command(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_velodrome"));
    command.args(arguments.split_whitespace()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn a_service_ends_in_order_at_any_moment_of_its_start() {
    let place = Workplace::new();
    let data = place.path("data");
    // The log of a killed service has to be replayed at each start.
    let serving = ServiceProcess::start(&data, "--checkpoint-seconds 30");
    for racer in 0..50 {
        let lines = (1..=300).map(|second| sample(1, racer, second, 1.0)).collect::<Vec<_>>();
        serving.post(&lines.join("\n"));
    }
    serving.post(&view(1, "u"));
    serving.kill();
    let arguments = format!("serve --auth off --listen 127.0.0.1:0 --data {}", data.display());
    let lock = data.join("lock");
    let start = || {
        fs::remove_file(&lock).unwrap_or_default();
        command(&arguments).spawn().unwrap()
    };
    signal_starts(start, || lock.exists());
    let serving = ServiceProcess::start(&data, "");
    assert_eq!(serving.get("/v1/races/1/7/standings")["racers"], 50);
    assert_eq!(serving.get("/v1/projects/p")["views"], 1);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_demo_leaves_no_files_at_any_moment_of_its_start() {
    let place = Workplace::new();
    let temporary = place.path("tmp");
    fs::create_dir(&temporary).unwrap();
    let files = || fs::read_dir(&temporary).unwrap().count();
    let start = || command("demo --port 0").env("TMPDIR", &temporary).spawn().unwrap();
    signal_starts(start, || files() > 0);
    assert_eq!(files(), 0);
}

#[test]
fn a_start_that_hangs_is_abandoned() {
    let place = Workplace::new();
    let data = place.path("data");
    fs::create_dir(&data).unwrap();
    // Opening a pipe waits for its writer, as a call to an unreachable bucket waits for its timeout.
    let pipe = data.join("bans.json");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let arguments = format!("serve --auth off --listen 127.0.0.1:0 --data {}", data.display());
    let mut child = command(&arguments).spawn().unwrap();
    wait_for("the start hangs", || data.join("checkpoint.redb").exists());
    assert_eq!(terminate(&mut child, "-TERM"), 0);
}
