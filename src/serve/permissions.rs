//! Which classes and projects a request may access.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use tokio::time::Instant;
use velodrome_dataflows::ClassId;

use super::client::Client;
use super::error::ApiError;
use super::excerpt::excerpt;
use crate::ingest::event::Event;

/// What the token of a request permits, beyond its scope. The middleware that checks tokens adds it to
/// each request. Handlers extract it, and check each class and project that the request names.
#[derive(Clone, Debug, Default)]
pub struct Permissions {
    /// The classes and projects of a restricted token; `None` permits all.
    objects: Option<Arc<AllowedObjects>>,
    /// When the token expires; streams end then.
    expires: Option<Instant>,
    /// The token, as a client; `None` without one.
    token: Option<Client>,
}

/// The classes and projects that a restricted token permits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedObjects {
    /// Classes.
    pub classes: BTreeSet<ClassId>,
    /// Projects.
    pub projects: BTreeSet<String>,
}

impl Permissions {
    /// Permits `objects`, or everything for `None`, until `expires`.
    pub(super) fn new(objects: Option<AllowedObjects>, expires: Option<Instant>) -> Self {
        Self { objects: objects.map(Arc::new), expires, token: None }
    }

    /// The same permissions, of `token`.
    pub(super) fn of_token(self, token: Client) -> Self {
        Self { token: Some(token), ..self }
    }

    /// The token; `None` without one.
    pub(super) fn token(&self) -> Option<Client> {
        self.token
    }

    /// The client of a request from `peer`, for its shares of memory and of connections.
    pub(super) fn client(&self, peer: IpAddr) -> Client {
        self.token.unwrap_or_else(|| Client::at(peer))
    }

    pub(super) fn allows_class(&self, class: ClassId) -> bool {
        self.objects.as_ref().is_none_or(|objects| objects.classes.contains(&class))
    }

    pub(super) fn allows_project(&self, project: &str) -> bool {
        self.objects.as_ref().is_none_or(|objects| objects.projects.contains(project))
    }

    /// 403 `forbidden` unless the class is permitted.
    pub(super) fn require_class(&self, class: ClassId) -> Result<(), ApiError> {
        self.allows_class(class).then_some(()).ok_or_else(|| forbidden(other_class(class)))
    }

    /// 403 `forbidden` unless the project is permitted.
    pub(super) fn require_project(&self, project: &str) -> Result<(), ApiError> {
        self.allows_project(project).then_some(()).ok_or_else(|| forbidden(other_project(project)))
    }

    /// 403 `forbidden` for a restricted token. For requests that concern all classes and projects, or
    /// none in particular.
    pub(super) fn require_all(&self) -> Result<(), ApiError> {
        let message = "the token is limited to some classes or projects; name one of them, or use a \
                       token without this limit if the call concerns all of them";
        self.objects.is_none().then_some(()).ok_or_else(|| forbidden(message))
    }

    /// Checks the class or project of an event. The error is the reason to reject it.
    pub(super) fn check_event(&self, event: &Event) -> Result<(), String> {
        match event {
            Event::Race(race) => {
                let class = race.event.class;
                self.allows_class(class).then_some(()).ok_or_else(|| other_class(class))
            }
            Event::Tracking(tracking) => {
                let project = &tracking.event.project;
                self.allows_project(project).then_some(()).ok_or_else(|| other_project(project))
            }
        }
    }

    /// When the token expires; `None` without a token.
    pub(super) fn expires(&self) -> Option<Instant> {
        self.expires
    }
}

impl<S: Sync> FromRequestParts<S> for Permissions {
    type Rejection = ApiError;

    /// 500 if no middleware checked the token, so a route that was not guarded stays closed.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(ApiError::internal)
    }
}

fn other_class(class: ClassId) -> String {
    format!("the token is not for class '{class}'")
}

fn other_project(project: &str) -> String {
    format!("the token is not for project '{}'", excerpt(project))
}

fn forbidden(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
}
