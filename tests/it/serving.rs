//! Starts the service as a process of its own, and speaks with it as clients do.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use ureq::Agent;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a command is told beside its arguments.
pub(crate) type Environment<'a> = &'a [(&'a str, &'a str)];

/// A running service.
pub(crate) struct Serving {
    child: Option<Child>,
    /// `http://127.0.0.1:port`, or `https://`.
    pub(crate) url: String,
    /// What it logs.
    log: PathBuf,
}

impl Serving {
    /// Starts `velodrome serve` on `data` with further arguments separated by blanks, and waits until
    /// it is ready.
    pub(crate) fn start(data: &Path, arguments: &str) -> Self {
        Self::start_in(&[], data, arguments)
    }

    /// The same, ready or not.
    pub(crate) fn listening(data: &Path, arguments: &str) -> Self {
        Self::spawn(data, command(data, arguments))
    }

    /// The same as `start`, in an environment.
    pub(crate) fn start_in(environment: Environment<'_>, data: &Path, arguments: &str) -> Self {
        let mut command = command(data, arguments);
        command.envs(environment.iter().copied());
        Self::spawn(data, command).ready()
    }

    /// Starts it without arguments from a shell that ran `limits` before.
    pub(crate) fn limited(data: &Path, limits: &str) -> Self {
        let service = command(data, "");
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{limits} && exec \"$0\" \"$@\""));
        shell.arg(service.get_program()).args(service.get_args());
        shell.envs(service.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Self::spawn(data, shell).ready()
    }

    fn ready(self) -> Self {
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
        let told = || fs::read_to_string(&log).unwrap();
        let url = url.unwrap_or_else(|| panic!("no address in '{line}': {}", told())).to_owned();
        Self { child: Some(child), url, log }
    }

    /// None, in the place of one that is to be ended.
    pub(crate) fn none() -> Self {
        Self { child: None, url: String::new(), log: PathBuf::new() }
    }

    /// Ends it as a lost machine would.
    pub(crate) fn kill(mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Ends it as an operator does, and gives its exit status.
    pub(crate) fn stop(self) -> i32 {
        self.end("-TERM")
    }

    /// Ends it by a signal, and gives its exit status.
    pub(crate) fn end(mut self, signal: &str) -> i32 {
        let mut child = self.child.take().unwrap();
        end(&mut child, signal)
    }

    /// Waits until it ends by itself, and gives its exit status.
    pub(crate) fn ended(mut self) -> i32 {
        self.child.take().unwrap().wait().unwrap().code().unwrap()
    }

    /// What it has logged of its recovery, by the name of the field.
    pub(crate) fn recovered(&self, field: &str) -> String {
        let log = self.log();
        let recovered = log.lines().find(|line| line.contains(" recovered ")).unwrap();
        let mut fields = recovered.split(' ').filter_map(|word| word.split_once('='));
        fields.find(|(name, _)| *name == field).unwrap().1.to_owned()
    }

    /// Its process.
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

    /// Posts lines, which must be taken, and gives the token. A machine that is too busy is waited for,
    /// as the service asks its clients to.
    pub(crate) fn post(&self, lines: &str) -> String {
        let mut answer = (0, Value::Null);
        wait_for("the service takes events", || {
            answer = post(&self.url, lines).unwrap();
            answer.0 != 503
        });
        let (status, body) = answer;
        assert_eq!((status, &body["rejected"]), (200, &Value::Array(Vec::new())), "{body}");
        body["token"].as_str().unwrap().to_owned()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // A test that failed leaves it running.
        if let Some(child) = &mut self.child {
            child.kill().unwrap_or_default();
            child.wait().map(drop).unwrap_or_default();
            if thread::panicking() {
                eprintln!("{}", self.log());
            }
        }
    }
}

/// `velodrome serve` on `data` with further arguments; without `--listen` on any port of loopback, and
/// without `--auth` for all who can reach that.
fn command(data: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_velodrome"));
    command.arg("serve").arg("--data").arg(data).args(arguments.split_whitespace());
    command.env("VELODROME_LISTEN", "127.0.0.1:0").env("VELODROME_AUTH", "off");
    command.stdout(Stdio::piped());
    command
}

/// What `velodrome serve` says that refuses to start, which must end it with 2.
pub(crate) fn refusal(data: &Path, arguments: &str) -> String {
    refusal_in(&[], data, arguments)
}

/// The same in an environment.
pub(crate) fn refusal_in(environment: Environment<'_>, data: &Path, arguments: &str) -> String {
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

/// Sends a signal, and gives the exit status that it comes to.
pub(crate) fn end(child: &mut Child, signal: &str) -> i32 {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    child.wait().unwrap().code().unwrap()
}

/// The wall's time, in ms since the epoch.
pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    now.as_millis().try_into().unwrap()
}

/// Arguments for a clock that goes like the wall's, to a hundredth, and is so many seconds ahead now.
pub(crate) fn ahead(seconds: u64) -> String {
    format!("--clock-speed 1.01 --clock-from {}", now_ms() - seconds * 100_000)
}

pub(crate) fn agent() -> Agent {
    let config = Agent::config_builder().http_status_as_error(false);
    config.timeout_global(Some(PATIENCE)).build().into()
}

/// Status and JSON of an answer; 0 where there was none.
pub(crate) fn get(url: &str) -> (u16, Value) {
    let Ok(mut answer) = agent().get(url).call() else { return (0, Value::Null) };
    let text = answer.body_mut().read_to_string().unwrap_or_default();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Posts lines and gives status and JSON, or what failed on the way.
pub(crate) fn post(url: &str, lines: &str) -> Result<(u16, Value), ureq::Error> {
    let request = agent().post(format!("{url}/v1/events"));
    let mut answer = request.header("content-type", "application/x-ndjson").send(lines)?;
    let text = answer.body_mut().read_to_string()?;
    Ok((answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

/// Waits for a state of another process.
pub(crate) fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_there() {
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
