//! Accepts connections, limits their number and their time, and shuts down without losing responses.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use metrics::gauge;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::limits::Limits;

/// The maximum size of the head of a request. It equals the default of nginx
/// (large_client_header_buffers). 10,000 connections need at most 320 MiB.
const HEAD_BYTES_MAX: usize = 32 << 10;

/// The number of unsent bytes that the kernel buffers for a client: one or two frames of the largest
/// race. The default is 4 MiB (tcp(7), `tcp_wmem`). With it a slow client of a stream would lag by a
/// minute, and thousands of stalled clients would fill the memory.
const UNSENT_BYTES_MAX: u32 = 128 << 10;

/// The pause after a failed accept. Usually the process has too many open files, and some of them close
/// during the pause.
const ACCEPT_WAIT: Duration = Duration::from_millis(100);

/// Serves `router` on `listener`, with TLS if `tls` is given, until `shutdown` is true or its sender is
/// dropped. Then it accepts no more connections, and requests in progress have
/// `limits.shutdown_timeout` to end.
///
/// It needs a tokio runtime with timers and network.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    limits: Limits,
    mut shutdown: watch::Receiver<bool>,
) {
    let tls = tls.map(TlsAcceptor::from);
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(HEAD_BYTES_MAX);

    let mut is_failing = false;
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            Some(_) = connections.join_next() => continue,
            _ = shutdown.wait_for(|is_stopping| *is_stopping) => break,
        };
        let (slot, stream, peer) = match accepted {
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
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(limits.write_timeout));
        let stream = Box::pin(stream);
        let connection = Connection {
            http: http.clone(),
            router: router.clone(),
            peer,
            watcher: graceful.watcher(),
        };
        let (tls, shutdown) = (tls.clone(), shutdown.clone());
        connections.spawn(async move {
            gauge!("velodrome_http_connections").increment(1.0);
            match tls {
                None => connection.serve(stream).await,
                // The future is large. Boxing it keeps connections without TLS small.
                Some(tls) => {
                    let handshake = handshake(tls, stream, limits.head_timeout, shutdown);
                    match Box::pin(handshake).await {
                        Ok(stream) => Box::pin(connection.serve(stream)).await,
                        Err(error) => debug!(%peer, %error, "a TLS handshake failed"),
                    }
                }
            }
            gauge!("velodrome_http_connections").decrement(1.0);
            drop(slot);
        });
    }

    drop(listener);
    if timeout(limits.shutdown_timeout, graceful.shutdown()).await.is_err() {
        warn!(count = connections.len(), "requests did not end in time; closing their connections");
    }
    connections.shutdown().await;
}

/// What a connection needs to be served.
struct Connection {
    http: http1::Builder,
    router: Router,
    peer: SocketAddr,
    watcher: Watcher,
}

impl Connection {
    /// Answers requests until the connection closes.
    async fn serve<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { http, router, peer, watcher } = self;
        let service = service_fn(move |request| respond(router.clone(), peer, request));
        let connection = http.serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            debug!(%peer, %error, "a connection failed");
        }
    }
}

/// Performs the TLS handshake on `stream`, within `time_limit` and before shutdown.
async fn handshake<S>(
    tls: TlsAcceptor,
    stream: S,
    time_limit: Duration,
    mut shutdown: watch::Receiver<bool>,
) -> io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    tokio::select! {
        stream = timeout(time_limit, tls.accept(stream)) => stream?,
        _ = shutdown.wait_for(|is_stopping| *is_stopping) => Err(io::ErrorKind::Interrupted.into()),
    }
}

/// Waits for a free slot, then for the next connection.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // If these fail, responses are slower or need more kernel memory, but are still correct.
    _ = stream.set_nodelay(true);
    _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
    Ok((slot, stream, peer))
}

/// Whether only this connection failed, so that the next accept can succeed at once (accept(2)).
fn is_connection_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn respond(
    router: Router,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    router.oneshot(request).await
}
