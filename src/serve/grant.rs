//! What a request's token lets it do with single classes and projects.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::time::Instant;
use velodrome_dataflows::ClassId;

use super::error::ApiError;
use super::query::{VALUE_CHARS_MAX, internal, shortened};
use crate::ingest::event::Event;

/// What a token lets a request do, beyond its scope. The layers that check tokens put one into each
/// request; handlers take it as an argument and ask it for each object that the request names.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// Only these, where it is not for all.
    objects: Option<Arc<Objects>>,
    /// When it ends.
    expires: Option<Instant>,
}

/// The classes and projects that a token is for; other ones it does not open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// Classes.
    pub classes: BTreeSet<ClassId>,
    /// Projects.
    pub projects: BTreeSet<String>,
}

impl Grant {
    /// A grant for `objects` alone, or for all, until `expires`.
    pub(super) fn new(objects: Option<Objects>, expires: Option<Instant>) -> Self {
        Self { objects: objects.map(Arc::new), expires }
    }

    /// Whether it is for the class.
    pub(super) fn has_class(&self, class: ClassId) -> bool {
        self.objects.as_ref().is_none_or(|objects| objects.classes.contains(&class))
    }

    /// Whether it is for the project.
    pub(super) fn has_project(&self, project: &str) -> bool {
        self.objects.as_ref().is_none_or(|objects| objects.projects.contains(project))
    }

    /// 403 `forbidden` where it is not for the class.
    pub(super) fn class(&self, class: ClassId) -> Result<(), ApiError> {
        self.has_class(class).then_some(()).ok_or_else(|| forbidden(not_for_class(class)))
    }

    /// 403 `forbidden` where it is not for the project.
    pub(super) fn project(&self, project: &str) -> Result<(), ApiError> {
        self.has_project(project).then_some(()).ok_or_else(|| forbidden(not_for_project(project)))
    }

    /// Why it does not let send an event, where it does not.
    pub(super) fn refuses(&self, event: &Event) -> Option<String> {
        match event {
            Event::Race(race) => {
                let class = race.event.class;
                (!self.has_class(class)).then(|| not_for_class(class))
            }
            Event::Tracking(tracking) => {
                let project = &tracking.event.project;
                (!self.has_project(project)).then(|| not_for_project(project))
            }
        }
    }

    /// 403 `forbidden` where it is for single classes or projects, and the request is for all of them
    /// or for none.
    pub(super) fn whole(&self) -> Result<(), ApiError> {
        let message = "the token is for single classes or projects; name one of them";
        self.objects.is_none().then_some(()).ok_or_else(|| forbidden(message))
    }

    /// When it ends, where it does.
    pub(super) fn expires(&self) -> Option<Instant> {
        self.expires
    }
}

impl<S: Sync> FromRequestParts<S> for Grant {
    type Rejection = ApiError;

    /// 500 where no layer checked the request's token: nothing is open by oversight.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(internal)
    }
}

fn not_for_class(class: ClassId) -> String {
    format!("the token is not for class '{class}'")
}

fn not_for_project(project: &str) -> String {
    format!("the token is not for project '{}'", shortened(project, VALUE_CHARS_MAX))
}

fn forbidden(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
}
