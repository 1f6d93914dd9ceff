//! What clients receive when their token does not permit a request.

use serde_json::json;

use super::tokens::{bearer, bearer_of, claims, invalid_tokens, issue, with_tokens};
use super::*;
use crate::auth::{Claims, Scope};

#[test]
fn a_denial_states_the_reason() {
    let service = Service::start(with_tokens());
    let denied = |path: &str, authorization: &str| {
        let answer = service.request("GET", path, &[("authorization", authorization)], b"");
        (answer.error(), answer.json()["error"]["message"].as_str().unwrap().to_owned())
    };
    let read = claims(Scope::Read);
    let (unauthorized, forbidden) = (is_error(401, "unauthorized"), is_error(403, "forbidden"));
    let of_project = Claims { projects: Some(["b".to_owned()].into()), ..read.clone() };
    let of_class = Claims { classes: Some([1].into()), ..read.clone() };
    let expired = Claims { exp: 1, ..read };
    for (path, authorization, error, reason) in [
        ("/v1/classes", String::new(), &unauthorized, "send it as 'Authorization: Bearer TOKEN'"),
        ("/v1/classes", "Bearer x".to_owned(), &unauthorized, "'velodrome token'"),
        ("/v1/classes", bearer_of(&expired), &unauthorized, "has expired"),
        ("/v1/classes", bearer(Scope::Ingest), &forbidden, "the scope 'read'"),
        ("/v1/projects/a", bearer_of(&of_project), &forbidden, "not for project 'a'"),
        ("/v1/classes/2/leaderboard", bearer_of(&of_class), &forbidden, "not for class '2'"),
        ("/v1/races", bearer_of(&of_class), &forbidden, "name one of them"),
    ] {
        let (code, message) = denied(path, &authorization);
        assert_eq!(&code, error, "{path}: {message}");
        assert!(message.contains(reason), "{message}");
    }
    let headers = [("authorization", &*bearer_of(&of_class))];
    assert_eq!(service.request("GET", "/v1/races?classId=1", &headers, b"").status, 200);
}

#[test]
fn firebase_clients_get_the_errors_of_firebase() {
    let service = Service::start(with_tokens());
    let projects = Some(["other".to_owned()].into());
    let other_project = issue(&Claims { projects, ..claims(Scope::Read) });
    let tokens = [("none", String::new()), ("of another project", other_project)];
    for (what, token) in tokens.into_iter().chain(invalid_tokens()) {
        let answer = service.get(&format!("/project/intro.json?auth={token}"));
        let is_expired = what == "expired";
        let message = if is_expired { "Auth token is expired" } else { "Permission denied" };
        assert_eq!((answer.status, answer.json()), (401, json!({"error": message})), "{what}");
    }
}

#[test]
fn unknown_paths_and_methods_need_no_token() {
    let service = Service::start(with_tokens());
    assert_eq!(service.get("/v1/nothing").error(), is_error(404, "not_found"));
    let answer = service.request("DELETE", "/v1/classes", &[], b"");
    assert_eq!(answer.error(), is_error(405, "method_not_allowed"));
}

#[test]
fn events_of_other_classes_and_projects_are_rejected() {
    let service = Service::start(with_tokens());
    let view = |project: &str| {
        format!(
            r#"{{"event":"view","uuid":"u","projectId":"{project}","deviceTimestamp":1620240001114}}"#
        )
    };
    let body = [event(1), view("intro"), view("other"), event(2)].join("\n");
    let post = |claims: &Claims| {
        let authorization = bearer_of(claims);
        let headers =
            [("content-type", "application/x-ndjson"), ("authorization", &*authorization)];
        service.request("POST", "/v1/events", &headers, body.as_bytes()).json()
    };
    let projects = Some(["intro".to_owned()].into());
    let answer = post(&Claims { projects, ..claims(Scope::Ingest) });
    let verdicts = json!([
        {"index": 0, "error": "the token is not for class '1'"},
        {"index": 2, "error": "the token is not for project 'other'"},
        {"index": 3, "error": "the token is not for class '1'"},
    ]);
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(1), &verdicts));
    assert_eq!(service.logged(), [view("intro")]);
    let is_denial = |dead_letter: &Value| {
        dead_letter["errorMessage"].as_str().unwrap().starts_with("the token is not for")
    };
    assert_eq!(service.dead_letters().iter().filter(|letter| is_denial(letter)).count(), 3);

    let classes = Some([1].into());
    let answer = post(&Claims { classes, ..claims(Scope::Ingest) });
    assert_eq!(answer["accepted"], 2);
    assert_eq!(post(&claims(Scope::Ingest))["accepted"], 4);
}
