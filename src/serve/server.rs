//! The server: connections in, bounded in number and time, and an end that loses no answer.

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

/// How much of a request's head is read, as nginx does by default (large_client_header_buffers):
/// with 10,000 connections at most 320 MiB.
const HEAD_BYTES_MAX: usize = 32 << 10;

/// How much the system holds for a client beyond what is on its way: a frame or two of the largest race.
/// By default it would be 4 MiB (tcp(7), `tcp_wmem`), so that a client of a stream that is slow would
/// be a minute behind, and thousands that stall would fill the memory.
const UNSENT_BYTES_MAX: u32 = 128 << 10;

/// How long to wait where no connection can be had: as a rule the process has too many files open,
/// and some are closed in the meantime.
const ACCEPT_WAIT: Duration = Duration::from_millis(100);

/// Serves `router` on `listener`, inside TLS where there is `tls`, until `shutdown` is true or its sender
/// is gone. Then no connection is accepted any more, and requests that run get `limits.shutdown` to end.
///
/// It must run in a tokio runtime with time and network.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    limits: Limits,
    mut shutdown: watch::Receiver<bool>,
) {
    let tls = tls.map(TlsAcceptor::from);
    let slots = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(HEAD_BYTES_MAX);

    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            Some(_) = connections.join_next() => continue,
            _ = shutdown.wait_for(|is_over| *is_over) => break,
        };
        let (slot, stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_connection(&error) => continue,
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_WAIT).await;
                continue;
            }
        };
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(limits.write));
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
                // Its state is large, and a connection without TLS is not to make room for it.
                Some(tls) => {
                    let handshake = shake_hands(tls, stream, limits.head, shutdown);
                    match Box::pin(handshake).await {
                        Ok(stream) => Box::pin(connection.serve(stream)).await,
                        Err(error) => debug!(%peer, %error, "a connection did not come to TLS"),
                    }
                }
            }
            gauge!("velodrome_http_connections").decrement(1.0);
            drop(slot);
        });
    }

    drop(listener);
    if timeout(limits.shutdown, graceful.shutdown()).await.is_err() {
        warn!(count = connections.len(), "connections are cut off: their requests did not end");
    }
    connections.shutdown().await;
}

/// A connection that is about to be served.
struct Connection {
    http: http1::Builder,
    router: Router,
    peer: SocketAddr,
    watcher: Watcher,
}

impl Connection {
    /// Answers request after request.
    async fn serve<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { http, router, peer, watcher } = self;
        let answer = service_fn(move |request| answer(router.clone(), peer, request));
        let connection = http.serve_connection(TokioIo::new(stream), answer);
        if let Err(error) = watcher.watch(connection).await {
            debug!(%peer, %error, "a connection ended early");
        }
    }
}

/// TLS on `stream`, which a client has to come to `within` a time, and before the service ends.
async fn shake_hands<S>(
    tls: TlsAcceptor,
    stream: S,
    within: Duration,
    mut shutdown: watch::Receiver<bool>,
) -> io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    tokio::select! {
        stream = timeout(within, tls.accept(stream)) => stream?,
        _ = shutdown.wait_for(|is_over| *is_over) => Err(io::ErrorKind::Interrupted.into()),
    }
}

/// The next connection, once there may be one more.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Without these answers come later, or take more of the system's memory, but they come.
    _ = stream.set_nodelay(true);
    _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
    Ok((slot, stream, peer))
}

/// Whether it is the connection that failed, so that the next one may well be had (accept(2)).
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn answer(
    router: Router,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    router.oneshot(request).await
}
