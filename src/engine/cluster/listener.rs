//! Accepts connections from other processes, and disconnects strangers.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use super::control::Event;
use super::error::ClusterError;
use super::hosts::Cluster;
use super::message::Message;

/// Connections that have not sent their hello yet. Further ones are disconnected; a process that is
/// disconnected tries again.
const GREETING_MAX: usize = 16;

/// How long a connection may take to send its hello.
const HELLO_TIME_MAX: Duration = Duration::from_secs(5);

/// How long a message may take to be written.
pub(super) const WRITE_TIME_MAX: Duration = Duration::from_secs(5);

/// Listens on the address of this process, and sends connections that begin with a hello to `events`.
///
/// The port stays open until the process ends: a process that comes too late is refused with a reason.
pub(super) fn listen(cluster: &Cluster, events: &Sender<Event>) -> Result<(), ClusterError> {
    let Some(host) = cluster.hosts.get(cluster.process) else { return Ok(()) };
    let failed = |error| ClusterError::Listen(host.name.clone(), error);
    let listener = TcpListener::bind(&host.addresses[..]).map_err(failed)?;
    let (process, events) = (cluster.process, events.clone());
    // Each connection that is being greeted has a clone.
    let slots = Arc::new(());
    let accept = move || {
        for stream in listener.incoming() {
            match stream {
                Ok(stream) if Arc::strong_count(&slots) <= GREETING_MAX => {
                    let (slot, events) = (Arc::clone(&slots), events.clone());
                    thread::spawn(move || {
                        greet(stream, process, &events);
                        drop(slot);
                    });
                }
                Ok(_) => {}
                // Most likely too many open files: do not spin until some are closed.
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
    };
    thread::Builder::new().name("accept".to_owned()).spawn(accept).map_err(failed)?;
    Ok(())
}

/// Reads the hello of a connection. The connection is closed if it sends something else.
fn greet(stream: TcpStream, process: usize, events: &Sender<Event>) {
    let prepared = stream.set_nodelay(true).and(stream.set_write_timeout(Some(WRITE_TIME_MAX)));
    let message =
        prepared.and_then(|()| Message::receive_first(&stream, Instant::now() + HELLO_TIME_MAX));
    let Ok(Message::Hello(hello)) = message else { return };
    if hello.to == process {
        events.send(Event::Arrival(hello, stream)).unwrap_or_default();
    } else {
        let (wanted, found) = (hello.to, process);
        let reason =
            format!("this is process {found}, not {wanted}; list the hosts in the same order");
        refuse(&stream, reason);
    }
}

/// Replies to a hello that this process does not belong to the run.
pub(super) fn refuse(stream: &TcpStream, reason: String) {
    // The other process may be gone already, and then it needs no reason.
    Message::End { status: 2, error: Some(reason) }.send(stream).unwrap_or_default();
}
