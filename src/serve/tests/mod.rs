//! The service from outside: a server on a port of its own, and clients that talk to it.

mod auth;
mod bans;
mod clients;
mod firehose;
mod ingest;
mod ops;
mod server;
mod stream;
mod tls;
mod ui;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;
use velodrome_dataflows::Clock;

use super::auth::Auth;
use super::limits::Limits;
use super::{App, Config, Parts, ops as operations, router, server as serving};
use crate::bans::{Bans, tests as bans_tests};
use crate::dead_letters::DeadLetters;
use crate::engine::{Engine, Events};
use crate::feeds::Feeds;
use crate::health::Health;
use crate::log;
use crate::publish::Objects;
use crate::rebuild::Rebuilds;
use crate::store::Directory;

/// When all events arrive.
const ARRIVAL_MS: u64 = 1_620_240_001_001;

/// From when on bans hold: later than what is complete at first.
const BANS_SINCE_MS: u64 = 1_620_240_000_010;

/// A running service.
struct Service {
    address: SocketAddr,
    app: App,
    log: log::Log<Events>,
    /// What the engine tells that it is complete to.
    complete: watch::Sender<Clock>,
    feeds: Arc<Feeds>,
    /// How far it lags, in milliseconds.
    lag_ms: Arc<AtomicU64>,
    dir: TempDir,
    stop: watch::Sender<bool>,
    running: Option<JoinHandle<()>>,
}

/// An answer, its body read as JSON where it is some.
struct Answer {
    status: u16,
    headers: ureq::http::HeaderMap,
    text: String,
}

/// The usual limits, with times that are long even for a machine that is busy.
fn limits() -> Limits {
    let long = Duration::from_secs(60);
    Limits { head: long, body: long, write: long, shutdown: long, ..Limits::default() }
}

/// Of the usual limits, times that a test waits for.
const SHORT: Duration = Duration::from_millis(200);

fn open() -> Config {
    Config { auth: Auth::Off, origins: Vec::new(), limits: limits() }
}

impl Service {
    /// A service that has started.
    fn start(config: Config) -> Self {
        let service = Self::starting(config);
        service.begin();
        service
    }

    fn starting(config: Config) -> Self {
        Self::within(None, config)
    }

    /// The same, inside TLS.
    fn within(tls: Option<Arc<ServerConfig>>, config: Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (complete, completed) = watch::channel(1_620_240_000_000);
        let worker = bans_tests::worker(|_| BANS_SINCE_MS);
        let feeds = Arc::new(Feeds::default());
        let engine = Engine::new(vec![worker], completed, Arc::clone(&feeds));
        let (clock, _) = log::Clock::manual(ARRIVAL_MS);
        let health = Health::default();
        let letters = DeadLetters::open(dir.path(), clock.clone(), &health).unwrap();
        let archive = Arc::new(Directory::new(dir.path().join("archive")));
        let log = log::open(dir.path(), archive, clock).unwrap();
        let log = log.start(health.part("archive"), |_| {}).unwrap();
        let lag_ms = Arc::new(AtomicU64::new(0));
        let lagging = Arc::clone(&lag_ms);
        let lag = Box::new(move || Duration::from_millis(lagging.load(Ordering::Relaxed)));
        let limits = config.limits;
        let (stop, stopped) = watch::channel(false);
        let bans = Bans::open(dir.path(), engine.clone()).unwrap();
        let (objects, rebuilds) = (Objects::default(), Rebuilds::default());
        let dead_letters = letters;
        let parts = Parts { engine, lag, dead_letters, health, objects, bans, rebuilds };
        let app = App::new(parts, config);
        let router = router(app.clone(), operations::metrics().unwrap());
        let streams = super::stream::run(app.clone(), stopped.clone());

        let (bound, address) = std::sync::mpsc::channel();
        let running = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                bound.send(listener.local_addr().unwrap()).unwrap();
                tokio::spawn(streams);
                serving::serve(listener, tls, router, limits, stopped).await;
            });
        });
        let address = address.recv().unwrap();
        let running = Some(running);
        Self { address, app, log, complete, feeds, lag_ms, dir, stop, running }
    }

    /// Lets it take events and answer.
    fn begin(&self) {
        self.app.start(self.log.clone());
    }

    /// The events in the log, without the arrival that all of them have.
    fn logged(&self) -> Vec<String> {
        let segments = fs::read_dir(self.dir.path().join("log")).into_iter().flatten();
        let mut segments: Vec<_> = segments.map(|entry| entry.unwrap().path()).collect();
        segments.sort();
        let text: String = segments.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        let arrival = format!(r#","arrivalTimestamp":{ARRIVAL_MS}}}"#);
        let event = |line: &str| line.strip_suffix(&arrival).unwrap().to_owned() + "}";
        text.lines().map(event).collect()
    }

    /// The dead letters, in order.
    fn letters(&self) -> Vec<Value> {
        let files = fs::read_dir(self.dir.path().join("rejected")).unwrap();
        let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let text: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let agent = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = agent.allow_non_standard_methods(true).build().new_agent();
        let uri = format!("http://{}{path}", self.address);
        let mut request = ureq::http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = agent.run(request.body(body).unwrap()).unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        // A stream has no end.
        let is_stream = headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let text = (!is_stream).then(|| response.body_mut().read_to_string().unwrap());
        Answer { status, headers, text: text.unwrap_or_default() }
    }

    fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], b"")
    }

    fn post(&self, kind: &str, body: impl AsRef<[u8]>) -> Answer {
        self.request("POST", "/v1/events", &[("content-type", kind)], body.as_ref())
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        // So that a test which fails ends.
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Sends bytes as they are, and reads until the server closes.
    fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        read_to_end(&mut stream)
    }

    /// Stops, and waits until all requests ended.
    fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(running) = self.running.take() {
            running.join().unwrap();
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status and code of an error, whose message is not empty.
    fn error(&self) -> (u16, String) {
        let json = self.json();
        assert_ne!(json["error"]["message"].as_str().unwrap(), "");
        (self.status, json["error"]["code"].as_str().unwrap().to_owned())
    }
}

/// All that comes until the other side closes, in whatever way.
fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("still open"),
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// A race event of the usual form.
fn event(second: u32) -> String {
    format!(
        r#"{{"event":"update","deviceTimestamp":1620240001114,"second":{second},"raceId":5400802,"name":"Vito","racerId":103,"classId":1,"cadence":78.00666666666666,"resistance":57}}"#
    )
}

fn is_error(expected: u16, code: &str) -> (u16, String) {
    (expected, code.to_owned())
}

fn rate(events: u32) -> NonZeroU32 {
    NonZeroU32::new(events).unwrap()
}
