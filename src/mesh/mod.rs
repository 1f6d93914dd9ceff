//! The timely workers of a live cluster, over authenticated connections between its nodes.
//!
//! A *generation* is one [`Mesh`]: the workers of this node and one [`Connection`] to each other node. A
//! process starts and ends many generations one after the other. So nothing here may panic, block
//! forever, or remain after its generation: a lost peer, a failed worker and a regular end all take the
//! same path. They end the [`Fate`], whose owner then calls [`Mesh::end`].
//!
//! Who may connect is decided by an [`Identity`]. What a connection is for is decided by its first
//! message, which is not part of this module.

mod error;
mod mutex;
mod reason;

mod identity;

mod connection;
mod dial;
mod handshake;
mod tls;

mod chunks;
mod fate;
mod frames;
mod link;
mod peer;
mod queue_limit;

mod running;

#[cfg(test)]
mod tests;

pub use connection::Connection;
pub use error::{ConnectionError, IdentityError, MeshError, Stuck};
pub use fate::Fate;
pub use identity::{Identity, node_name};
pub use peer::Peer;
pub use running::{Mesh, MeshConfig};
