//! `POST /firehose/transform`.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::firehose::transform::{
    BYTES_MAX, TransformError, TransformReply, TransformRequest, transform as transform_records,
};
use crate::serve::App;
use crate::serve::answers::AnswerBody;
use crate::serve::blocking::process_body;
use crate::serve::body::{
    self, BodyBuffer, BodyFormat, BodySyntax, bad_body, body_too_large, unsupported_media_type,
};
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::params::{NoParams, QueryParams};
use crate::serve::permissions::Permissions;

/// Transform records
///
/// Firehose's data transformation. A race event gets its output as the last field, a tracking event is
/// unchanged, and each is one line. Blank records are `Dropped`, invalid ones are `ProcessingFailed`.
/// Request and reply have at most 6 MiB each.
#[utoipa::path(
    post,
    path = "/firehose/transform",
    request_body(
        description = "The request of an invocation; `Content-Encoding: gzip` is supported",
        content = TransformRequest<'_>
    ),
    responses(
        (status = 200, description = "A result for each record", body = TransformReply<'_>),
        (status = 400, description = "The body is not such a request", body = ErrorBody),
        (status = 408, description = "The body did not arrive in time", body = ErrorBody),
        (status = 413, description = "Request or reply exceed 6 MiB", body = ErrorBody),
        (status = 415, description = "The body is not JSON, or its encoding is not supported", body = ErrorBody),
    )
)]
pub(super) async fn transform(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    // The route returns nothing about classes or projects, so any token with the scope may use it.
    permissions: Permissions,
    QueryParams(NoParams {}): QueryParams<NoParams>,
    request: Request,
) -> Result<Response, ApiError> {
    let format = BodyFormat::of(request.headers())?;
    if format.syntax != BodySyntax::Json {
        return Err(unsupported_media_type(
            "a transformation must be JSON; send application/json".to_owned(),
        ));
    }
    let in_flight = app.limiter().acquire_request(peer.ip())?;
    let client = permissions.client(peer.ip());
    let buffer = app.limiter().body_buffer(client, BYTES_MAX);
    let body = body::read(request.into_body(), buffer, app.limits().body_timeout).await?;
    let scoring = app.rules();
    let transform = move |mut body: BodyBuffer| {
        let reply = transform_records(body.bytes(), &scoring)?;
        body.reserve(reply.len())?;
        Ok((reply, body))
    };
    let (reply, reserved) = process_body(format, body, transform).await?;
    let body = AnswerBody::wrap(reply, (in_flight, reserved));
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
