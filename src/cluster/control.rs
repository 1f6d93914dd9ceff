//! The control connections of a cluster, whose heartbeats carry the times of the logs.

use std::io;
use std::time::Duration;

use super::message::Message;
use crate::log::Clock;
use crate::mesh::{self, Connection, Heartbeats};

/// A node whose clock is late follows the others at the interval of the heartbeats.
const HEARTBEATS: Heartbeats =
    Heartbeats { interval: Duration::from_millis(100), silence_max: Duration::from_secs(5) };

/// A control connection.
pub(super) type Control = mesh::Control<Message>;

/// What arrives on a control connection.
pub(super) type Received = mesh::Received<Message>;

/// Starts to read and write `connection`. `receive` is called with what arrives except heartbeats, on a thread of its
/// own. Heartbeats carry the time of `clock`, which follows those that arrive.
pub(super) fn start(
    connection: Connection,
    clock: Clock,
    receive: impl Fn(Received) + Send + 'static,
) -> io::Result<Control> {
    let own_clock = clock.clone();
    let heartbeat = move || Message::Heartbeat { clock_ms: own_clock.now() };
    Control::start(connection, HEARTBEATS, heartbeat, move |received| match received {
        Received::Message(Message::Heartbeat { clock_ms }) => clock.follow(clock_ms),
        received => receive(received),
    })
}
