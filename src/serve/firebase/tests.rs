//! Requests through the router, to a fake engine with two projects.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::middleware::from_fn;
use axum::{Extension, Router};
use http_body_util::BodyExt;
use tower::ServiceExt;
use velodrome_dataflows::ViewCount;

use super::*;
use crate::live_state::LiveChange;
use crate::serve::limiter::Limiter;
use crate::serve::limits::Limits;
use crate::serve::permissions::{self, Permissions};
use crate::serve::reads::fake_engine::FakeEngine;
use crate::serve::stream::Broker;

#[derive(Clone)]
struct TestState(ReadState);

impl FromRef<TestState> for ReadState {
    fn from_ref(TestState(reads): &TestState) -> Self {
        reads.clone()
    }
}

impl FromRef<TestState> for Streams {
    /// Streams without a hub: they send nothing.
    fn from_ref(TestState(reads): &TestState) -> Self {
        Self {
            broker: Arc::new(Broker::new(0)),
            limiter: Arc::new(Limiter::new(Limits::default())),
            engine: reads.engine.clone(),
            cluster: None,
        }
    }
}

/// The routes, with the projects `intro` and `a/é`. Requests have `permissions`; `None` stands for a
/// missing token check.
fn router(fake: &FakeEngine, permissions: Option<Permissions>) -> Router {
    let views = |id: &str, views, duration_ms| {
        LiveChange::Views(id.into(), ViewCount { views, duration_ms })
    };
    fake.tick(5_010, vec![views("intro", 2, 700), views("a/é", 1, 0)]);
    let routes = routes::<TestState>().merge(routes_of_other_paths());
    let (router, _) = routes.split_for_parts();
    let router = router.with_state(TestState(fake.reads()));
    let router = match permissions {
        Some(permissions) => router.layer(Extension(permissions)),
        None => router,
    };
    router.layer(from_fn(format_errors))
}

/// Sends a GET with headers, and returns the response's status, headers and text.
async fn send(router: Router, uri: &str, with: &[(&str, &str)]) -> (u16, HeaderMap, String) {
    let mut request = Request::get(uri);
    for (name, value) in with {
        request = request.header(*name, *value);
    }
    let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap();
    (parts.status.as_u16(), parts.headers, text)
}

async fn get(uri: &str) -> (u16, String) {
    let (status, _, text) =
        send(router(&FakeEngine::new(), Some(Permissions::default())), uri, &[]).await;
    (status, text)
}

#[tokio::test]
async fn returns_the_data_of_each_path_or_null() {
    let intro = r#"{"durationMs":700,"views":2}"#;
    let both = format!(r#"{{"a%2Fé":{{"durationMs":0,"views":1}},"intro":{intro}}}"#);
    for (uri, expected) in [
        ("/.json", &*format!(r#"{{"project":{both}}}"#)),
        ("/project.json", &both),
        ("/project/.json", &both),
        ("/project/intro.json", intro),
        ("/project/intro/views.json", "2"),
        ("/project/intro/durationMs.json", "700"),
        ("/project/a%252F%C3%A9/views.json", "1"),
        ("/project/a%2F%C3%A9/views.json", "1"),
        ("//.json", &*format!(r#"{{"project":{both}}}"#)),
        ("//project//intro.json?ns=database", intro),
        ("/users.json", "null"),
        ("/users/1/name.json?ns=database", "null"),
        ("/projectx.json", "null"),
        ("/project/a/%C3%A9/views.json", "null"),
        ("/project/outro.json", "null"),
        ("/project/intro/views/deep/er.json", "null"),
        ("/.json?shallow=true", r#"{"project":true}"#),
        ("/project.json?shallow=true", r#"{"a%2Fé":true,"intro":true}"#),
        ("/project/intro/views.json?shallow=true", "2"),
        ("/project/intro.json?shallow=false", intro),
        ("/project/intro.json?print=pretty", "{\n  \"durationMs\": 700,\n  \"views\": 2\n}"),
    ] {
        assert_eq!(get(uri).await, (200, expected.to_owned()), "{uri}");
    }
    assert_eq!(get("/project/intro.json?print=silent").await, (204, String::new()));
}

#[tokio::test]
async fn returns_an_etag_on_request_and_304_while_it_matches() {
    let fake = FakeEngine::new();
    let router = router(&fake, Some(Permissions::default()));
    let get = |with: &'static str, value: String| {
        let router = router.clone();
        async move {
            let with = [(with, &*value)];
            let (status, headers, _) = send(router, "/project/intro.json", &with).await;
            let etag = headers.get("etag").map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(headers["cache-control"], "no-cache");
            (status, etag)
        }
    };
    assert_eq!(get("accept", "*/*".to_owned()).await, (200, None));
    let (_, etag) = get("x-firebase-etag", "true".to_owned()).await;
    let etag = etag.unwrap();
    assert_eq!(get("if-none-match", etag.clone()).await, (304, Some(etag.clone())));
    let more = ViewCount { views: 1, duration_ms: 0 };
    fake.tick(5_020, vec![LiveChange::Views("intro".into(), more)]);
    assert_eq!(get("if-none-match", etag.clone()).await, (200, None));
    assert_ne!(get("x-firebase-etag", "true".to_owned()).await.1.unwrap(), etag);
}

#[tokio::test]
async fn errors_have_firebases_format() {
    for (uri, says) in [
        ("/project.json?print=loud", "print is 'loud'"),
        ("/project.json?shallow=maybe", "shallow is 'maybe'"),
        ("/project.json?orderBy=x", "unknown parameter 'orderBy'"),
        ("/project/%ff.json", "not UTF-8"),
    ] {
        let (status, text) = get(uri).await;
        let body: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(status, 400, "{uri}");
        assert!(body["error"].as_str().unwrap().contains(says), "{text}");
    }
    assert_eq!(get("/project/intro").await.0, 404);
    // No middleware checked the token.
    let (status, _, text) = send(router(&FakeEngine::new(), None), "/.json", &[]).await;
    assert!(status == 500 && text.starts_with(r#"{"error":""#), "{text}");
}

#[tokio::test]
async fn a_token_for_one_project_permits_only_that_project() {
    let one_project = permissions::AllowedObjects {
        projects: ["intro".into()].into(),
        ..permissions::AllowedObjects::default()
    };
    let permissions = Permissions::new(Some(one_project), None);
    let denied = r#"{"error":"Permission denied"}"#;
    for (uri, expected) in [
        ("/project/intro.json", (StatusCode::OK, None)),
        ("/project/intro/views.json", (StatusCode::OK, None)),
        ("/project/intro/views/deeper.json", (StatusCode::OK, None)),
        ("/project/a%2F%C3%A9.json", (StatusCode::UNAUTHORIZED, Some(denied))),
        ("/project/outro/views.json", (StatusCode::UNAUTHORIZED, Some(denied))),
        ("/project.json", (StatusCode::UNAUTHORIZED, Some(denied))),
        ("/.json", (StatusCode::UNAUTHORIZED, Some(denied))),
    ] {
        let (status, _, text) =
            send(router(&FakeEngine::new(), Some(permissions.clone())), uri, &[]).await;
        assert_eq!(status, expected.0, "{uri}");
        assert!(expected.1.is_none_or(|expected| expected == text), "{uri}: {text}");
    }
}
