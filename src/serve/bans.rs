//! `/v1/bans`: banned racers, who are absent from boards, standings, results and histories.

use std::io;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;
use velodrome_dataflows::{Ban, RacerId};

use super::error::{ApiError, ErrorBody};
use super::params::{NoParams, PathParams, QueryParams};
use super::permissions::Permissions;
use super::state::App;
use super::visibility::WAIT_MAX;
use crate::bans::BansError;

/// The banned racers.
#[derive(Serialize, ToSchema)]
pub(super) struct BannedRacers {
    /// Ids in ascending order.
    racers: Vec<RacerId>,
}

/// List banned racers
#[utoipa::path(
    get,
    path = "/v1/bans",
    responses(
        (status = 200, description = "The banned racers.", body = BannedRacers),
        (status = 403, description = "The token does not permit reading bans.", body = ErrorBody),
    )
)]
pub(super) async fn bans(
    State(app): State<App>,
    permissions: Permissions,
    QueryParams(NoParams {}): QueryParams<NoParams>,
) -> Result<Json<BannedRacers>, ApiError> {
    permissions.require_all()?;
    Ok(Json(BannedRacers { racers: app.bans().racers().await }))
}

/// Ban a racer
///
/// The racer disappears from all boards, standings, results and histories until the ban is lifted.
/// Events of the racer are still accepted and stored.
#[utoipa::path(
    put,
    path = "/v1/bans/{racerId}",
    params(("racerId" = RacerId, Path, example = 66, description = "The racer.")),
    responses(
        (status = 204, description = "The ban is durable and in effect in all reads."),
        (status = 403, description = "The token does not permit changing bans.", body = ErrorBody),
        (status = 409, description = "The maximum number of racers is banned.", body = ErrorBody),
        (status = 503, description = "No generation of the cluster runs (code `cluster_incomplete`). Nothing changes.", body = ErrorBody),
        (status = 504, description = "The ban is durable, but was not in effect in all reads within 5 s; or a node of the cluster was lost meanwhile, and the ban may take effect.", body = ErrorBody),
        (status = 507, description = "The disk is full.", body = ErrorBody),
    )
)]
pub(super) async fn ban(
    State(app): State<App>,
    permissions: Permissions,
    PathParams(racer): PathParams<RacerId>,
    QueryParams(NoParams {}): QueryParams<NoParams>,
) -> Result<StatusCode, ApiError> {
    set_ban(&app, &permissions, Ban { racer, is_banned: true }).await
}

/// Lift a ban
///
/// The racer is visible again with all rides, including those during the ban.
#[utoipa::path(
    delete,
    path = "/v1/bans/{racerId}",
    params(("racerId" = RacerId, Path, example = 66, description = "The racer.")),
    responses(
        (status = 204, description = "The racer is not banned, durably and in all reads."),
        (status = 403, description = "The token does not permit changing bans.", body = ErrorBody),
        (status = 503, description = "No generation of the cluster runs (code `cluster_incomplete`). Nothing changes.", body = ErrorBody),
        (status = 504, description = "The change is durable, but was not in effect in all reads within 5 s; or a node of the cluster was lost meanwhile, and the change may take effect.", body = ErrorBody),
        (status = 507, description = "The disk is full.", body = ErrorBody),
    )
)]
pub(super) async fn lift_ban(
    State(app): State<App>,
    permissions: Permissions,
    PathParams(racer): PathParams<RacerId>,
    QueryParams(NoParams {}): QueryParams<NoParams>,
) -> Result<StatusCode, ApiError> {
    set_ban(&app, &permissions, Ban { racer, is_banned: false }).await
}

pub(super) async fn set_ban(
    app: &App,
    permissions: &Permissions,
    ban: Ban,
) -> Result<StatusCode, ApiError> {
    // A racer can ride in any class.
    permissions.require_all()?;
    app.check_generation()?;
    let since = app.bans().set(ban).await?;
    let Ok(reached) = timeout(WAIT_MAX, app.engine().wait_complete(since)).await else {
        let message =
            "the change of bans is durable, but is not in effect in all reads yet; it will be";
        return Err(ApiError::new(StatusCode::GATEWAY_TIMEOUT, "bans_timeout", message));
    };
    reached?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<BansError> for ApiError {
    fn from(error: BansError) -> Self {
        match error {
            BansError::Engine(error) => error.into(),
            BansError::Cluster(_) => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, "bans_timeout", error.to_string())
            }
            BansError::TooMany { .. } => {
                Self::new(StatusCode::CONFLICT, "too_many_bans", error.to_string())
            }
            BansError::Io { ref reason, .. } if reason.kind() == io::ErrorKind::StorageFull => {
                let message = "the disk is full; try again later";
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full", message).retry_after(30)
            }
            BansError::Io { .. } | BansError::Damaged { .. } => {
                tracing::error!(%error, "cannot change the bans");
                Self::internal()
            }
        }
    }
}
