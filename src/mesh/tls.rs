//! A TLS session over a socket that one thread reads while another writes.
//!
//! No thread waits for the socket while it has the session locked. Otherwise a reader that waits for the
//! peer would block the writer, and two nodes could wait for each other.

use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;

use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{self, Connection};

use super::mutex::lock;
use super::{identity, reason};

/// Bytes that are read from the socket at once: four records of the maximum size (RFC 8446, section 5.1).
const READ_BYTES: usize = 64 << 10;

/// A TLS session after its handshake.
///
/// A thread locks `inbound` or `outbound` before `session`, and never both of them.
#[derive(Debug)]
pub(super) struct Tls {
    session: Mutex<Connection>,
    /// Locked by the reader, also while it waits for the socket.
    inbound: Mutex<Inbound>,
    /// Encrypted bytes for the socket. Locked by the writer, also while it waits for the socket, so that
    /// records reach the socket in the order of their encryption.
    outbound: Mutex<Vec<u8>>,
}

/// Encrypted bytes from the socket. The session has not consumed those from `start` to `end`.
#[derive(Debug)]
struct Inbound {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Tls {
    pub(super) fn new(session: Connection) -> Self {
        let buffer = vec![0; READ_BYTES].into_boxed_slice();
        Self {
            session: Mutex::new(session),
            inbound: Mutex::new(Inbound { buffer, start: 0, end: 0 }),
            outbound: Mutex::default(),
        }
    }

    /// Checks that the peer's certificate is valid for `node`. The handshake has verified its issuer.
    ///
    /// # Errors
    /// Returns why it is not valid.
    pub(super) fn check_peer(&self, node: usize) -> Result<(), String> {
        let session = lock(&self.session);
        let cert = session.peer_certificates().and_then(<[_]>::first);
        cert.ok_or(rustls::Error::NoCertificatesPresented)
            .and_then(ParsedCertificate::try_from)
            .and_then(|cert| verify_server_name(&cert, &identity::name(node)?))
            .map_err(|error| identity::certificate_reason(&error))
    }

    /// Reads decrypted bytes, or returns 0 at the end of the connection.
    ///
    /// The session may then have something to write, such as a new key. The next `write` sends it, which
    /// is early enough (RFC 8446, section 4.6.3). If the reader sent it, the reader would wait for a
    /// writer that waits for the peer.
    pub(super) fn read(&self, socket: &TcpStream, bytes: &mut [u8]) -> io::Result<usize> {
        let mut inbound = lock(&self.inbound);
        loop {
            if let Some(read) = self.decrypt(&mut inbound, socket, bytes)? {
                return Ok(read);
            }
            if inbound.fill(socket)? == 0 {
                return Ok(0);
            }
        }
    }

    /// Decrypts received bytes. Returns `None` if there are too few.
    fn decrypt(
        &self,
        inbound: &mut Inbound,
        socket: &TcpStream,
        bytes: &mut [u8],
    ) -> io::Result<Option<usize>> {
        let mut session = lock(&self.session);
        loop {
            match session.reader().read(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read.map(Some),
            }
            if inbound.start == inbound.end {
                return Ok(None);
            }
            session.read_tls(inbound)?;
            if let Err(error) = session.process_new_packets() {
                drop(session);
                self.send_alert(socket);
                return Err(Error::new(ErrorKind::InvalidData, reason::tls(&error)));
            }
        }
    }

    /// Sends the peer why the session has failed, unless a writer waits for the socket.
    fn send_alert(&self, socket: &TcpStream) {
        if let Ok(mut outbound) = self.outbound.try_lock()
            && encrypted(&mut lock(&self.session), &mut outbound).is_ok()
        {
            (&*socket).write_all(&outbound).unwrap_or_default();
        }
    }

    /// Encrypts and writes some of `bytes`. Returns how many.
    ///
    /// # Errors
    /// After an error the session cannot be used any more.
    pub(super) fn write(&self, socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        let mut outbound = lock(&self.outbound);
        let mut session = lock(&self.session);
        let written = session.writer().write(bytes)?;
        encrypted(&mut session, &mut outbound)?;
        drop(session);
        (&*socket).write_all(&outbound)?;
        outbound.clear();
        Ok(written)
    }

    /// Changes the key at the next write, as happens by itself after some hundred gigabytes.
    #[cfg(test)]
    pub(super) fn change_key(&self) {
        lock(&self.session).refresh_traffic_keys().unwrap();
    }
}

/// Appends all that `session` has to send to `outbound`.
fn encrypted(session: &mut Connection, outbound: &mut Vec<u8>) -> io::Result<()> {
    while session.wants_write() {
        session.write_tls(outbound)?;
    }
    Ok(())
}

impl Inbound {
    /// Waits for bytes from the socket. All previous ones must be consumed.
    fn fill(&mut self, mut socket: &TcpStream) -> io::Result<usize> {
        let read = socket.read(&mut self.buffer)?;
        (self.start, self.end) = (0, read);
        Ok(read)
    }
}

impl Read for Inbound {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut remaining = self.buffer.get(self.start..self.end).unwrap_or_default();
        let read = remaining.read(bytes)?;
        self.start += read;
        Ok(read)
    }
}
