use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use http_body_util::BodyExt;
use proptest::prelude::*;
use tower::ServiceExt;

use super::*;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct BoardParams {
    second: u16,
    limit: Option<Limit>,
    by: Option<RankBy>,
    is_live: Option<bool>,
}

#[derive(Debug, PartialEq)]
struct Limit(u16);

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_within(deserializer, 1..=1000).map(Self)
    }
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum RankBy {
    Final,
    Best,
    Total,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RacePath {
    class_id: u16,
    race_id: u64,
}

/// Status and body of a GET.
async fn get_text(uri: &str) -> (u16, String) {
    let one = |PathParams(class): PathParams<u16>| async move { class.to_string() };
    let text = |PathParams(name): PathParams<String>| async move { name };
    let both = |PathParams(race): PathParams<RacePath>, QueryParams(NoParams {})| async move {
        format!("{} {}", race.class_id, race.race_id)
    };
    let router: Router = Router::new()
        .route("/classes/{classId}", get(one))
        .route("/projects/{projectId}", get(text))
        .route("/races/{classId}/{raceId}", get(both));
    let request = Request::get(uri).body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn message(query: &str) -> String {
    parse_query::<BoardParams>(query).unwrap_err().message().to_owned()
}

#[test]
fn reads_query_parameters_by_name() {
    let expected = BoardParams {
        second: 7,
        limit: Some(Limit(9)),
        by: Some(RankBy::Best),
        is_live: Some(true),
    };
    assert_eq!(parse_query("by=best&limit=9&second=%37&isLive=true"), Ok(expected));
    assert_eq!(parse_query("second=7"), Ok(BoardParams { second: 7, ..BoardParams::default() }));
}

#[test]
fn errors_name_the_parameter_quote_the_value_and_state_what_is_allowed() {
    for (query, expected) in [
        ("second=x", "second is 'x'; it must be a whole number from 0 to 65535"),
        ("second=", "second is ''; it must be a whole number from 0 to 65535"),
        ("second=70000", "second is '70000'; it must be a whole number from 0 to 65535"),
        ("second=1&limit=0", "limit is '0'; it must be a whole number from 1 to 1000"),
        ("second=1&limit=x", "limit is 'x'; it must be a whole number from 1 to 1000"),
        ("second=1&by=worst", "by is 'worst'; it must be final, best or total"),
        ("second=1&isLive=1", "isLive is '1'; it must be true or false"),
        ("limit=1", "the parameter 'second' is missing; add it"),
        (
            "second=1&secnod=2",
            "unknown parameter 'secnod'; this call takes second, limit, by and isLive",
        ),
        ("second=1&second=2", "the parameter 'second' is given twice; give it once"),
    ] {
        assert_eq!(message(query), expected, "{query}");
    }
    let none = parse_query::<NoParams>("zz=1").unwrap_err();
    assert_eq!(
        none,
        ApiError::bad_parameter("unknown parameter 'zz'; this call takes no parameters")
    );
}

#[test]
fn errors_quote_at_most_40_characters() {
    let long = "é".repeat(9_000);
    for query in [format!("second={long}"), format!("second=1&by={long}"), format!("{long}=1")] {
        assert!(message(&query).chars().count() < 150, "{}", message(&query));
    }
}

#[tokio::test]
async fn reads_path_parameters_by_name() {
    assert_eq!(get_text("/classes/3").await, (200, "3".to_owned()));
    assert_eq!(get_text("/projects/a%2F%C3%A9").await, (200, "a/é".to_owned()));
    assert_eq!(get_text("/races/3/5400802").await, (200, "3 5400802".to_owned()));
}

#[tokio::test]
async fn errors_name_path_parameters_like_those_of_the_query() {
    for (uri, expected) in [
        ("/classes/x", "classId is 'x'; it must be a whole number from 0 to 65535"),
        ("/races/3/-1", "raceId is '-1'; it must be a whole number from 0 to 18446744073709551615"),
        ("/races/3/%ff", "raceId is not valid UTF-8"),
        ("/races/3/1?zz=1", "unknown parameter 'zz'; this call takes no parameters"),
    ] {
        let (status, body) = get_text(uri).await;
        assert_eq!(status, 400, "{uri}");
        assert!(body.contains(expected), "{body}");
    }
}

proptest! {
    #[test]
    fn no_query_string_panics(query in ".{0,60}") {
        _ = parse_query::<BoardParams>(&query);
    }
}
