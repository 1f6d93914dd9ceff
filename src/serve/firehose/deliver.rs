//! `POST /firehose/delivery`.

use std::net::SocketAddr;

use axum::Json;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::intake::DeliveryIntake;
use super::reply::{DeliveryErrors, DeliveryReply, REQUEST_ID, REQUEST_ID_BYTES_MAX, request_id};
use crate::firehose::delivery::DeliveryRequest;
use crate::serve::App;
use crate::serve::blocking::task_failed;
use crate::serve::body::{self, BodyFormat, BodySyntax, unsupported_media_type};
use crate::serve::error::ApiError;
use crate::serve::params::{NoParams, QueryParams};
use crate::serve::permissions::Permissions;

/// The header with the version of the protocol, and the only supported version.
const PROTOCOL: (&str, &str) = ("x-amz-firehose-protocol-version", "1.0");

/// The number of chunks of a body that are queued. A chunk is what the connection reads at a time.
const CHUNKS: usize = 2;

/// The headers of a delivery.
pub(super) struct DeliveryHeaders {
    pub(super) request_id: String,
    is_gzip: bool,
}

impl DeliveryHeaders {
    pub(super) fn parse(headers: &HeaderMap) -> Result<Self, ApiError> {
        let (name, version) = PROTOCOL;
        if headers.get(name).is_none_or(|given| given != version) {
            let message =
                format!("the header {name} is not '{version}', the only supported version");
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_protocol", message));
        }
        let Some(request_id) = request_id(headers) else {
            let message = format!(
                "the header {REQUEST_ID} must be text of 1 to {REQUEST_ID_BYTES_MAX} bytes"
            );
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_request_id", message));
        };
        let format = BodyFormat::of(headers)?;
        if format.syntax != BodySyntax::Json {
            return Err(unsupported_media_type(
                "a delivery must be JSON; send application/json".to_owned(),
            ));
        }
        Ok(Self { request_id: request_id.to_owned(), is_gzip: format.is_gzip })
    }
}

/// Accept a delivery of Firehose
///
/// The body has the format that Firehose sends to an HTTP endpoint: up to 10,000 records, and at most 64
/// MiB before and after decompression. A record has one event, or several with one per line. The
/// response is sent when the accepted events are durable. Rejected events become dead letters and do not
/// fail the delivery. An event is also rejected if the token is not for its class or project. A repeated
/// delivery has no effect.
#[utoipa::path(
    post,
    path = "/firehose/delivery",
    params(
        ("X-Amz-Firehose-Protocol-Version" = inline(Version), Header, description = "1.0"),
        ("X-Amz-Firehose-Request-Id" = String, Header, description = "The delivery's id", min_length = 1, max_length = 144),
    ),
    request_body(
        description = "The delivery; `Content-Encoding: gzip` is supported",
        content = DeliveryRequest
    ),
    responses(
        (status = 200, description = "The delivery is accepted", body = DeliveryReply),
        DeliveryErrors,
    )
)]
pub(super) async fn deliver(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    permissions: Permissions,
    QueryParams(NoParams {}): QueryParams<NoParams>,
    request: Request,
) -> Result<Json<DeliveryReply>, ApiError> {
    let headers = DeliveryHeaders::parse(request.headers())?;
    app.check_lag()?;
    let _in_flight = app.limiter().acquire_request(peer.ip())?;
    let token = permissions.token();
    // The body of a repeated delivery is not read: the server discards it.
    let intake = accept(&app, peer, permissions, &headers, request.into_body());
    app.delivery_dedup().once(token, &headers.request_id, intake).await?;
    Ok(Json(DeliveryReply::new(headers.request_id, None)))
}

/// Accepts the events of a body while it is received.
async fn accept(
    app: &App,
    peer: SocketAddr,
    permissions: Permissions,
    headers: &DeliveryHeaders,
    body: Body,
) -> Result<(), ApiError> {
    let (chunks, receiver) = mpsc::channel(CHUNKS);
    let intake = DeliveryIntake::new(app.clone(), peer, permissions, headers.request_id.clone());
    let is_gzip = headers.is_gzip;
    let work = spawn_blocking(move || intake.run(receiver, is_gzip));
    let received = body::send_chunks(body, chunks, app.limits().delivery_timeout).await;
    let accepted = work.await.map_err(task_failed)?;
    received.and(accepted)
}

/// The supported versions of the protocol.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "the OpenAPI schema of a header")]
enum Version {
    #[schema(rename = "1.0")]
    One,
}
