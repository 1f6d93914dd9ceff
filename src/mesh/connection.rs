//! An established connection between two nodes: plain TCP or TLS.

use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};
use tokio_rustls::rustls;

use super::dial::dial;
use super::error::ConnectionError;
use super::handshake::shake_hands;
use super::identity::Identity;
use super::reason;
use super::tls::Tls;

/// When an idle connection is probed, and how often until it counts as lost: a peer without power or
/// network is noticed after 10 s.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(5))
    .with_interval(Duration::from_secs(1))
    .with_retries(5);

/// The first bytes of an alert and of a handshake (RFC 8446, section 5.1).
const TLS_RECORDS: [u8; 2] = [0x15, 0x16];

/// An established connection. Clones share it; the last one that is dropped closes it.
///
/// `&Connection` implements [`Read`] and [`Write`]. One thread can read while another one writes.
#[derive(Clone, Debug)]
pub struct Connection {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    socket: TcpStream,
    layer: Layer,
}

#[derive(Debug)]
enum Layer {
    Plain { has_read: AtomicBool },
    Tls(Box<Tls>),
}

impl Connection {
    /// Connects to node `to` at the first of `addresses` that answers, and shakes hands before
    /// `deadline`. Without an identity the connection is plain TCP.
    ///
    /// # Errors
    /// No address answers, the peer is not node `to`, or it refuses the certificate of this node.
    pub fn connect(
        addresses: &[SocketAddr],
        to: usize,
        identity: Option<&Identity>,
        deadline: Instant,
    ) -> Result<Self, ConnectionError> {
        let socket = dial(addresses, to, deadline)?;
        Self::establish(socket, identity.map(|identity| identity.connect(to)), deadline)
    }

    /// Shakes hands with the peer that opened `socket` before `deadline`. Without an identity the
    /// connection is plain TCP.
    ///
    /// Call [`check_peer`](Self::check_peer) once the peer has said which node it is.
    ///
    /// # Errors
    /// The peer has no valid certificate of the cluster's CA, or does not speak TLS.
    pub fn accept(
        socket: TcpStream,
        identity: Option<&Identity>,
        deadline: Instant,
    ) -> Result<Self, ConnectionError> {
        Self::establish(socket, identity.map(Identity::accept), deadline)
    }

    fn establish(
        socket: TcpStream,
        session: Option<Result<rustls::Connection, rustls::Error>>,
        deadline: Instant,
    ) -> Result<Self, ConnectionError> {
        socket.set_nonblocking(false)?;
        socket.set_nodelay(true)?;
        SockRef::from(&socket).set_tcp_keepalive(&KEEPALIVE)?;
        let layer = match session {
            None => Layer::Plain { has_read: AtomicBool::new(false) },
            Some(session) => {
                let refused = |error| ConnectionError::Handshake(reason::tls(&error));
                let mut session = session.map_err(refused)?;
                shake_hands(&mut session, &socket, deadline)?;
                Layer::Tls(Box::new(Tls::new(session)))
            }
        };
        let connection = Self { shared: Arc::new(Shared { socket, layer }) };
        connection.set_read_timeout(None)?;
        connection.set_write_timeout(None)?;
        Ok(connection)
    }

    /// Checks that the peer is `node`. Plain TCP trusts what the peer claims.
    ///
    /// # Errors
    /// The peer's certificate is not that of `node`.
    pub fn check_peer(&self, node: usize) -> Result<(), ConnectionError> {
        match &self.shared.layer {
            Layer::Plain { .. } => Ok(()),
            Layer::Tls(tls) => {
                tls.check_peer(node).map_err(|reason| ConnectionError::WrongNode { node, reason })
            }
        }
    }

    /// The address of the peer.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn peer_address(&self) -> io::Result<SocketAddr> {
        self.shared.socket.peer_addr()
    }

    /// Limits how long a read waits for the peer. It then fails with `WouldBlock`, and may be repeated.
    ///
    /// # Errors
    /// The limit is zero.
    pub fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.shared.socket.set_read_timeout(limit)
    }

    /// Limits how long the peer may accept no bytes, or leave bytes unacknowledged. A write, or with
    /// unacknowledged bytes also a read, then fails, and the connection must be closed.
    ///
    /// # Errors
    /// The limit is zero.
    pub fn set_write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        // The kernel's own limit is about 15 minutes.
        #[cfg(target_os = "linux")]
        SockRef::from(&self.shared.socket).set_tcp_user_timeout(limit)?;
        self.shared.socket.set_write_timeout(limit)
    }

    /// Closes the connection for all clones: reads return 0, and writes fail. Those that wait return.
    pub fn shutdown(&self) {
        // It fails if the peer has closed the connection.
        self.shared.socket.shutdown(Shutdown::Both).unwrap_or_default();
    }

    /// Ends what this side sends. It can still read.
    pub(super) fn shutdown_write(&self) {
        self.shared.socket.shutdown(Shutdown::Write).unwrap_or_default();
    }

    #[cfg(test)]
    pub(super) fn change_key(&self) {
        match &self.shared.layer {
            Layer::Plain { .. } => {}
            Layer::Tls(tls) => tls.change_key(),
        }
    }
}

impl Read for &Connection {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let Shared { socket, layer } = &*self.shared;
        match layer {
            Layer::Tls(tls) => tls.read(socket, bytes),
            Layer::Plain { has_read } => {
                let read = (&*socket).read(bytes)?;
                // No message between nodes begins like a TLS record.
                if !has_read.swap(true, Ordering::Relaxed)
                    && bytes
                        .get(..read)
                        .and_then(<[u8]>::first)
                        .is_some_and(|first| TLS_RECORDS.contains(first))
                {
                    let reason = "the peer speaks TLS, but this node has no certificate; give \
                                  certificates to all nodes or to none";
                    return Err(Error::new(ErrorKind::InvalidData, reason));
                }
                Ok(read)
            }
        }
    }
}

impl Write for &Connection {
    /// Writes to the socket, without a buffer. After an error the connection must be closed, because the
    /// peer may have received a part.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Shared { socket, layer } = &*self.shared;
        match layer {
            Layer::Plain { .. } => (&*socket).write(bytes),
            Layer::Tls(tls) => tls.write(socket, bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
