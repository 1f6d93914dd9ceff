//! `/v1/rules`: the active rules, and switching to new ones.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use velodrome_dataflows::Rules;

use super::blocking::process_body;
use super::body::{self, BodyFormat};
use super::error::{ApiError, ErrorBody};
use super::params::{NoParams, QueryParams};
use super::permissions::Permissions;
use super::rebuild_status::Rebuild;
use super::state::App;
use crate::rules::{self, InvalidRules};

/// The size limit of a rules file.
const RULES_BYTES_MAX: usize = 1 << 20;

/// The active rules, and the switch to new ones.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RulesBody {
    /// The SHA-256 of the rules in their canonical form.
    rules_id: String,
    /// The active rules.
    #[schema(value_type = Object)]
    rules: Rules,
    /// The switch to new rules; null if none was requested, or if the requested rules are active.
    #[schema(required = true)]
    rebuild: Option<RebuildBody>,
}

/// A switch to new rules.
#[derive(Serialize, ToSchema)]
struct RebuildBody {
    #[serde(flatten)]
    rebuild: Rebuild,
    /// The new rules.
    #[schema(value_type = Object)]
    rules: Arc<Rules>,
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

/// Get the active rules
#[utoipa::path(
    get,
    path = "/v1/rules",
    responses(
        (status = 200, description = "The active rules, and the switch to new ones.", body = RulesBody),
        (status = 403, description = "The token does not permit reading rules.", body = ErrorBody),
    )
)]
pub(super) async fn rules(
    State(app): State<App>,
    permissions: Permissions,
    QueryParams(NoParams {}): QueryParams<NoParams>,
) -> Result<Json<RulesBody>, ApiError> {
    permissions.require_all()?;
    Ok(Json(RulesBody::of(&app)))
}

/// Switch to new rules
///
/// The body is a rules file, or what the other call returned, with changed rules. The service replays the archive under the new rules in the background;
/// reads and writes continue. When the replay has caught up, the new rules become active in all reads
/// at once, and stay active after a restart. A later request replaces an earlier one: posting the
/// active rules cancels a switch in progress, and so does a restart.
#[utoipa::path(
    post,
    path = "/v1/rules",
    request_body(
        content(
            (serde_json::Value = "application/json", example = json!({"resistance_offset": 60})),
            (String = "text/plain", example = "resistance_offset = 60"),
        ),
        description = "TOML or JSON, with any content type; `Content-Encoding: gzip` is supported. A rule that is left out has the value of Alleycat.",
    ),
    responses(
        (status = 202, description = "The switch is requested.", body = RulesBody),
        (status = 400, description = "The body is not a valid rules file; the message states why.", body = ErrorBody),
        (status = 403, description = "The token does not permit changing rules.", body = ErrorBody),
        (status = 408, description = "The body did not arrive in time.", body = ErrorBody),
        (status = 413, description = "The body has more than 1 MiB.", body = ErrorBody),
        (status = 415, description = "The encoding of the body is not supported.", body = ErrorBody),
        (status = 503, description = "No generation of the cluster runs (code `cluster_incomplete`).", body = ErrorBody),
    )
)]
pub(super) async fn switch_rules(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    permissions: Permissions,
    QueryParams(NoParams {}): QueryParams<NoParams>,
    request: Request,
) -> Result<(StatusCode, Json<RulesBody>), ApiError> {
    permissions.require_all()?;
    app.check_generation()?;
    // A switch needs the memory of a second engine.
    app.check_memory()?;
    let format = BodyFormat::text(request.headers())?;
    let limiter = app.limiter();
    let _slot = limiter.acquire_request(peer.ip())?;
    let buffer = limiter.body_buffer(permissions.client(peer.ip()), RULES_BYTES_MAX);
    let body = body::read(request.into_body(), buffer, app.limits().body_timeout).await?;
    let bad_rules = |reason: String| ApiError::new(StatusCode::BAD_REQUEST, "bad_rules", reason);
    // An empty file would select the rules of Alleycat, but is more likely a file that was forgotten.
    if body.bytes().is_empty() {
        let message =
            "the body is empty; send a rules file (a comment alone selects the default rules)";
        return Err(bad_rules(message.to_owned()));
    }
    let rules = process_body(format, body, move |body| {
        let text = str::from_utf8(body.bytes()).map_err(|error| {
            bad_rules(format!("byte {} of the rules is not valid UTF-8", error.valid_up_to()))
        })?;
        parse(text).map_err(|error| bad_rules(error.to_string()))
    });
    let rules = rules.await?;
    tracing::info!(rules = rules::id(&rules), "a switch to new rules is requested");
    app.rebuilds().request(rules);
    Ok((StatusCode::ACCEPTED, Json(RulesBody::of(&app))))
}

/// Parses a rules file, or an answer of `GET /v1/rules`.
fn parse(text: &str) -> Result<Rules, InvalidRules> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Answer<'a> {
        #[serde(rename = "rulesId")]
        _id: Option<IgnoredAny>,
        #[serde(borrow)]
        rules: &'a RawValue,
        #[serde(rename = "rebuild")]
        _rebuild: Option<IgnoredAny>,
    }
    let Ok(Answer { rules, .. }) = serde_json::from_str(text) else { return rules::parse(text) };
    // Errors name the line in the body.
    let start = text.find(rules.get()).unwrap_or_default();
    let before = text.get(..start).unwrap_or_default();
    let lines = before.matches('\n').count();
    rules::parse(&format!("{}{}", "\n".repeat(lines), rules.get()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_can_be_posted_and_its_errors_name_the_line() {
        let rules = Rules { resistance_offset: 60.0, ..Rules::default() };
        let body = RulesBody { rules_id: "a".to_owned(), rules: rules.clone(), rebuild: None };
        let answer = serde_json::to_string_pretty(&body).unwrap();
        assert_eq!(parse(&answer).unwrap(), rules);
        assert_eq!(parse(&json!(rules).to_string()).unwrap(), rules);
        assert_eq!(parse("resistance_offset = 60").unwrap(), rules);
        let wrong = answer.replace("resistance_offset", "resistance");
        let line = wrong.lines().position(|line| line.contains("\"resistance\"")).unwrap() + 1;
        let error = parse(&wrong).unwrap_err().to_string();
        assert!(error.starts_with(&format!("line {line}: unknown key 'resistance'")), "{error}");
        // What is next to the rules has no effect, so it must be known.
        parse(r#"{"rules":{},"resistance_offset":60}"#).unwrap_err();
    }
}
