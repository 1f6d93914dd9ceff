//! `POST /firehose/delivery`.

use std::net::SocketAddr;

use axum::Json;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::answer::{DeliveryReply, REQUEST_ID, REQUEST_ID_BYTES_MAX, Refusals, request_id};
use super::taking::Taking;
use crate::firehose::delivery::DeliveryRequest;
use crate::serve::App;
use crate::serve::body::{self, Form, Kind, unsupported};
use crate::serve::error::ApiError;
use crate::serve::grant::Grant;
use crate::serve::ingest::panicked;
use crate::serve::query::{NoParams, Params};

/// The header with the version of the protocol, and the only one that there is.
const PROTOCOL: (&str, &str) = ("x-amz-firehose-protocol-version", "1.0");

/// Pieces of a body that wait to be taken apart, each what the connection reads at a time.
const PIECES: usize = 2;

/// What the headers say.
struct Head {
    request_id: String,
    is_gzip: bool,
}

impl Head {
    fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let (name, version) = PROTOCOL;
        if headers.get(name).is_none_or(|given| given != version) {
            let message = format!("the header {name} is not '{version}', which alone is spoken");
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_protocol", message));
        }
        let Some(request_id) = request_id(headers) else {
            let message = format!(
                "the header {REQUEST_ID} must be a text of 1 to {REQUEST_ID_BYTES_MAX} bytes"
            );
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_request_id", message));
        };
        let form = Form::of(headers)?;
        if form.kind != Kind::Json {
            return Err(unsupported("a delivery is JSON; send application/json".to_owned()));
        }
        Ok(Self { request_id: request_id.to_owned(), is_gzip: form.is_gzip })
    }
}

/// Take a delivery of Firehose
///
/// What Firehose sends to an HTTP endpoint: 1 to 10,000 records, at most 64 MiB, also once it is decompressed. A
/// record is an event, or several, one a line. It is answered once the events are durable; those that are not taken,
/// also because the token is not for their class or project, are kept as dead letters and never fail it. A delivery
/// that was taken is not taken again.
#[utoipa::path(
    post,
    path = "/firehose/delivery",
    tag = "firehose",
    params(
        ("X-Amz-Firehose-Protocol-Version" = inline(Version), Header, description = "1.0"),
        ("X-Amz-Firehose-Request-Id" = String, Header, description = "the delivery's id", min_length = 1, max_length = 144),
    ),
    request_body(
        description = "the delivery; `Content-Encoding: gzip` is taken",
        content = DeliveryRequest
    ),
    responses(
        (status = 200, description = "It is taken", body = DeliveryReply),
        Refusals,
    )
)]
pub(super) async fn deliver(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    grant: Grant,
    Params(NoParams {}): Params<NoParams>,
    request: Request,
) -> Result<Json<DeliveryReply>, ApiError> {
    let head = Head::of(request.headers())?;
    app.check_lag()?;
    let _in_flight = app.admission().enter(peer.ip())?;
    let mut body = Some(request.into_body());
    let take = async {
        match body.take() {
            Some(body) => taken(&app, peer, grant, &head, body).await,
            None => Ok(()),
        }
    };
    let outcome = app.repeats().once(&head.request_id, take).await;
    if let Some(body) = body {
        // Another one's was taken; who still sends this one may not see the answer. It is the same whether its
        // own comes to its end or not.
        let (nobody, _) = mpsc::channel(1);
        body::feed(body, nobody, app.limits().body).await.unwrap_or_default();
    }
    outcome?;
    Ok(Json(DeliveryReply::new(head.request_id, None)))
}

/// Takes a body while it comes.
async fn taken(
    app: &App,
    peer: SocketAddr,
    grant: Grant,
    head: &Head,
    body: Body,
) -> Result<(), ApiError> {
    let (pieces, receiver) = mpsc::channel(PIECES);
    let taking = Taking::new(app.clone(), peer, grant, head.request_id.clone());
    let is_gzip = head.is_gzip;
    let work = spawn_blocking(move || taking.run(receiver, is_gzip));
    let fed = body::feed(body, pieces, app.limits().delivery).await;
    let taken = work.await.map_err(panicked)?;
    fed.and(taken)
}

/// The versions of the protocol.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "it describes a header")]
enum Version {
    #[schema(rename = "1.0")]
    One,
}
