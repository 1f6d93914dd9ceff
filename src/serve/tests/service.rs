//! A service on a port of its own, and a client for it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;
use velodrome_dataflows::EventTime;

use super::{ARRIVAL_MS, BANS_SINCE_MS, without_tokens};
use crate::bans::{Bans, tests as bans_tests};
use crate::cluster::Status;
use crate::dead_letters::DeadLetterQueue;
use crate::engine::{Engine, Events};
use crate::health::Health;
use crate::live_state::LiveState;
use crate::log;
use crate::publish::HistoryObjects;
use crate::rebuild_requests::RebuildRequests;
use crate::serve::{App, AppParts, Config, metrics, router, server, stream};
use crate::store::Directory;

/// The time that is complete at first.
const COMPLETE_MS: EventTime = 1_620_240_000_000;

/// A running service.
pub(super) struct Service {
    pub(super) address: SocketAddr,
    pub(super) app: App,
    pub(super) log: log::Log<Events>,
    /// The time up to which the engine is complete.
    pub(super) complete: watch::Sender<EventTime>,
    pub(super) live_state: Arc<LiveState>,
    /// The lag of the engine, in ms.
    pub(super) lag_ms: Arc<AtomicU64>,
    pub(super) dir: TempDir,
    pub(super) shutdown: watch::Sender<bool>,
    pub(super) server: Option<JoinHandle<()>>,
}

/// A response.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: ureq::http::HeaderMap,
    pub(super) text: String,
}

impl Service {
    /// A service that has started.
    pub(super) fn start(config: Config) -> Self {
        let service = Self::starting(config);
        service.finish_start();
        service
    }

    /// A service that is still starting.
    pub(super) fn starting(config: Config) -> Self {
        Self::starting_with(None, config)
    }

    /// A service that is still starting, with TLS if `tls` is given.
    pub(super) fn starting_with(tls: Option<Arc<ServerConfig>>, config: Config) -> Self {
        Self::open(tls, None, COMPLETE_MS, config)
    }

    /// A node of a cluster that has started.
    pub(super) fn start_node(status: Status) -> Self {
        let service = Self::open(None, Some(status), COMPLETE_MS, without_tokens());
        service.finish_start();
        service
    }

    /// A node of a cluster that has started and was part of no generation.
    pub(super) fn start_first_node(status: Status) -> Self {
        let service = Self::open(None, Some(status), 0, without_tokens());
        service.finish_start();
        service
    }

    fn open(
        tls: Option<Arc<ServerConfig>>,
        cluster: Option<Status>,
        complete: EventTime,
        config: Config,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (complete, completed) = watch::channel(complete);
        let worker = bans_tests::worker(|_| BANS_SINCE_MS);
        let live_state = Arc::new(LiveState::default());
        let engine = Engine::new(vec![worker], completed, Arc::clone(&live_state));
        let (clock, _) = log::Clock::manual(ARRIVAL_MS);
        let health = Health::default();
        let dead_letters = DeadLetterQueue::open(dir.path(), clock.clone(), &health).unwrap();
        let archive = Arc::new(Directory::new(dir.path().join("archive")));
        let log = log::open(dir.path(), archive, clock, false).unwrap();
        let log = log.start(health.component("archive"), log::AdmitAll, |_| {}).unwrap();
        let lag_ms = Arc::new(AtomicU64::new(0));
        let shared_lag_ms = Arc::clone(&lag_ms);
        let lag = Box::new(move || Duration::from_millis(shared_lag_ms.load(Ordering::Relaxed)));
        let (proxies, limits) = (config.proxies.clone(), config.limits);
        let (shutdown, stopped) = watch::channel(false);
        let bans = Bans::open(dir.path(), engine.clone()).unwrap();
        let (objects, rebuilds) = (HistoryObjects::new(1), RebuildRequests::default());
        let parts =
            AppParts { engine, lag, dead_letters, health, objects, bans, rebuilds, cluster };
        let app = App::new(parts, config);
        let router = router(app.clone(), metrics::install().unwrap());
        let streams = app.clone().run_streams(stopped.clone());

        let (bound, address) = std::sync::mpsc::channel();
        let server = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = server::listen("127.0.0.1:0".parse().unwrap()).unwrap();
                bound.send(listener.local_addr().unwrap()).unwrap();
                tokio::spawn(streams);
                server::serve(listener, tls, router, proxies, limits, stopped).await;
            });
        });
        let address = address.recv().unwrap();
        let server = Some(server);
        Self { address, app, log, complete, live_state, lag_ms, dir, shutdown, server }
    }

    /// Accepts events and answers reads from now on.
    pub(super) fn finish_start(&self) {
        self.app.start(self.log.clone());
    }

    /// The events in the log, without the arrival that all of them have.
    pub(super) fn logged(&self) -> Vec<String> {
        let arrival = format!(r#","arrivalTimestamp":{ARRIVAL_MS}}}"#);
        let event = |line: &str| line.strip_suffix(&arrival).unwrap().to_owned() + "}";
        read_files(&self.dir.path().join("log")).lines().map(event).collect()
    }

    /// All dead letters, in order.
    pub(super) fn dead_letters(&self) -> Vec<Value> {
        let text = read_files(&self.dir.path().join("rejected"));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(super) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let agent = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = agent.allow_non_standard_methods(true).build().new_agent();
        let uri = format!("http://{}{path}", self.address);
        let mut request = ureq::http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = agent.run(request.body(body).unwrap()).unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        // A stream has no end, so its body is not read.
        let is_stream =
            headers.get("content-type").is_some_and(|kind| kind == stream::CONTENT_TYPE);
        // A refused one ends at once.
        let is_endless = is_stream && !headers.contains_key("retry-after");
        let text = (!is_endless).then(|| response.body_mut().read_to_string().unwrap());
        Answer { status, headers, text: text.unwrap_or_default() }
    }

    pub(super) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], b"")
    }

    /// Posts events as the content type `media_type`.
    pub(super) fn post(&self, media_type: &str, body: impl AsRef<[u8]>) -> Answer {
        self.request("POST", "/v1/events", &[("content-type", media_type)], body.as_ref())
    }

    pub(super) fn connect(&self) -> TcpStream {
        self.connect_from("127.0.0.1")
    }

    /// A connection of a client at a loopback address.
    pub(super) fn connect_from(&self, client: &str) -> TcpStream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(client.parse().unwrap(), 0).into()).unwrap();
        socket.connect(&self.address.into()).unwrap();
        let stream = TcpStream::from(socket);
        // Without a timeout, a failing test would hang.
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Sends bytes unchanged, and reads until the server closes the connection.
    pub(super) fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        read_to_end(&mut stream)
    }

    /// Stops the service, and waits until all requests have ended.
    pub(super) fn stop(&mut self) {
        self.shutdown.send_replace(true);
        if let Some(server) = self.server.take() {
            server.join().unwrap();
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shutdown.send_replace(true);
    }
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// The value of a header; empty if it is absent.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status and code of an error, which must have a message.
    pub(super) fn error(&self) -> (u16, String) {
        let json = self.json();
        assert_ne!(json["error"]["message"].as_str().unwrap(), "");
        (self.status, json["error"]["code"].as_str().unwrap().to_owned())
    }
}

/// Reads until the other side closes the connection or resets it.
pub(super) fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("still open"),
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// The contents of all files in a directory, in the order of their names; empty if it does not exist.
fn read_files(dir: &Path) -> String {
    let files = fs::read_dir(dir).into_iter().flatten();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    // Without checksums.
    files.retain(|path| path.extension().is_none_or(|extension| extension != "sums"));
    files.sort();
    files.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}
