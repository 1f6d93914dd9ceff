//! Stream clients in processes of their own, and a proxy between them and the service.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use crate::serving::wait_for;

/// A TCP proxy to a service. It can cut its connections and switch to another service.
pub(crate) struct Proxy {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

struct State {
    upstream: SocketAddr,
    open: Vec<TcpStream>,
}

impl Proxy {
    pub(crate) fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { upstream: address(url), open: Vec::new() }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let mut state = shared.lock().unwrap();
                // If the service does not accept, the client's connection is dropped.
                let Ok(service) = TcpStream::connect(state.upstream) else { continue };
                for (from, to) in [(&client, &service), (&service, &client)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    state.open.push(from.try_clone().unwrap());
                    thread::spawn(move || {
                        io::copy(&mut from, &mut to).map(drop).unwrap_or_default();
                        to.flush().unwrap_or_default();
                        to.shutdown(Shutdown::Both).unwrap_or_default();
                    });
                }
            }
        });
        Self { url: own, state }
    }

    /// Cuts all connections.
    pub(crate) fn cut(&self) {
        for stream in self.state.lock().unwrap().open.drain(..) {
            stream.shutdown(Shutdown::Both).unwrap_or_default();
        }
    }

    /// Forwards new connections to another service.
    pub(crate) fn forward_to(&self, url: &str) {
        self.state.lock().unwrap().upstream = address(url);
        self.cut();
    }
}

/// Google's library for Firebase, which speaks REST. Its first argument is the URL of a service.
pub(crate) fn firebase_admin() -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/firebase-admin-7.1.0/bin/python");
    assert_installed(&python);
    let mut command = Command::new(python);
    command.arg(root.join("tests/it/firebase-admin.py"));
    command
}

fn assert_installed(path: &Path) {
    assert!(path.exists(), "{} is missing; scripts/test installs it", path.display());
}

fn address(url: &str) -> SocketAddr {
    url.strip_prefix("http://").unwrap().parse().unwrap()
}

/// A client process that builds the state of each topic from frames.
pub(crate) struct StreamClient {
    child: Child,
    received: Arc<Mutex<ReceivedFrames>>,
}

/// Everything that a client has received.
#[derive(Clone, Default)]
pub(crate) struct ReceivedFrames {
    /// The names of all events, in order.
    pub(crate) events: Vec<String>,
    /// The id of the last frame, if the client reports it.
    pub(crate) last_id: Option<String>,
    /// The current state of each topic, its rows unordered.
    topics: BTreeMap<String, Value>,
}

impl StreamClient {
    /// Starts a client with the `EventSource` API of browsers.
    pub(crate) fn event_source(url: &str) -> Self {
        Self::node("event-source.mjs", url)
    }

    /// Starts a REST client of Firebase. Its only topic is the streamed path.
    pub(crate) fn firebase(url: &str) -> Self {
        Self::node("firebase-client.mjs", url)
    }

    /// Starts a listener of firebase-admin. Its only topic is `path`.
    pub(crate) fn firebase_admin(url: &str, path: &str) -> Self {
        let mut python = firebase_admin();
        python.args([url, "listen", path]);
        Self::start_states(python)
    }

    fn node(script: &str, url: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let packages = root.join("target/node");
        assert_installed(&packages.join("node_modules/eventsource"));
        let mut node = Command::new("node");
        node.arg(root.join("tests/it").join(script)).arg(packages).arg(url);
        Self::start_states(node)
    }

    /// Starts a client that prints the state of a topic after each event, as a line of JSON.
    fn start_states(command: Command) -> Self {
        Self::start(command, |out, received| {
            for line in out.lines().map_while(Result::ok) {
                let state: Value = serde_json::from_str(&line).unwrap();
                received.lock().unwrap().record(state);
            }
        })
    }

    /// Starts `curl` and applies its frames to `received`. It resumes after the last frame of
    /// `received`.
    pub(crate) fn curl(url: &str, received: ReceivedFrames) -> Self {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--no-buffer", url]);
        if let Some(last) = &received.last_id {
            curl.args(["--header", &format!("last-event-id: {last}")]);
        }
        let client = Self::start(curl, |out, received| {
            let (mut id, mut event) = (None, String::new());
            for line in out.lines().map_while(Result::ok) {
                if let Some(text) = line.strip_prefix("id: ") {
                    id = Some(text.to_owned());
                } else if let Some(text) = line.strip_prefix("event: ") {
                    event = text.to_owned();
                } else if let Some(text) = line.strip_prefix("data: ") {
                    let frame = serde_json::from_str(text).unwrap();
                    received.lock().unwrap().merge(&event, frame, id.take());
                }
            }
        });
        *client.received.lock().unwrap() = received;
        client
    }

    fn start(
        mut command: Command,
        read: impl FnOnce(BufReader<ChildStdout>, &Mutex<ReceivedFrames>) + Send + 'static,
    ) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let received = Arc::<Mutex<ReceivedFrames>>::default();
        let shared = Arc::clone(&received);
        thread::spawn(move || read(out, &shared));
        Self { child, received }
    }

    pub(crate) fn received(&self) -> ReceivedFrames {
        self.received.lock().unwrap().clone()
    }

    /// Whether the value at a path of the tree is `value`.
    pub(crate) fn has(&self, path: &str, value: &Value) -> bool {
        self.received.lock().unwrap().topics.get(path).is_some_and(|state| state["value"] == *value)
    }

    /// Waits for a state of a topic and returns it.
    pub(crate) fn wait_for(&self, topic: &str, is_expected: impl Fn(&Value) -> bool) -> Value {
        let mut state = Value::Null;
        wait_for(&format!("{topic} has the expected state"), || {
            state = self.received.lock().unwrap().topics.get(topic).cloned().unwrap_or_default();
            is_expected(&state)
        });
        state
    }

    /// Kills the client and returns everything that it received.
    pub(crate) fn end(mut self) -> ReceivedFrames {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.received()
    }
}

impl Drop for StreamClient {
    fn drop(&mut self) {
        // After a failed test the process is still running.
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

impl ReceivedFrames {
    fn record(&mut self, mut state: Value) {
        let event = state["event"].take();
        self.events.push(event.as_str().unwrap().to_owned());
        self.topics.insert(state["topic"].as_str().unwrap().to_owned(), state);
    }

    /// Merges a frame of standings into the state of its topic.
    fn merge(&mut self, event: &str, mut frame: Value, id: Option<String>) {
        let topic = frame["topic"].as_str().unwrap();
        if event == "delta" {
            let gone = frame["gone"].as_array().unwrap().clone();
            let is_unchanged = |racer: &Value| {
                let rows = frame["rows"].as_array().unwrap();
                !gone.contains(racer) && rows.iter().all(|row| row["racerId"] != *racer)
            };
            let known = self.topics[topic]["rows"].as_array().unwrap().iter();
            let mut rows: Vec<_> =
                known.filter(|row| is_unchanged(&row["racerId"])).cloned().collect();
            rows.append(frame["rows"].as_array_mut().unwrap());
            frame["rows"] = rows.into();
        }
        frame["event"] = event.into();
        self.last_id = id.or(self.last_id.take());
        self.record(frame);
    }
}
