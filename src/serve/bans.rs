//! Bans: racers who leave all boards, standings, results and histories, and come back.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;
use velodrome_dataflows::{Ban, RacerId};

use super::App;
use super::error::{ApiError, ErrorBody};
use super::grant::Grant;
use super::query::{NoParams, Params, PathParam, internal};
use super::token::WAIT_MAX;
use crate::bans::BansError;

/// Who is banned.
#[derive(Serialize, ToSchema)]
pub(super) struct Banned {
    /// Ascending.
    racers: Vec<RacerId>,
}

/// The banned racers
#[utoipa::path(
    get,
    path = "/v1/bans",
    tag = "bans",
    responses(
        (status = 200, description = "The racers who are banned", body = Banned),
        (status = 403, description = "The token does not let see bans", body = ErrorBody),
    )
)]
pub(super) async fn bans(
    State(app): State<App>,
    grant: Grant,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Json<Banned>, ApiError> {
    grant.whole()?;
    Ok(Json(Banned { racers: app.bans().racers().await }))
}

/// Ban a racer
///
/// From then on everything is as if the racer had never been, until the ban is lifted; what the racer
/// rides meanwhile is kept.
#[utoipa::path(
    put,
    path = "/v1/bans/{racerId}",
    tag = "bans",
    params(("racerId" = RacerId, Path, example = 66, description = "The racer.")),
    responses(
        (status = 204, description = "The racer is banned, durably and in all answers"),
        (status = 403, description = "The token does not let change bans", body = ErrorBody),
        (status = 409, description = "As many racers are banned as can be", body = ErrorBody),
        (status = 504, description = "Kept, but not in all answers within 5 s", body = ErrorBody),
        (status = 507, description = "The disk is full", body = ErrorBody),
    )
)]
pub(super) async fn ban(
    State(app): State<App>,
    grant: Grant,
    PathParam(racer): PathParam<RacerId>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<StatusCode, ApiError> {
    set(&app, &grant, Ban { racer, is_banned: true }).await
}

/// Lift a ban
///
/// The racer comes back with all that was ridden, before the ban and meanwhile.
#[utoipa::path(
    delete,
    path = "/v1/bans/{racerId}",
    tag = "bans",
    params(("racerId" = RacerId, Path, example = 66, description = "The racer.")),
    responses(
        (status = 204, description = "The racer is not banned, durably and in all answers"),
        (status = 403, description = "The token does not let change bans", body = ErrorBody),
        (status = 504, description = "Kept, but not in all answers within 5 s", body = ErrorBody),
        (status = 507, description = "The disk is full", body = ErrorBody),
    )
)]
pub(super) async fn lift(
    State(app): State<App>,
    grant: Grant,
    PathParam(racer): PathParam<RacerId>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<StatusCode, ApiError> {
    set(&app, &grant, Ban { racer, is_banned: false }).await
}

pub(super) async fn set(app: &App, grant: &Grant, ban: Ban) -> Result<StatusCode, ApiError> {
    // A racer is in all classes.
    grant.whole()?;
    let since = app.bans().set(ban).await?;
    let Ok(reached) = timeout(WAIT_MAX, app.engine().reached(since)).await else {
        let message = "the change of bans is kept and will hold, but is not in all answers yet";
        return Err(ApiError::new(StatusCode::GATEWAY_TIMEOUT, "bans_timeout", message));
    };
    reached?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<BansError> for ApiError {
    fn from(error: BansError) -> Self {
        match error {
            BansError::Engine(error) => error.into(),
            BansError::TooMany => {
                Self::new(StatusCode::CONFLICT, "too_many_bans", error.to_string())
            }
            BansError::Io { ref reason, .. }
                if reason.kind() == std::io::ErrorKind::StorageFull =>
            {
                let message = "the disk is full; try again later";
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full", message).retry_after(30)
            }
            BansError::Io { .. } | BansError::Damaged { .. } => {
                tracing::error!(%error, "bans could not be changed");
                internal()
            }
        }
    }
}
