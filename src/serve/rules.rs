//! Rules: which hold, and going over to others.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use serde::Serialize;
use tokio::task::spawn_blocking;
use utoipa::ToSchema;
use velodrome_dataflows::{Clock, Rules};

use super::App;
use super::body;
use super::error::{ApiError, ErrorBody};
use super::grant::Grant;
use super::query::{NoParams, Params, internal};
use crate::rebuild::Progress;
use crate::rules;

/// The largest file of rules.
const RULES_BYTES_MAX: usize = 1 << 20;

/// The rules that hold, and the way to others.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RulesBody {
    /// The SHA-256 of their canonical form.
    rules_id: String,
    /// The rules.
    #[schema(value_type = Object)]
    rules: Rules,
    /// The rebuild that is to end with other rules; null where none was asked for, or all that was asked for
    /// holds.
    #[schema(required = true)]
    rebuild: Option<RebuildBody>,
}

/// A rebuild with its rules.
#[derive(Serialize, ToSchema)]
struct RebuildBody {
    #[serde(flatten)]
    rebuild: Rebuild,
    /// Its rules.
    #[schema(value_type = Object)]
    rules: Arc<Rules>,
}

/// A rebuild that goes on beside the service, or came to nothing.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rebuild {
    /// The identity of its rules.
    rules_id: String,
    /// How much of the log is read, 0 to 1.
    share: f64,
    /// Events that were replayed.
    events: u64,
    /// The event clock that it has reached; null before its first event.
    #[schema(required = true)]
    as_of: Option<Clock>,
    /// What holds it up, or why it was given up; null while it goes on.
    #[schema(required = true)]
    error: Option<String>,
}

impl RulesBody {
    fn of(app: &App) -> Self {
        let rules = app.rules().rules().clone();
        let rebuild = app.rebuilds().progress().map(|progress| {
            let rules = Arc::clone(&progress.rules);
            RebuildBody { rebuild: progress.into(), rules }
        });
        Self { rules_id: rules::id(&rules), rules, rebuild }
    }
}

impl From<Progress> for Rebuild {
    fn from(progress: Progress) -> Self {
        let share = progress.share();
        let Progress { id: rules_id, events, clock, failure: error, .. } = progress;
        Self { rules_id, share, events, as_of: (clock > 0).then_some(clock), error }
    }
}

/// The rules that hold
#[utoipa::path(
    get,
    path = "/v1/rules",
    tag = "rules",
    responses(
        (status = 200, description = "The rules, and the way to others", body = RulesBody),
        (status = 403, description = "The token does not let see rules", body = ErrorBody),
    )
)]
pub(super) async fn rules(
    State(app): State<App>,
    grant: Grant,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Json<RulesBody>, ApiError> {
    grant.whole()?;
    Ok(Json(RulesBody::of(&app)))
}

/// Go over to other rules
///
/// The body is a rules file. The archive is replayed under these rules beside the service, which answers as
/// before until all is caught up with; then they hold, in all answers at once, and after a restart. The last
/// rules that were asked for count: those that hold give up a rebuild that goes on. A restart gives it up, too.
#[utoipa::path(
    post,
    path = "/v1/rules",
    tag = "rules",
    request_body(
        content = String,
        content_type = "text/plain",
        description = "TOML, sent as any type; a rule that it leaves out is Alleycat's",
        example = "resistance_offset = 60"
    ),
    responses(
        (status = 202, description = "They will hold", body = RulesBody),
        (status = 400, description = "No rules, with what is wrong with them", body = ErrorBody),
        (status = 403, description = "The token does not let change rules", body = ErrorBody),
        (status = 408, description = "The body did not come in time", body = ErrorBody),
        (status = 413, description = "More than 1 MiB", body = ErrorBody),
    )
)]
pub(super) async fn want(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    grant: Grant,
    Params(NoParams {}): Params<NoParams>,
    request: Request,
) -> Result<(StatusCode, Json<RulesBody>), ApiError> {
    grant.whole()?;
    let admission = app.admission();
    let _in_flight = admission.enter(peer.ip())?;
    let held = admission.hold(RULES_BYTES_MAX);
    let body = body::read(request.into_body(), held, app.limits().body).await?;
    let unusable = |reason: String| ApiError::new(StatusCode::BAD_REQUEST, "bad_rules", reason);
    // Nothing is more likely a file that was forgotten than Alleycat's rules.
    if body.bytes().is_empty() {
        return Err(unusable("the body is empty; send a rules file, if only a comment".to_owned()));
    }
    let parsed = spawn_blocking(move || {
        let text = str::from_utf8(body.bytes()).map_err(|error| error.to_string())?;
        rules::parse(text).map_err(|error| error.to_string())
    });
    let rules = parsed.await.map_err(|_| internal())?.map_err(unusable)?;
    tracing::info!(rules = rules::id(&rules), "other rules are asked for");
    app.rebuilds().want(rules);
    Ok((StatusCode::ACCEPTED, Json(RulesBody::of(&app))))
}
