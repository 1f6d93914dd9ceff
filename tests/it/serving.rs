//! Starts `velodrome serve` as a process, and sends requests to it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use ureq::Agent;

/// The time limit for everything, sufficient for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Environment variables of a command.
pub(crate) type Environment<'a> = &'a [(&'a str, &'a str)];

/// A running service.
pub(crate) struct ServiceProcess {
    child: Option<Child>,
    /// `http://127.0.0.1:port`, or `https://`.
    pub(crate) url: String,
    /// The file with its log.
    log: PathBuf,
}

impl ServiceProcess {
    /// Starts `velodrome serve` on `data` with more arguments, separated by spaces, and waits until it
    /// is ready.
    pub(crate) fn start(data: &Path, arguments: &str) -> Self {
        Self::start_in(&[], data, arguments)
    }

    /// Starts it like `start`, without waiting until it is ready.
    pub(crate) fn start_unready(data: &Path, arguments: &str) -> Self {
        Self::spawn(data, command(data, arguments))
    }

    /// Starts it like `start`, with environment variables.
    pub(crate) fn start_in(environment: Environment<'_>, data: &Path, arguments: &str) -> Self {
        let mut command = command(data, arguments);
        command.envs(environment.iter().copied());
        Self::spawn(data, command).ready()
    }

    /// Starts it like `start`, in a shell that first runs the `ulimit` commands `limits`.
    pub(crate) fn start_with_ulimits(data: &Path, arguments: &str, limits: &str) -> Self {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{limits} && exec \"$0\" \"$@\""));
        Self::start_under(shell, data, arguments).ready()
    }

    /// Starts it like `start_unready`, as the arguments of another command, which must run it in its own process.
    pub(crate) fn start_under(mut outer: Command, data: &Path, arguments: &str) -> Self {
        let service = command(data, arguments);
        outer.arg(service.get_program()).args(service.get_args());
        outer.envs(service.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Self::spawn(data, outer)
    }

    /// Waits until it is ready.
    pub(crate) fn ready(self) -> Self {
        wait_for("the service is ready", || get(&format!("{}/readyz", self.url)).0 == 200);
        self
    }

    fn spawn(data: &Path, mut command: Command) -> Self {
        let log = data.with_extension("stderr");
        command.stdout(Stdio::piped());
        let mut child = command.stderr(File::create(&log).unwrap()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("http"));
        let log_text = || fs::read_to_string(&log).unwrap();
        let url =
            url.unwrap_or_else(|| panic!("no address in '{line}': {}", log_text())).to_owned();
        Self { child: Some(child), url, log }
    }

    /// A stand-in without a process, to replace one that is moved out.
    pub(crate) fn without_process() -> Self {
        Self { child: None, url: String::new(), log: PathBuf::new() }
    }

    /// Kills it, which has the effect of a machine failure.
    pub(crate) fn kill(mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Stops it as an operator does. Returns its exit status.
    pub(crate) fn stop(self) -> i32 {
        self.signal("-TERM")
    }

    /// Sends a signal, and waits until it ends. Returns its exit status.
    pub(crate) fn signal(mut self, signal: &str) -> i32 {
        let mut child = self.child.take().unwrap();
        terminate(&mut child, signal)
    }

    /// Waits until it exits by itself. Returns its exit status.
    pub(crate) fn wait(mut self) -> i32 {
        self.child.take().unwrap().wait().unwrap().code().unwrap()
    }

    /// The value of a field of the log line that reports its recovery.
    pub(crate) fn recovered(&self, field: &str) -> String {
        let log = self.log();
        let recovered = log.lines().find(|line| line.contains("replayed the log")).unwrap();
        let mut fields = recovered.split(' ').filter_map(|word| word.split_once('='));
        fields.find(|(name, _)| *name == field).unwrap().1.to_owned()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, body) = get(&format!("{}{path}", self.url));
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Posts lines, which the service must accept. Returns the token. Sends again while the service is
    /// busy, as clients should.
    pub(crate) fn post(&self, lines: &str) -> String {
        let mut answer = (0, Value::Null);
        wait_for("the service accepts events", || {
            answer = post(&self.url, lines).unwrap();
            answer.0 != 503
        });
        let (status, body) = answer;
        assert_eq!((status, &body["rejected"]), (200, &Value::Array(Vec::new())), "{body}");
        body["token"].as_str().unwrap().to_owned()
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        // The process still runs if the test failed.
        if let Some(child) = &mut self.child {
            child.kill().unwrap_or_default();
            child.wait().map(drop).unwrap_or_default();
            if thread::panicking() {
                eprintln!("{}", self.log());
            }
        }
    }
}

/// `velodrome serve` on `data` with more arguments. The defaults are any loopback port, and no tokens.
fn command(data: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_velodrome"));
    command.arg("serve").arg("--data").arg(data).args(arguments.split_whitespace());
    command.env("VELODROME_LISTEN", "127.0.0.1:0").env("VELODROME_AUTH", "off");
    command.stdout(Stdio::piped());
    command
}

/// The message of a `velodrome serve` that must fail to start, with exit status 2.
pub(crate) fn startup_error(data: &Path, arguments: &str) -> String {
    startup_error_in(&[], data, arguments)
}

/// The same, with environment variables.
pub(crate) fn startup_error_in(
    environment: Environment<'_>,
    data: &Path,
    arguments: &str,
) -> String {
    let mut command = command(data, arguments);
    command.envs(environment.iter().copied());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    if !line.is_empty() {
        child.kill().unwrap();
    }
    let (mut stderr, code) = (String::new(), child.wait().unwrap().code());
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((&line[..], code), ("", Some(2)), "{arguments}: {stderr}");
    stderr
}

/// Sends a signal, and waits until the process ends. Returns its exit status.
pub(crate) fn terminate(child: &mut Child, signal: &str) -> i32 {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    child.wait().unwrap().code().unwrap()
}

/// The system time, in ms since the epoch.
pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    now.as_millis().try_into().unwrap()
}

/// Arguments for a clock that is `seconds` ahead of the system clock, and 1% faster.
pub(crate) fn clock_ahead(seconds: u64) -> String {
    format!("--clock-speed 1.01 --clock-from {}", now_ms() - seconds * 100_000)
}

pub(crate) fn agent() -> Agent {
    let config = Agent::config_builder().http_status_as_error(false);
    config.timeout_global(Some(TIMEOUT)).build().into()
}

/// Status and JSON of a response; status 0 if there was none.
pub(crate) fn get(url: &str) -> (u16, Value) {
    let Ok(mut answer) = agent().get(url).call() else { return (0, Value::Null) };
    let text = answer.body_mut().read_to_string().unwrap_or_default();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Posts lines. Returns status and JSON, or the error of the connection.
pub(crate) fn post(url: &str, lines: &str) -> Result<(u16, Value), ureq::Error> {
    let request = agent().post(format!("{url}/v1/events"));
    let mut answer = request.header("content-type", "application/x-ndjson").send(lines)?;
    let text = answer.body_mut().read_to_string()?;
    Ok((answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

/// Waits until `is_there` returns true; `what` describes the condition.
pub(crate) fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_there() {
        assert!(began.elapsed() < TIMEOUT, "timed out waiting for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
