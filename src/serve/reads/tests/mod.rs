//! Calls every read through the router, with a fake engine.

mod answers;
mod costs;
mod errors;

use std::collections::BTreeSet;

use axum::Extension;
use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::fake_engine::FakeEngine;
use super::*;
use crate::engine::Engine;
use crate::serve::answers::AnswerBudget;
use crate::serve::permissions::Permissions;

/// One path of each read, which exists in the fake engine.
const READS: [&str; 13] = [
    "/v1/classes",
    "/v1/classes/1/board?second=2",
    "/v1/classes/1/leaderboard",
    "/v1/classes/1/curve",
    "/v1/racers/4",
    "/v1/racers/4/curve?classId=1",
    "/v1/racers/1/results?classId=1",
    "/v1/races",
    "/v1/races/2/9/standings",
    "/v1/races/2/9/rides/4",
    "/v1/races/1/7/results",
    "/v1/projects/trailer",
    "/v1/projects",
];

/// Status, body and `Retry-After` of a GET that `engine` answers.
async fn get_from(engine: &Engine, uri: &str) -> (u16, Value, Option<String>) {
    get_with(Permissions::default(), engine, uri).await
}

/// The same for a client with `permissions`.
async fn get_with(
    permissions: Permissions,
    engine: &Engine,
    uri: &str,
) -> (u16, Value, Option<String>) {
    let (router, _) = routes::<ReadState>().split_for_parts();
    let router = router.layer(Extension(permissions));
    let router = router.with_state(ReadState::new(engine.clone(), AnswerBudget::new(1 << 30)));
    let request = Request::get(uri).body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let retry = response.headers().get(header::RETRY_AFTER).map(|v| v.to_str().unwrap().to_owned());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap(), retry)
}

async fn get(fake: &FakeEngine, uri: &str) -> (u16, Value) {
    let (status, body, _) = get_from(&fake.engine(), uri).await;
    (status, body)
}

/// The body of a GET that succeeds.
async fn ok(fake: &FakeEngine, uri: &str) -> Value {
    let (status, body) = get(fake, uri).await;
    assert_eq!(status, 200, "{uri}: {body}");
    body
}

/// One field of all rows, from all pages.
async fn paged(fake: &FakeEngine, uri: &str, field: &str) -> Vec<Value> {
    let mut body = ok(fake, uri).await;
    let mut all = Vec::new();
    loop {
        all.extend(body["rows"].as_array().unwrap().iter().map(|row| row[field].clone()));
        assert!(all.len() < 10, "{uri} has no last page");
        let Some(next) = body["next"].as_str() else { return all };
        let joint = if uri.contains('?') { '&' } else { '?' };
        body = ok(fake, &format!("{uri}{joint}cursor={next}")).await;
    }
}

#[test]
fn the_description_contains_every_read_and_every_schema_it_references() {
    let (_, api) = routes::<ReadState>().split_for_parts();
    let api = serde_json::to_value(api).unwrap();
    assert_eq!(api["paths"].as_object().unwrap().len(), READS.len());
    let text = api.to_string();
    let referenced: BTreeSet<_> = text
        .split("\"#/components/schemas/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(!referenced.is_empty());
    for name in referenced {
        assert!(api["components"]["schemas"].get(name).is_some(), "{name} is not described");
    }
    for (path, operation) in api["paths"].as_object().unwrap() {
        let parameters = operation["get"]["parameters"].as_array().unwrap();
        let query = |name| parameters.iter().find(|p| p["name"] == name && p["in"] == "query");
        assert_eq!(query("after").unwrap()["required"], false);
        if let Some(limit) = query("limit") {
            let limits = json!([limit["schema"]["minimum"], limit["schema"]["maximum"]]);
            let rows_max = if path == "/v1/racers/{racerId}/results" { 100 } else { 1000 };
            let expected = (&json!(false), json!([1, rows_max]));
            assert_eq!((&limit["required"], limits), expected, "{path}: {limit}");
        }
    }
}
