//! `POST /firehose/transform`.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::firehose::transform::{
    BYTES_MAX, TransformError, TransformReply, TransformRequest, transform as transformed,
};
use crate::serve::App;
use crate::serve::body::{self, Form, Held, Kind, bad_body, body_too_large, unsupported};
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::grant::Grant;
use crate::serve::ingest::worked;
use crate::serve::query::{NoParams, Params};
use crate::serve::reply::Paced;

/// Transform records
///
/// Firehose's data transformation: a race event gets its output as the last field, a tracking event passes; each on
/// a line. What is blank is `Dropped`, what is no event is `ProcessingFailed`. At most 6 MiB each way.
#[utoipa::path(
    post,
    path = "/firehose/transform",
    tag = "firehose",
    request_body(
        description = "the request of an invocation; `Content-Encoding: gzip` is taken",
        content = TransformRequest<'_>
    ),
    responses(
        (status = 200, description = "A verdict for each record", body = TransformReply<'_>),
        (status = 400, description = "The body is no such request", body = ErrorBody),
        (status = 408, description = "The body did not come in time", body = ErrorBody),
        (status = 413, description = "Request or reply have more than 6 MiB", body = ErrorBody),
        (status = 415, description = "No JSON, or compressed otherwise", body = ErrorBody),
    )
)]
pub(super) async fn transform(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    // It tells of no object, so that every token with the scope is for it.
    _: Grant,
    Params(NoParams {}): Params<NoParams>,
    request: Request,
) -> Result<Response, ApiError> {
    let form = Form::of(request.headers())?;
    if form.kind != Kind::Json {
        return Err(unsupported("a transformation is JSON; send application/json".to_owned()));
    }
    let in_flight = app.admission().enter(peer.ip())?;
    let held = app.admission().hold(BYTES_MAX);
    let body = body::read(request.into_body(), held, app.limits().body).await?;
    let scoring = app.rules();
    let transform = move |mut body: Held| {
        let reply = transformed(body.bytes(), &scoring)?;
        body.charge(reply.len())?;
        Ok((reply, body))
    };
    let (reply, held) = worked(form, body, transform).await?;
    let body = Body::new(Paced::new(reply.into(), (in_flight, held)));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

impl From<TransformError> for ApiError {
    fn from(error: TransformError) -> Self {
        let message = error.to_string();
        match error {
            TransformError::Request(_) | TransformError::Record(..) => bad_body(message),
            TransformError::RequestTooLarge => body_too_large(BYTES_MAX),
            TransformError::ReplyTooLarge => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "reply_too_large", message)
            }
        }
    }
}
