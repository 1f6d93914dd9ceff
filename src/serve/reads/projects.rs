//! `GET /v1/projects` and `/v1/projects/{projectId}`: view counts.

use axum::Json;
use axum::extract::State;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{Answer, EventTime, Query, ViewCount};

use super::cursor;
use super::page::{Limit, truncate_page};
use super::state::ReadState;
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::excerpt::excerpt;
use crate::serve::params::{PathParams, QueryParams};
use crate::serve::permissions::Permissions;
use crate::serve::visibility;

/// Identifies the list in cursors.
const LIST: &str = "projects";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ProjectParams {
    /// The `token` of a reply to `POST /v1/events`. The response includes the events of that request.
    after: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ProjectsParams {
    /// The maximum number of projects.
    #[param(inline)]
    limit: Option<Limit>,
    /// The `next` of the previous page.
    cursor: Option<String>,
    /// The `token` of a reply to `POST /v1/events`. The response includes the events of that request.
    after: Option<String>,
}

/// The views of a project.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::serve) struct Project {
    #[schema(value_type = String)]
    project_id: CompactString,
    /// The number of views.
    views: u64,
    /// The watched time, in ms.
    duration_ms: u64,
}

/// A page of projects.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Projects {
    /// The response includes everything up to this event clock, in ms since the epoch.
    as_of: EventTime,
    /// Sorted by views, descending, then by id.
    rows: Vec<Project>,
    /// The cursor of the next page; null on the last page.
    next: Option<String>,
}

impl Project {
    pub(in crate::serve) fn new(project_id: CompactString, count: ViewCount) -> Self {
        Self { project_id, views: count.views, duration_ms: count.duration_ms }
    }
}

/// The views of a project
#[utoipa::path(
    get,
    path = "/v1/projects/{projectId}",
    params(("projectId" = String, Path, example = "project-1", description = "The project."), ProjectParams),
    responses(
        (status = OK, body = Project, description = "The views of the project."),
        (status = NOT_FOUND, body = ErrorBody, description = "The project has no views."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "The events of `after` were not visible within 5 s."),
    )
)]
pub(super) async fn project(
    State(reads): State<ReadState>,
    permissions: Permissions,
    PathParams(project_id): PathParams<CompactString>,
    QueryParams(params): QueryParams<ProjectParams>,
) -> Result<Json<Project>, ApiError> {
    permissions.require_project(&project_id)?;
    visibility::wait_for(&reads.engine, params.after.as_deref()).await?;
    let (_, answer) = reads.engine.query(Query::Project(project_id.clone())).await?;
    let Answer::Project(count) = answer else { return Err(ApiError::internal()) };
    let count = count.ok_or_else(|| {
        let id = excerpt(&project_id);
        ApiError::not_found(format!("project '{id}' has no views"))
    })?;
    Ok(Json(Project::new(project_id, count)))
}

/// All projects, by views
#[utoipa::path(
    get,
    path = "/v1/projects",
    params(ProjectsParams),
    responses(
        (status = OK, body = Projects, description = "The page."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "The events of `after` were not visible within 5 s."),
    )
)]
pub(super) async fn projects(
    State(reads): State<ReadState>,
    permissions: Permissions,
    QueryParams(params): QueryParams<ProjectsParams>,
) -> Result<Json<Projects>, ApiError> {
    permissions.require_all()?;
    let ProjectsParams { limit, cursor, after } = params;
    let last = cursor::decode(LIST, cursor.as_deref())?;
    let limit = limit.unwrap_or_default();
    visibility::wait_for(&reads.engine, after.as_deref()).await?;
    let (as_of, mut rows) = {
        let (as_of, live) = reads.engine.live_state();
        (as_of, live.projects(last.as_ref(), limit.rows() + 1))
    };
    let next = truncate_page(&mut rows, limit)
        .map(|(project, count)| cursor::encode(LIST, &(count.views, project)));
    Ok(Json(Projects {
        as_of,
        rows: rows.into_iter().map(|(id, count)| Project::new(id, count)).collect(),
        next,
    }))
}
