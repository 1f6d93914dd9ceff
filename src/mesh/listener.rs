//! Accepts connections from other nodes, and closes those of strangers.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::greetings::Greetings;
use super::identity::Identity;
use super::wire::WireMessage;

/// How long a connection may take until its first message is complete, and how long the reply may take.
const HELLO_TIME_MAX: Duration = Duration::from_secs(2);

/// An open port for other nodes. It remains open when this is dropped.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    is_stopped: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Listener {
    /// Listens on the first of `addresses` that can be used. `greet` gets each connection with its first
    /// message, on a thread of its own. The connection is closed if that message is late or something
    /// else, or if the peer has no valid certificate of the CA of `identity`.
    ///
    /// # Errors
    /// No address can be used, or the system refuses a thread.
    pub fn start<M: WireMessage>(
        addresses: &[SocketAddr],
        identity: Option<Identity>,
        greet: impl Fn(M, Connection) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(addresses)?;
        let address = listener.local_addr()?;
        let is_stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_stopped);
        let greet = move |socket: TcpStream| {
            let peer = socket.peer_addr();
            match receive_first(socket, identity.as_ref()) {
                Ok((message, connection)) => greet(message, connection),
                Err(error) => tracing::debug!(?peer, error, "a connection was refused"),
            }
        };
        let thread = thread::Builder::new().name("accept".to_owned());
        let thread = thread.spawn(move || accept_all(&listener, &stop, &Arc::new(greet)))?;
        Ok(Self { address, is_stopped, thread })
    }

    /// Closes the port.
    pub fn stop(self) {
        self.is_stopped.store(true, Ordering::Release);
        // A connection ends the wait for one.
        if TcpStream::connect_timeout(&self.address, HELLO_TIME_MAX).is_ok() {
            self.thread.join().unwrap_or_default();
        }
    }
}

fn accept_all(
    listener: &TcpListener,
    is_stopped: &AtomicBool,
    greet: &Arc<impl Fn(TcpStream) + Send + Sync + 'static>,
) {
    let greetings = Greetings::default();
    for socket in listener.incoming() {
        if is_stopped.load(Ordering::Acquire) {
            return;
        }
        match socket {
            Ok(socket) => {
                if let Some(greeting) = greetings.begin(&socket) {
                    let greet = Arc::clone(greet);
                    let thread = thread::Builder::new().name("greet".to_owned());
                    // If the system refuses the thread, the connection is closed, and the node tries again.
                    _ = thread.spawn(move || {
                        greet(socket);
                        drop(greeting);
                    });
                }
            }
            // Most likely too many open files: do not spin until some are closed.
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn receive_first<M: WireMessage>(
    socket: TcpStream,
    identity: Option<&Identity>,
) -> Result<(M, Connection), String> {
    let deadline = Instant::now() + HELLO_TIME_MAX;
    let connection =
        Connection::accept(socket, identity, deadline).map_err(|error| error.to_string())?;
    let message = M::receive_first(&connection, deadline)
        .and_then(|message| connection.set_write_timeout(Some(HELLO_TIME_MAX)).map(|()| message));
    Ok((message.map_err(|error| error.to_string())?, connection))
}
