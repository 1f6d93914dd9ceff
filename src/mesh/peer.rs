//! Another node of a mesh.

use super::connection::Connection;

/// Another node of a mesh, and the connection to it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// What messages call it, such as "node 1".
    pub name: String,
    /// The connection, which nothing but timely uses once the mesh has started.
    pub connection: Connection,
}
