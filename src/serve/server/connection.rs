//! Serves one connection.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use super::requests::Requests;
use super::watched_stream::WatchedStream;
use crate::serve::tls::HTTP_2;

/// The maximum size of the head of a request. It equals the default of nginx
/// (large_client_header_buffers). 10,000 connections need at most 320 MiB.
const HEAD_BYTES_MAX: u32 = 32 << 10;

/// Concurrent requests of a connection over HTTP/2. Browsers need about 100.
const HTTP2_REQUESTS_MAX: u32 = 128;

/// Bytes of a body that a client may send before the service has read them, for a request and for all
/// requests of a connection.
const HTTP2_WINDOWS: (u32, u32) = (128 << 10, 256 << 10);

/// Unsent bytes of a response over HTTP/2, as in the socket's buffer.
const HTTP2_UNSENT_BYTES_MAX: usize = 64 << 10;

/// The time to notify a client that its connection closes.
const GOODBYE: Duration = Duration::from_millis(200);

/// The protocols of connections.
pub(super) struct Protocols {
    http1: Builder<TokioExecutor>,
    http2: Builder<TokioExecutor>,
}

/// What a connection needs to be served.
pub(super) struct Connection {
    pub(super) protocols: Arc<Protocols>,
    pub(super) requests: Requests,
    pub(super) shutdown: watch::Receiver<bool>,
}

impl Protocols {
    pub(super) fn new() -> Self {
        let mut http = Builder::new(TokioExecutor::new());
        // The activity of the connection has the time limits.
        http.http1().header_read_timeout(None).max_buf_size(HEAD_BYTES_MAX as usize);
        http.http2()
            .max_concurrent_streams(HTTP2_REQUESTS_MAX)
            .initial_stream_window_size(HTTP2_WINDOWS.0)
            .initial_connection_window_size(HTTP2_WINDOWS.1)
            .max_send_buf_size(HTTP2_UNSENT_BYTES_MAX)
            .max_header_list_size(HEAD_BYTES_MAX);
        Self { http1: http.clone().http1_only(), http2: http.http2_only() }
    }
}

impl Connection {
    /// Answers requests until the connection closes.
    pub(super) async fn run(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        let activity = Arc::clone(&self.requests.activity);
        let write_timeout = self.requests.limits.write_timeout;
        let stream = WatchedStream::new(stream, activity, write_timeout);
        match tls {
            None => self.serve(stream, false).await,
            // The future is large. Boxing it keeps connections without TLS small.
            Some(tls) => Box::pin(self.serve_tls(stream, tls)).await,
        }
    }

    async fn serve_tls(mut self, stream: WatchedStream, tls: TlsAcceptor) {
        match self.handshake(stream, tls).await {
            Ok(stream) => {
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP_2);
                self.serve(stream, is_http2).await;
            }
            Err(error) => debug!(peer = %self.requests.peer, %error, "a TLS handshake failed"),
        }
    }

    /// Performs the TLS handshake, within its time limit and before shutdown.
    async fn handshake(
        &mut self,
        stream: WatchedStream,
        tls: TlsAcceptor,
    ) -> io::Result<TlsStream<WatchedStream>> {
        tokio::select! {
            stream = timeout(self.requests.limits.head_timeout, tls.accept(stream)) => stream?,
            () = self.requests.activity.room_needed() => Err(io::ErrorKind::Interrupted.into()),
            _ = self.shutdown.wait_for(|is_stopping| *is_stopping) => {
                Err(io::ErrorKind::Interrupted.into())
            }
        }
    }

    async fn serve<S>(self, stream: S, is_http2: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { protocols, requests, mut shutdown } = self;
        let (peer, activity) = (requests.peer, Arc::clone(&requests.activity));
        activity.opened(is_http2);
        let service = service_fn(move |request| requests.clone().respond(request));
        let http = if is_http2 { &protocols.http2 } else { &protocols.http1 };
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        let mut is_stopping = false;
        let served = loop {
            tokio::select! {
                biased;
                served = connection.as_mut() => break served,
                () = activity.expired() => {}
                () = activity.room_needed() => {}
                _ = shutdown.wait_for(|is_stopping| *is_stopping), if !is_stopping => {
                    is_stopping = true;
                    // Requests in progress end first.
                    connection.as_mut().graceful_shutdown();
                    continue;
                }
            }
            connection.as_mut().graceful_shutdown();
            break timeout(GOODBYE, connection).await.unwrap_or(Ok(()));
        };
        if let Err(error) = served {
            debug!(%peer, %error, "a connection failed");
        }
    }
}
