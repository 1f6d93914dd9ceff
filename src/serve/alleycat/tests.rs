//! Alleycat's calls, through the router, of an engine of fixed data and objects in a directory.

use std::fs;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::{Extension, Router};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use velodrome_dataflows::{Query, Stage};

use super::*;
use crate::feeds::FeedChange;
use crate::serve::grant::{self, Grant};
use crate::serve::reads::stub::Stub;

#[derive(Clone)]
struct Doors {
    reads: Reads,
    objects: Objects,
}

impl FromRef<Doors> for Reads {
    fn from_ref(doors: &Doors) -> Self {
        doors.reads.clone()
    }
}

impl FromRef<Doors> for Objects {
    fn from_ref(doors: &Doors) -> Self {
        doors.objects.clone()
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

/// The routes over `stub` and `objects`, for whoever has `grant`.
fn router(stub: &Stub, objects: &Objects, grant: Grant) -> Router {
    let doors = Doors { reads: Reads::new(stub.engine()), objects: objects.clone() };
    let (router, _) = routes::<Doors>().split_for_parts();
    router.with_state(doors).layer(Extension(grant))
}

async fn send(router: Router, method: Method, uri: &str, known: &str) -> Answer {
    let request = Request::builder().method(method).uri(uri).header("if-none-match", known);
    let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().into();
    Answer { status: parts.status, headers: parts.headers, body }
}

async fn get(stub: &Stub, uri: &str) -> Answer {
    let router = router(stub, &Objects::default(), Grant::default());
    send(router, Method::GET, uri, "").await
}

#[tokio::test]
async fn get_races_tells_the_finals_of_races_that_are_over_newest_last() {
    let stub = Stub::new();
    // Race 3 began after race 7 and has no results; race 5 runs.
    let over = |race, began| FeedChange::Stage((1, race, 1), Stage::Over { began });
    stub.tick(5_010, vec![over(3, 3_000)]);
    let item = |race, results: &str, ts| json!({"PK": format!("race-{race}"), "SK": "results", "GSI": 1, "results": results, "ts": ts});
    let expected = json!([item(7, r#"{"1":9.0,"3":9.0}"#, 1_000), item(3, "{}", 3_000)]);
    assert_eq!(get(&stub, "/getRaces?classId=1").await.json(), expected);
    // One query, so that all results are of one time.
    assert_eq!(stub.asked(), [Query::Results(1, vec![3, 7])]);
    assert_eq!(get(&stub, "/getRaces?classId=2").await.json(), json!([]));
}

#[tokio::test]
async fn get_races_tells_the_newest_hundred_however_many_run() {
    let stub = Stub::new();
    let mut changes = Vec::new();
    for race in 1_000..1_350 {
        changes.push(FeedChange::Stage((4, race, 1), Stage::Over { began: race }));
    }
    for race in 1_350..1_600 {
        let standing = velodrome_dataflows::Standing {
            second: 1,
            output: velodrome_dataflows::Output(1.0),
            name: None,
            began: race,
        };
        changes.push(FeedChange::Stage((4, race, 1), Stage::Running(standing, Vec::new())));
    }
    stub.tick(5_010, changes);
    let races = get(&stub, "/getRaces?classId=4").await.json();
    let began: Vec<_> = races.as_array().unwrap().iter().map(|race| race["ts"].clone()).collect();
    assert_eq!(began, (1_250..1_350).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_leaderboard_is_rounded_and_descends() {
    let stub = Stub::new();
    let item = |racer, output, race| json!({"PK": "class-1", "SK": format!("racer-{racer}"), "GSI": output, "raceId": race, "ts": 1_000});
    let expected = json!([item(2, 50.0, 7), item(1, 40.25, 8)]);
    assert_eq!(get(&stub, "/leaderboard?classId=1").await.json(), expected);
    assert_eq!(get(&stub, "/leaderboard?classId=9").await.json(), json!([]));
}

#[tokio::test]
async fn a_class_that_is_missing_or_none_is_refused() {
    let stub = Stub::new();
    for call in ["/getRaces", "/leaderboard"] {
        for query in ["", "?classId=", "?classId=x", "?classId=65536", "?classId=1&limit=3"] {
            let answer = get(&stub, &format!("{call}{query}")).await;
            assert_eq!(answer.code(), (400, "bad_parameter".to_owned()), "{call}{query}");
        }
    }
}

#[tokio::test]
async fn a_token_for_one_class_opens_no_other() {
    let stub = Stub::new();
    let directory = tempfile::tempdir().unwrap();
    for class in [1, 2] {
        fs::write(directory.path().join(format!("class-{class}.gz")), "gzip").unwrap();
    }
    let objects = Objects::open(directory.path(), Some(0));
    let of_one = grant::Objects { classes: [1].into(), ..grant::Objects::default() };
    let grant = Grant::new(Some(of_one), None);
    for (class, expected) in [(1, 200), (2, 403)] {
        for uri in [
            format!("/getRaces?classId={class}"),
            format!("/leaderboard?classId={class}"),
            format!("/history/class-{class}.gz"),
        ] {
            let answer = send(router(&stub, &objects, grant.clone()), Method::GET, &uri, "").await;
            assert_eq!(answer.status, expected, "{uri}");
        }
    }
}

#[tokio::test]
async fn a_history_object_is_sent_once_and_told_of_after() {
    let stub = Stub::new();
    let directory = tempfile::tempdir().unwrap();
    let bytes: Vec<_> = (0..100_000).map(|at| (at % 251) as u8).collect();
    fs::write(directory.path().join("class-1.gz"), &bytes).unwrap();
    let objects = Objects::open(directory.path(), Some(0));
    let ask = |method, known: String| {
        let router = router(&stub, &objects, Grant::default());
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
    let objects = Objects::open(directory.path(), Some(0));
    let router = router(&stub, &objects, Grant::default());
    let other = send(router, Method::GET, "/history/class-1.gz", &etag).await;
    assert_eq!((other.status.as_u16(), &other.body[..]), (200, &b"other bytes"[..]));
}

#[tokio::test]
async fn a_history_that_is_not_there_is_a_404() {
    let stub = Stub::new();
    for name in ["class-1.gz", "class-x.gz", "class-1", "class-01.gz", "%2e%2e", "class-1.gz%2f"] {
        let answer = get(&stub, &format!("/history/{name}")).await;
        assert_eq!(answer.code(), (404, "not_found".to_owned()), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_history_of_before_a_ban_is_not_sent() {
    let stub = Stub::new();
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("class-1.gz"), "with everybody").unwrap();
    let objects = Objects::open(directory.path(), Some(0));
    stub.tick(5_010, vec![FeedChange::Bans]);
    let router = router(&stub, &objects, Grant::default());
    // Nobody publishes here.
    let answer = send(router, Method::GET, "/history/class-1.gz", "").await;
    assert_eq!(answer.code(), (504, "not_published".to_owned()));
}
