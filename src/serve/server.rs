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
use hyper_util::server::graceful::GracefulShutdown;
use metrics::gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::limits::Limits;

/// How much of a request's head is read, as nginx does by default (large_client_header_buffers):
/// with 10,000 connections at most 320 MiB.
const HEAD_BYTES_MAX: usize = 32 << 10;

/// How long to wait where no connection can be had: as a rule the process has too many files open,
/// and some are closed in the meantime.
const ACCEPT_WAIT: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `shutdown` is true or its sender is gone. Then no connection
/// is accepted any more, and requests that run get `limits.shutdown` to end.
///
/// It must run in a tokio runtime with time and network.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    mut shutdown: watch::Receiver<bool>,
) {
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
        let router = router.clone();
        let answer = service_fn(move |request| answer(router.clone(), peer, request));
        let connection = http.serve_connection(TokioIo::new(Box::pin(stream)), answer);
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            gauge!("velodrome_http_connections").increment(1.0);
            if let Err(error) = connection.await {
                debug!(%peer, %error, "a connection ended early");
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

/// The next connection, once there may be one more.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Without it answers come later, but they come.
    _ = stream.set_nodelay(true);
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
