//! `POST /v1/events`: events into the log, each with a verdict, acknowledged once they are durable.

use std::net::SocketAddr;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use metrics::counter;
use serde::Serialize;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::error;
use utoipa::ToSchema;

use super::App;
use super::batch::{Batch, Rejected};
use super::body::{self, BODY_BYTES_MAX, Form, Held};
use super::error::{ApiError, ErrorBody};
use super::grant::Grant;
use super::openapi::Sent;
use super::query::{NoParams, Params, internal};
use super::reply::Paced;
use super::token::Token;
use crate::dead_letters::{Letter, Source};
use crate::engine::Events;
use crate::log::{AppendError, Lines};

/// Up to here a body is decoded where it was received. 32 KiB are some 170 events, which take 27 us
/// at the 157 ns of the usual form and 65 us at the 379 ns of any other (`cargo bench --bench
/// decode`): about what a thread's wake takes, and little beside an fsync.
const INLINE_BYTES_MAX: usize = 32 << 10;

/// What became of the events of a request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Reply {
    /// How many are taken; they are durable.
    accepted: usize,
    /// Those that are not.
    rejected: Vec<Verdict>,
    /// Reads that bring it as `after` see the events.
    token: String,
}

/// Why an event is not taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Verdict {
    /// Which event of the body it is, from 0; blank lines do not count.
    index: usize,
    /// The reason.
    error: String,
}

/// Send events
///
/// One JSON object, an array of them, or one a line; at most 8 MiB, also once it is decompressed.
/// Events that are not taken get a verdict each and never stop their neighbours; so do those of classes
/// and projects that the token is not for.
#[utoipa::path(
    post,
    path = "/v1/events",
    tag = "events",
    request_body(
        description = "race events and tracking events; `Content-Encoding: gzip` is taken",
        content((Sent = "application/json"), (String = "application/x-ndjson"))
    ),
    responses(
        (status = 200, description = "The events that are taken are durable", body = Reply),
        (status = 400, description = "The body is unreadable as a whole", body = ErrorBody),
        (status = 408, description = "The body did not come in time", body = ErrorBody),
        (status = 413, description = "More than 8 MiB, or than a second's events", body = ErrorBody),
        (status = 415, description = "No JSON, or compressed otherwise", body = ErrorBody),
        (status = 507, description = "The disk is full", body = ErrorBody),
    )
)]
pub(super) async fn post(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    grant: Grant,
    Params(NoParams {}): Params<NoParams>,
    request: Request,
) -> Result<Response, ApiError> {
    let came = Instant::now();
    let form = Form::of(request.headers())?;
    app.check_lag()?;
    let admission = app.admission();
    let in_flight = admission.enter(peer.ip())?;
    let body =
        body::read(request.into_body(), admission.hold(BODY_BYTES_MAX), app.limits().body).await?;
    let race_seconds = app.race_seconds();
    let events_max = app.limits().client_events_per_second;
    let decode = move |body: Held| {
        let batch = Batch::of(body.bytes(), form.kind, grant, race_seconds, events_max)?;
        Ok((batch, body))
    };
    let (batch, mut held) = worked(form, body, decode).await?;
    held.charge(batch.verdict_bytes())?;
    admission.take(peer.ip(), batch.count())?;

    let accepted = batch.lines.len();
    let token = match accepted {
        0 => Token::at(app.engine().complete()),
        _ => {
            let arrival_ms = append(&app, batch.lines, batch.events).await?;
            app.acks().record(came.elapsed());
            Token::of_arrival(arrival_ms)
        }
    };
    let rejected = bury(&app, peer, batch.rejected).await?;

    let reply = Reply { accepted, rejected, token: token.to_string() };
    let json = serde_json::to_vec(&reply).map_err(|error| {
        error!(%error, "cannot write a reply");
        internal()
    })?;
    let body = Body::new(Paced::new(json.into(), (in_flight, held)));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// What `work` makes of a body, which it gets decompressed; not on the runtime's own threads where it takes
/// long.
pub(super) async fn worked<T: Send + 'static>(
    form: Form,
    body: Held,
    work: impl FnOnce(Held) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let is_short = !form.is_gzip && body.bytes().len() <= INLINE_BYTES_MAX;
    let work = move || work(if form.is_gzip { body.decompressed()? } else { body });
    match is_short {
        true => work(),
        false => spawn_blocking(work).await.map_err(panicked)?,
    }
}

/// Has events in the log, and gives their arrival once they are durable.
///
/// # Errors
/// What the log refuses, and 503 `busy` where it does not answer in time.
pub(super) async fn append(app: &App, lines: Lines, events: Events) -> Result<u64, ApiError> {
    let accepted = lines.len() as u64;
    let answer = app.log()?.append(lines, events)?;
    let answer = timeout(app.limits().append, answer).await.map_err(|_| {
        error!("the log did not answer in time");
        let message = "the log takes too long; send again later";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).retry_after(1)
    })?;
    let lost = |_| AppendError::Poisoned("its writer is gone".to_owned());
    let arrival_ms = answer.map_err(lost)??;
    counter!("velodrome_events_total", "verdict" => "accepted").increment(accepted);
    Ok(arrival_ms)
}

/// Keeps what was rejected among the dead letters, and tells the verdicts.
async fn bury(
    app: &App,
    peer: SocketAddr,
    rejected: Vec<Rejected>,
) -> Result<Vec<Verdict>, ApiError> {
    if rejected.is_empty() {
        return Ok(Vec::new());
    }
    counter!("velodrome_events_total", "verdict" => "rejected").increment(rejected.len() as u64);
    let app = app.clone();
    let kept = spawn_blocking(move || {
        app.dead_letters().keep(rejected.iter().map(|Rejected { index, reason, text }| Letter {
            source: Source::Request { peer, index: *index },
            arrival_ms: None,
            reason,
            data: text,
        }));
        let verdict = |Rejected { index, reason, .. }| Verdict { index, error: reason };
        rejected.into_iter().map(verdict).collect()
    });
    kept.await.map_err(panicked)
}

pub(super) fn panicked(error: tokio::task::JoinError) -> ApiError {
    error!(%error, "a request's work did not end");
    internal()
}

impl From<AppendError> for ApiError {
    fn from(error: AppendError) -> Self {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        let (status, code, message, seconds) = match error {
            AppendError::Full => (unavailable, "busy", "the log is busy; send again later", 1),
            AppendError::DiskFull => (
                StatusCode::INSUFFICIENT_STORAGE,
                "disk_full",
                "the log's disk is full; send again later",
                30,
            ),
            AppendError::Poisoned(_) => (
                unavailable,
                "log_failed",
                "the log takes nothing until the service is restarted; send again later",
                60,
            ),
            AppendError::Closed => (unavailable, "stopping", "the service is stopping", 1),
        };
        Self::new(status, code, message).retry_after(seconds)
    }
}
