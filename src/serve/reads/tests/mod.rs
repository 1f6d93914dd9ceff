//! Every read, through the router, of an engine of fixed data.

mod answers;
mod refusals;

use std::collections::BTreeSet;

use axum::Extension;
use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::stub::Stub;
use super::*;
use crate::serve::grant::Grant;

/// All reads that there are, of things that are there.
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

/// Status and body of a GET that `engine` answers, and for how long it asks to be left alone.
async fn get_from(engine: &Engine, uri: &str) -> (u16, Value, Option<String>) {
    get_with(Grant::default(), engine, uri).await
}

/// The same to who holds `grant`.
async fn get_with(grant: Grant, engine: &Engine, uri: &str) -> (u16, Value, Option<String>) {
    let (router, _) = routes::<Reads>().split_for_parts();
    let router = router.layer(Extension(grant));
    let router = router.with_state(Reads::new(engine.clone()));
    let request = Request::get(uri).body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let retry = response.headers().get(header::RETRY_AFTER).map(|v| v.to_str().unwrap().to_owned());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap(), retry)
}

async fn get(stub: &Stub, uri: &str) -> (u16, Value) {
    let (status, body, _) = get_from(&stub.engine(), uri).await;
    (status, body)
}

/// The body of a GET that succeeds.
async fn ok(stub: &Stub, uri: &str) -> Value {
    let (status, body) = get(stub, uri).await;
    assert_eq!(status, 200, "{uri}: {body}");
    body
}

/// One field of all rows, over all pages.
async fn paged(stub: &Stub, uri: &str, field: &str) -> Vec<Value> {
    let mut body = ok(stub, uri).await;
    let mut all = Vec::new();
    loop {
        all.extend(body["rows"].as_array().unwrap().iter().map(|row| row[field].clone()));
        assert!(all.len() < 10, "{uri} comes to no end");
        let Some(next) = body["next"].as_str() else { return all };
        let joint = if uri.contains('?') { '&' } else { '?' };
        body = ok(stub, &format!("{uri}{joint}cursor={next}")).await;
    }
}

#[test]
fn the_description_has_every_read_and_every_schema_that_it_names() {
    let (_, api) = routes::<Reads>().split_for_parts();
    let api = serde_json::to_value(api).unwrap();
    assert_eq!(api["paths"].as_object().unwrap().len(), READS.len());
    let text = api.to_string();
    let named: BTreeSet<_> = text
        .split("\"#/components/schemas/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(!named.is_empty());
    for name in named {
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
