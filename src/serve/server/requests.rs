//! Answers the requests of one connection.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use tokio::time::Instant;
use tower::ServiceExt;

use super::activity::Activity;
use super::unread_body::RequestBody;
use crate::serve::answers::AnswerBody;
use crate::serve::client::Client;
use crate::serve::limits::Limits;
use crate::serve::proxies::TrustedProxies;

/// The requests of a connection. Clones share it.
#[derive(Clone)]
pub(super) struct Requests {
    pub(super) router: Router,
    pub(super) proxies: Arc<TrustedProxies>,
    pub(super) limits: Limits,
    pub(super) peer: SocketAddr,
    pub(super) activity: Arc<Activity>,
}

/// A request whose response is not sent yet. Dropping it ends the request.
struct OpenRequest {
    activity: Arc<Activity>,
    id: u64,
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.activity.end(self.id);
    }
}

impl Requests {
    /// The response to a request. Routes see the address of the client, which may be behind a proxy.
    pub(super) async fn respond(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        let Self { router, proxies, limits, peer, activity } = self;
        let is_http2 = request.version() == Version::HTTP_2;
        let client = proxies.client(peer, request.headers());
        activity.client().set(Client::at(client.ip()));
        let (mut parts, body) = request.into_parts();
        let id = activity.begin(!body.is_end_stream());
        let open = OpenRequest { activity: Arc::clone(&activity), id };
        let (body, unread) = RequestBody::new(body, &parts.headers, Arc::clone(&activity), id);
        parts.extensions.insert(ConnectInfo(client));
        parts.extensions.insert(activity.client().clone());

        let mut response = router.oneshot(Request::from_parts(parts, Body::new(body))).await?;
        let is_reusable = unread.discard(response.status(), limits.body_timeout).await;
        if !is_reusable && !is_http2 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        activity.end_body(id);
        // A client of HTTP/2 can stop a response without stopping the connection, so the body may never
        // notice that time is over. Streams and files have no exact size.
        if response.body().size_hint().exact().is_some() {
            activity.respond(id, Instant::now() + limits.answer_timeout + limits.write_timeout);
        }
        Ok(response.map(|body| AnswerBody::wrap(body, open)))
    }
}
