//! Accepts connections from other nodes, and refuses everybody else.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::clock_difference;
use super::config::ClusterConfig;
use super::coordinator::Event;
use super::error::ClusterError;
use super::greetings::Greetings;
use super::links::LinkRoom;
use super::message::{Hello, Message, Purpose};
use crate::engine::Settings;
use crate::log::Clock;
use crate::mesh::Connection;

/// How long a connection may take until its hello is there.
const HELLO_TIME_MAX: Duration = Duration::from_secs(2);

/// The connections that a node accepts.
pub(super) struct Listener {
    pub(super) config: Arc<ClusterConfig>,
    pub(super) settings: Settings,
    pub(super) links: Arc<LinkRoom>,
    /// Receives control connections; only the coordinator has it.
    pub(super) controls: Option<Mutex<Sender<Event>>>,
}

/// A listener that accepts connections.
#[derive(Debug)]
pub(super) struct RunningListener {
    address: SocketAddr,
    is_stopped: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl RunningListener {
    /// Closes the port.
    pub(super) fn stop(self) {
        self.is_stopped.store(true, Ordering::Release);
        // A connection ends the wait for one.
        if TcpStream::connect_timeout(&self.address, HELLO_TIME_MAX).is_ok() {
            self.thread.join().unwrap_or_default();
        }
    }
}

impl Listener {
    /// Listens on the node's cluster address until the returned listener is stopped.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub(super) fn start(self) -> Result<RunningListener, ClusterError> {
        let node = self.config.node();
        let address = node.address.clone();
        let failed = |reason| ClusterError::Listen { address: address.clone(), reason };
        let listener = TcpListener::bind(&node.addresses[..]).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (this, stop) = (Arc::new(self), Arc::clone(&is_stopped));
        let thread = thread::Builder::new().name("cluster".to_owned());
        let thread = thread.spawn(move || this.accept_all(&listener, &stop));
        let thread = thread.map_err(ClusterError::Thread)?;
        Ok(RunningListener { address: bound, is_stopped, thread })
    }

    fn accept_all(self: Arc<Self>, listener: &TcpListener, is_stopped: &AtomicBool) {
        let greetings = Greetings::default();
        for stream in listener.incoming() {
            if is_stopped.load(Ordering::Acquire) {
                return;
            }
            match stream {
                Ok(stream) => {
                    if let Some(greeting) = greetings.begin(&stream) {
                        let this = Arc::clone(&self);
                        thread::spawn(move || {
                            this.greet(stream);
                            drop(greeting);
                        });
                    }
                }
                // Most likely too many open files: do not spin until some are closed.
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    /// Reads the hello of a connection. The connection is closed if it sends something else.
    fn greet(&self, stream: TcpStream) {
        let deadline = Instant::now() + HELLO_TIME_MAX;
        let peer = stream.peer_addr();
        let greeted = Connection::accept(stream, self.config.identity.as_deref(), deadline)
            .map_err(|error| error.to_string())
            .and_then(|connection| {
                let first = Message::receive_first(&connection, deadline);
                Ok((connection, first.map_err(|error| error.to_string())?))
            });
        match greeted {
            Ok((connection, Message::Hello(hello))) => match self.refusal(&hello, &connection) {
                None => self.take(hello, connection),
                Some(reason) => Message::refuse(&connection, reason),
            },
            Ok(_) => tracing::debug!(?peer, "a connection did not begin with a hello"),
            Err(error) => tracing::debug!(?peer, error, "a connection to the cluster was refused"),
        }
    }

    /// Why the sender of a hello cannot be connected.
    fn refusal(&self, hello: &Hello, connection: &Connection) -> Option<String> {
        let own = self.config.node().id;
        if hello.cluster != self.config.cluster {
            let (theirs, ours) = (&hello.cluster, &self.config.cluster);
            return Some(format!(
                "this is cluster '{ours}', not '{theirs}'; give all nodes the same cluster file"
            ));
        }
        if hello.to != own {
            let to = hello.to;
            return Some(format!(
                "this is node {own}, not {to}; give all nodes the same cluster file"
            ));
        }
        if self.config.find(hello.from).is_none() {
            return Some(format!("the cluster file of node {own} has no node {}", hello.from));
        }
        if let Err(error) = connection.check_peer(hello.from) {
            return Some(error.to_string());
        }
        if let Some(reason) = clock_difference::refusal(hello.machine_ms, &Clock::system(), own) {
            return Some(reason);
        }
        let [what, theirs, ours] = self.settings.difference(&hello.settings)?;
        Some(format!("its {what} is {theirs}, and that of node {own} is {ours}; make them equal"))
    }

    fn take(&self, hello: Hello, connection: Connection) {
        match (hello.purpose, &self.controls) {
            (Purpose::Link(generation), _) => self.links.put(hello.from, generation, connection),
            (Purpose::Control, Some(controls)) => {
                let controls = controls.lock().unwrap_or_else(PoisonError::into_inner);
                controls.send(Event::Arrival(hello.from, connection)).unwrap_or_default();
            }
            (Purpose::Control, None) => {
                Message::refuse(&connection, "only node 0 forms the cluster".to_owned());
            }
        }
    }
}
