//! Accepts connections, limits their number and their time, and shuts down without losing responses.

mod activity;
mod connection;
mod connections;
mod requests;
mod unread_body;
mod watched_stream;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tracing::warn;

use self::activity::Activity;
use self::connection::{Connection, Protocols};
use self::connections::Connections;
use self::requests::Requests;
use super::client::Client;
use super::limits::Limits;
use super::proxies::TrustedProxies;

/// The number of connections that the kernel completes and that wait to be accepted. The kernel has a
/// maximum of its own (listen(2), `somaxconn`).
const BACKLOG: u32 = 1_024;

/// The number of unsent bytes that the kernel buffers for a client: one or two frames of the largest
/// race. The default is 4 MiB (tcp(7), `tcp_wmem`). With it a slow client of a stream would lag by a
/// minute, and thousands of stalled clients would fill the memory.
const UNSENT_BYTES_MAX: u32 = 128 << 10;

/// The pause after a failed accept. Usually the process has too many open files, and some of them close
/// during the pause.
const ACCEPT_WAIT: Duration = Duration::from_millis(100);

/// Listens on `address`. It needs a tokio runtime with network.
///
/// # Errors
/// The address cannot be used.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restarted service can use the address although connections of the previous one linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves `router` on `listener`, with TLS if `tls` is given, until `shutdown` is true or its sender is
/// dropped. Then it accepts no more connections, and requests in progress have
/// `limits.shutdown_timeout` to end. `proxies` name the clients of the requests that they forward.
///
/// It needs a tokio runtime with timers and network.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    proxies: TrustedProxies,
    limits: Limits,
    mut shutdown: watch::Receiver<bool>,
) {
    let tls = tls.map(TlsAcceptor::from);
    let proxies = Arc::new(proxies);
    let protocols = Arc::new(Protocols::new());
    let open = Arc::new(Connections::new(limits.connections_max));
    let mut tasks = JoinSet::new();
    let mut is_failing = false;
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener) => accepted,
            Some(_) = tasks.join_next() => continue,
            _ = shutdown.wait_for(|is_stopping| *is_stopping) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_connection_error(&error) => continue,
            Err(error) => {
                // One line is enough until connections are accepted again.
                if !std::mem::replace(&mut is_failing, true) {
                    warn!(%error, "cannot accept connections; trying again");
                }
                sleep(ACCEPT_WAIT).await;
                continue;
            }
        };
        is_failing = false;
        let activity = Arc::new(Activity::new(Client::at(peer.ip()), &limits));
        let slot = tokio::select! {
            slot = open.admit(&activity) => slot,
            _ = shutdown.wait_for(|is_stopping| *is_stopping) => break,
        };
        let (router, proxies) = (router.clone(), Arc::clone(&proxies));
        let requests = Requests { router, proxies, limits, peer, activity };
        let connection =
            Connection { protocols: Arc::clone(&protocols), requests, shutdown: shutdown.clone() };
        let tls = tls.clone();
        tasks.spawn(async move {
            connection.run(stream, tls).await;
            drop(slot);
        });
    }

    drop(listener);
    let ended = async { while tasks.join_next().await.is_some() {} };
    if timeout(limits.shutdown_timeout, ended).await.is_err() {
        warn!(count = tasks.len(), "requests did not end in time; closing their connections");
    }
    tasks.shutdown().await;
}

/// Waits for the next connection.
async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    // If these fail, responses are slower or need more kernel memory, but are still correct.
    _ = stream.set_nodelay(true);
    _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
    Ok((stream, peer))
}

/// Whether only this connection failed, so that the next accept can succeed at once (accept(2)).
fn is_connection_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
