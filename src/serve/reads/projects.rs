//! View counts of projects.

use axum::Json;
use axum::extract::State;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{Answer, Clock, Query, ViewCount};

use super::params::{Limit, cut};
use super::{Reads, cursor};
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::grant::Grant;
use crate::serve::query::{Params, PathParam, VALUE_CHARS_MAX, internal, shortened};
use crate::serve::token;

/// The name of the one list.
const LIST: &str = "projects";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ProjectParams {
    /// The token of an ingest that is to be included.
    after: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ProjectsParams {
    /// How many projects at most.
    #[param(inline)]
    limit: Option<Limit>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// The token of an ingest that is to be included.
    after: Option<String>,
}

/// How often and how long a project was viewed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::serve) struct Project {
    #[schema(value_type = String)]
    project_id: CompactString,
    /// How many views began.
    views: u64,
    /// Watched time.
    duration_ms: u64,
}

/// A page of projects.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Projects {
    /// The event clock, in ms since the epoch, up to which all is included.
    as_of: Clock,
    /// Views descending, ids of equal ones ascending.
    rows: Vec<Project>,
    /// The cursor of the projects behind these, where there are more.
    next: Option<String>,
}

impl Project {
    pub(in crate::serve) fn new(project_id: CompactString, count: ViewCount) -> Self {
        Self { project_id, views: count.views, duration_ms: count.duration_ms }
    }
}

/// How often and how long a project was viewed.
#[utoipa::path(
    get,
    path = "/v1/projects/{projectId}",
    params(("projectId" = String, Path, example = "project-1", description = "The project."), ProjectParams),
    responses(
        (status = OK, body = Project, description = "Its views."),
        (status = NOT_FOUND, body = ErrorBody, description = "The project was never viewed."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "What `after` names is not visible within 5 s."),
    )
)]
pub(super) async fn project(
    State(reads): State<Reads>,
    grant: Grant,
    PathParam(project_id): PathParam<CompactString>,
    Params(params): Params<ProjectParams>,
) -> Result<Json<Project>, ApiError> {
    grant.project(&project_id)?;
    token::wait_for(&reads.engine, params.after.as_deref()).await?;
    let (_, answer) = reads.engine.ask(Query::Project(project_id.clone())).await?;
    let Answer::Project(count) = answer else { return Err(internal()) };
    let count = count.ok_or_else(|| {
        let id = shortened(&project_id, VALUE_CHARS_MAX);
        ApiError::not_found(format!("project '{id}' was never viewed"))
    })?;
    Ok(Json(Project::new(project_id, count)))
}

/// The projects by views.
#[utoipa::path(
    get,
    path = "/v1/projects",
    params(ProjectsParams),
    responses(
        (status = OK, body = Projects, description = "The page."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "What `after` names is not visible within 5 s."),
    )
)]
pub(super) async fn projects(
    State(reads): State<Reads>,
    grant: Grant,
    Params(params): Params<ProjectsParams>,
) -> Result<Json<Projects>, ApiError> {
    grant.whole()?;
    let ProjectsParams { limit, cursor, after } = params;
    let behind = cursor::decode(LIST, cursor.as_deref())?;
    let limit = limit.unwrap_or_default();
    token::wait_for(&reads.engine, after.as_deref()).await?;
    let (as_of, answer) = reads.engine.ask(Query::Projects(behind, limit.rows() + 1)).await?;
    let Answer::Projects(mut rows) = answer else { return Err(internal()) };
    let next =
        cut(&mut rows, limit).map(|(project, count)| cursor::encode(LIST, &(count.views, project)));
    Ok(Json(Projects {
        as_of,
        rows: rows.into_iter().map(|(id, count)| Project::new(id, count)).collect(),
        next,
    }))
}
