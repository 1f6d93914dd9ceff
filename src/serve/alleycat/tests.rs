//! Alleycat's routes, on an engine with fixed data and objects in a directory.

use std::fs;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::{Extension, Router};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use velodrome_dataflows::{Query, Stage};

use super::*;
use crate::live_state::LiveChange;
use crate::serve::permissions::{self, Permissions};
use crate::serve::reads::fake_engine::FakeEngine;

#[derive(Clone)]
struct TestState {
    reads: ReadState,
    objects: HistoryObjects,
}

impl FromRef<TestState> for ReadState {
    fn from_ref(state: &TestState) -> Self {
        state.reads.clone()
    }
}

impl FromRef<TestState> for HistoryObjects {
    fn from_ref(state: &TestState) -> Self {
        state.objects.clone()
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.status, 200);
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn code(&self) -> (u16, String) {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        (self.status.as_u16(), body["error"]["code"].as_str().unwrap().to_owned())
    }
}

/// The routes over `fake` and `objects`, for a client with `permissions`.
fn router(fake: &FakeEngine, objects: &HistoryObjects, permissions: Permissions) -> Router {
    let state = TestState { reads: fake.reads(), objects: objects.clone() };
    let (router, _) = routes::<TestState>().split_for_parts();
    router.with_state(state).layer(Extension(permissions))
}

async fn send(router: Router, method: Method, uri: &str, known: &str) -> Answer {
    let request = Request::builder().method(method).uri(uri).header("if-none-match", known);
    let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().into();
    Answer { status: parts.status, headers: parts.headers, body }
}

async fn get(fake: &FakeEngine, uri: &str) -> Answer {
    let router = router(fake, &HistoryObjects::new(1), Permissions::default());
    send(router, Method::GET, uri, "").await
}

#[tokio::test]
async fn get_races_returns_the_finals_of_finished_races_newest_last() {
    let fake = FakeEngine::new();
    // Race 3 began after race 7 and has no results; race 5 is running.
    let finished =
        |race, started_at| LiveChange::Stage((1, race, 1), Stage::Finished { started_at });
    fake.tick(5_010, vec![finished(3, 3_000)]);
    let item = |race, results: &str, ts| json!({"PK": format!("race-{race}"), "SK": "results", "GSI": 1, "results": results, "ts": ts});
    let expected = json!([item(7, r#"{"1":9.0,"3":9.0}"#, 1_000), item(3, "{}", 3_000)]);
    assert_eq!(get(&fake, "/getRaces?classId=1").await.json(), expected);
    // One query, so that all results are from one time.
    assert_eq!(fake.queries(), [Query::Results(1, vec![3, 7])]);
    assert_eq!(get(&fake, "/getRaces?classId=2").await.json(), json!([]));
}

#[tokio::test]
async fn get_races_returns_the_newest_hundred_even_if_many_are_running() {
    let fake = FakeEngine::new();
    let mut changes = Vec::new();
    for race in 1_000..1_350 {
        changes.push(LiveChange::Stage((4, race, 1), Stage::Finished { started_at: race }));
    }
    for race in 1_350..1_600 {
        let standing = velodrome_dataflows::Standing {
            second: 1,
            output: velodrome_dataflows::Output(1.0),
            name: None,
            started_at: race,
        };
        changes.push(LiveChange::Stage((4, race, 1), Stage::Running(standing, Vec::new())));
    }
    fake.tick(5_010, changes);
    let races = get(&fake, "/getRaces?classId=4").await.json();
    let started_at: Vec<_> =
        races.as_array().unwrap().iter().map(|race| race["ts"].clone()).collect();
    assert_eq!(started_at, (1_250..1_350).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_leaderboard_is_rounded_and_descending() {
    let fake = FakeEngine::new();
    let item = |racer, output, race| json!({"PK": "class-1", "SK": format!("racer-{racer}"), "GSI": output, "raceId": race, "ts": 1_000});
    let expected = json!([item(2, 50.0, 7), item(1, 40.25, 8)]);
    assert_eq!(get(&fake, "/leaderboard?classId=1").await.json(), expected);
    assert_eq!(get(&fake, "/leaderboard?classId=9").await.json(), json!([]));
}

#[tokio::test]
async fn rejects_a_missing_or_invalid_class() {
    let fake = FakeEngine::new();
    for call in ["/getRaces", "/leaderboard"] {
        for query in ["", "?classId=", "?classId=x", "?classId=65536", "?classId=1&limit=3"] {
            let answer = get(&fake, &format!("{call}{query}")).await;
            assert_eq!(answer.code(), (400, "bad_parameter".to_owned()), "{call}{query}");
        }
    }
}

#[tokio::test]
async fn a_token_for_one_class_does_not_admit_to_others() {
    let fake = FakeEngine::new();
    let directory = tempfile::tempdir().unwrap();
    for class in [1, 2] {
        fs::write(directory.path().join(format!("class-{class}.gz")), "gzip").unwrap();
    }
    let objects = HistoryObjects::open(directory.path(), Some(0), 1);
    let of_one = permissions::AllowedObjects {
        classes: [1].into(),
        ..permissions::AllowedObjects::default()
    };
    let permissions = Permissions::new(Some(of_one), None);
    for (class, expected) in [(1, 200), (2, 403)] {
        for uri in [
            format!("/getRaces?classId={class}"),
            format!("/leaderboard?classId={class}"),
            format!("/history/class-{class}.gz"),
        ] {
            let answer =
                send(router(&fake, &objects, permissions.clone()), Method::GET, &uri, "").await;
            assert_eq!(answer.status, expected, "{uri}");
        }
    }
}

#[tokio::test]
async fn a_history_object_is_sent_once_and_then_not_modified() {
    let fake = FakeEngine::new();
    let directory = tempfile::tempdir().unwrap();
    let bytes: Vec<_> = (0..100_000).map(|at| (at % 251) as u8).collect();
    fs::write(directory.path().join("class-1.gz"), &bytes).unwrap();
    let objects = HistoryObjects::open(directory.path(), Some(0), 1);
    let ask = |method, known: String| {
        let router = router(&fake, &objects, Permissions::default());
        async move { send(router, method, "/history/class-1.gz", &known).await }
    };
    let first = ask(Method::GET, String::new()).await;
    assert!(first.status == 200 && first.body == bytes);
    for (name, value) in [
        ("content-type", "application/gzip"),
        ("content-length", "100000"),
        ("content-encoding", ""),
        ("cache-control", "no-cache"),
    ] {
        assert_eq!(first.header(name), value, "{name}");
    }
    let etag = first.header("etag").to_owned();
    assert!(etag.starts_with('"'), "{etag}");

    let again = ask(Method::GET, etag.clone()).await;
    assert_eq!((again.status.as_u16(), again.header("etag"), again.body.len()), (304, &*etag, 0));
    let head = ask(Method::HEAD, String::new()).await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, "100000"));
    assert_eq!((head.header("etag"), head.body.len()), (&*etag, 0));

    fs::write(directory.path().join("class-1.gz"), "other bytes").unwrap();
    let objects = HistoryObjects::open(directory.path(), Some(0), 1);
    let router = router(&fake, &objects, Permissions::default());
    let other = send(router, Method::GET, "/history/class-1.gz", &etag).await;
    assert_eq!((other.status.as_u16(), &other.body[..]), (200, &b"other bytes"[..]));
}

#[tokio::test]
async fn a_missing_history_is_a_404() {
    let fake = FakeEngine::new();
    for name in ["class-1.gz", "class-x.gz", "class-1", "class-01.gz", "%2e%2e", "class-1.gz%2f"] {
        let answer = get(&fake, &format!("/history/{name}")).await;
        assert_eq!(answer.code(), (404, "not_found".to_owned()), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_history_from_before_a_ban_is_not_sent() {
    let fake = FakeEngine::new();
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("class-1.gz"), "with everybody").unwrap();
    let objects = HistoryObjects::open(directory.path(), Some(0), 1);
    fake.tick(5_010, vec![LiveChange::Bans]);
    let router = router(&fake, &objects, Permissions::default());
    // No publisher is running.
    let answer = send(router, Method::GET, "/history/class-1.gz", "").await;
    assert_eq!(answer.code(), (504, "not_published".to_owned()));
}
