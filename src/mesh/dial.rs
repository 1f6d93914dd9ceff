//! Opens a socket to a node that may have several addresses.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::error::ConnectionError;

/// Connects to the first address of node `to` that answers before `deadline`.
pub(super) fn dial(
    addresses: &[SocketAddr],
    to: usize,
    deadline: Instant,
) -> Result<TcpStream, ConnectionError> {
    let mut failed = ConnectionError::NoAddress(to);
    for (others, &address) in (1..=addresses.len() as u32).rev().zip(addresses) {
        // Leave time for the other addresses. A limit of zero would be invalid.
        let limit = deadline.saturating_duration_since(Instant::now()) / others;
        match TcpStream::connect_timeout(&address, limit.max(Duration::from_millis(1))) {
            Ok(socket) if is_connected_to_itself(&socket) => {
                let error = ErrorKind::ConnectionRefused.into();
                failed = ConnectionError::Unreachable { address, error };
            }
            Ok(socket) => return Ok(socket),
            Err(error) => failed = ConnectionError::Unreachable { address, error },
        }
    }
    Err(failed)
}

/// Happens on one machine if nobody listens and the kernel selects the port itself as the local port.
fn is_connected_to_itself(socket: &TcpStream) -> bool {
    matches!((socket.local_addr(), socket.peer_addr()), (Ok(local), Ok(peer)) if local == peer)
}
