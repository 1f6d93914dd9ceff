//! Clients of a stream as processes of their own, and the connection between them and the service.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use crate::serving::wait_for;

/// A port that leads to a service, until it is cut or leads to another one.
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
                // One that does not answer is as good as one that hangs up.
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

    /// Leads to another service from now on.
    pub(crate) fn lead_to(&self, url: &str) {
        self.state.lock().unwrap().upstream = address(url);
        self.cut();
    }
}

fn address(url: &str) -> SocketAddr {
    url.strip_prefix("http://").unwrap().parse().unwrap()
}

/// A client, which makes states of topics from frames.
pub(crate) struct Follower {
    child: Child,
    seen: Arc<Mutex<Seen>>,
}

/// What a client has seen.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    /// The name of each event.
    pub(crate) events: Vec<String>,
    /// The id of the last frame, where the client tells it.
    pub(crate) last_id: Option<String>,
    /// What the client has made of each topic, its rows in no order.
    topics: BTreeMap<String, Value>,
}

impl Follower {
    /// An `EventSource` as browsers have it.
    pub(crate) fn event_source(url: &str) -> Self {
        Self::node("follow.mjs", url)
    }

    /// A REST client of Firebase, whose one topic is the path that it listens at.
    pub(crate) fn odometer(url: &str) -> Self {
        Self::node("odometer.mjs", url)
    }

    fn node(script: &str, url: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let packages = root.join("target/node");
        let is_there = packages.join("node_modules/eventsource").is_dir();
        assert!(is_there, "there is no {}/node_modules; scripts/test makes it", packages.display());
        let mut node = Command::new("node");
        node.arg(root.join("tests/it").join(script)).arg(packages).arg(url);
        Self::start(node, |out, seen| {
            for line in out.lines().map_while(Result::ok) {
                let state: Value = serde_json::from_str(&line).unwrap();
                seen.lock().unwrap().take(state);
            }
        })
    }

    /// `curl`, whose frames are put together here; it goes on behind the frame of id `last`.
    pub(crate) fn curl(url: &str, seen: Seen) -> Self {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--no-buffer", url]);
        if let Some(last) = &seen.last_id {
            curl.args(["--header", &format!("last-event-id: {last}")]);
        }
        let follower = Self::start(curl, |out, seen| {
            let (mut id, mut event) = (None, String::new());
            for line in out.lines().map_while(Result::ok) {
                if let Some(text) = line.strip_prefix("id: ") {
                    id = Some(text.to_owned());
                } else if let Some(text) = line.strip_prefix("event: ") {
                    event = text.to_owned();
                } else if let Some(text) = line.strip_prefix("data: ") {
                    let frame = serde_json::from_str(text).unwrap();
                    seen.lock().unwrap().merge(&event, frame, id.take());
                }
            }
        });
        *follower.seen.lock().unwrap() = seen;
        follower
    }

    fn start(
        mut command: Command,
        read: impl FnOnce(BufReader<ChildStdout>, &Mutex<Seen>) + Send + 'static,
    ) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let seen = Arc::<Mutex<Seen>>::default();
        let shared = Arc::clone(&seen);
        thread::spawn(move || read(out, &shared));
        Self { child, seen }
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    /// Waits for a state of a topic, and gives it.
    pub(crate) fn wait_for(&self, topic: &str, is_there: impl Fn(&Value) -> bool) -> Value {
        let mut state = Value::Null;
        wait_for(&format!("{topic} is as it should be"), || {
            state = self.seen.lock().unwrap().topics.get(topic).cloned().unwrap_or_default();
            is_there(&state)
        });
        state
    }

    /// Ends it, and gives what it has seen.
    pub(crate) fn end(mut self) -> Seen {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.seen()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // A test that failed leaves it running.
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

impl Seen {
    fn take(&mut self, mut state: Value) {
        let event = state["event"].take();
        self.events.push(event.as_str().unwrap().to_owned());
        self.topics.insert(state["topic"].as_str().unwrap().to_owned(), state);
    }

    /// Puts rows of standings where they belong.
    fn merge(&mut self, event: &str, mut frame: Value, id: Option<String>) {
        let topic = frame["topic"].as_str().unwrap();
        if event == "delta" {
            let gone = frame["gone"].as_array().unwrap().clone();
            let is_new = |racer: &Value| {
                let rows = frame["rows"].as_array().unwrap();
                !gone.contains(racer) && rows.iter().all(|row| row["racerId"] != *racer)
            };
            let known = self.topics[topic]["rows"].as_array().unwrap().iter();
            let mut kept: Vec<_> = known.filter(|row| is_new(&row["racerId"])).cloned().collect();
            kept.append(frame["rows"].as_array_mut().unwrap());
            frame["rows"] = kept.into();
        }
        frame["event"] = event.into();
        self.last_id = id.or(self.last_id.take());
        self.take(frame);
    }
}
