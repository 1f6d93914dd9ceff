//! Authenticated connections between nodes, and the timely workers that run over them: those of a live
//! cluster, and those of a replay, whose processes are its nodes.
//!
//! A *generation* is one [`Mesh`]: the workers of this node and one [`Connection`] to each other node. A
//! process starts and ends many generations one after the other. So nothing here may panic, block
//! forever, or remain after its generation: a lost peer, a failed worker and a regular end all take the
//! same path. They end the [`Fate`], whose owner then calls [`Mesh::end`].
//!
//! Who may connect is decided by an [`Identity`]. What a connection is for is decided by its first
//! message, whose meaning is not part of this module: a [`Listener`] returns it with the connection.

mod error;
mod mutex;
mod reason;

mod identity;

mod connection;
mod dial;
mod handshake;
mod tls;

mod control;
mod greetings;
mod listener;
mod wire;

mod chunks;
mod fate;
mod frames;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod link;
mod peer;
mod queue_limit;

mod running;

#[cfg(test)]
mod tests;

pub use connection::Connection;
pub use control::{Control, Heartbeats, Received};
pub use error::{ConnectionError, IdentityError, MeshError, Stuck};
pub use fate::Fate;
pub use identity::{CA, Identity, certificate_files, node_name};
pub use listener::Listener;
pub use peer::Peer;
pub use running::{Mesh, MeshConfig};
pub use wire::WireMessage;
