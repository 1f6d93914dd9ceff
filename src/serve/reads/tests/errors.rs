use std::sync::Arc;

use serde_json::json;
use tokio::sync::watch;
use velodrome_dataflows::Query;

use super::super::fake_engine::FakeEngine;
use super::{READS, get, get_from, ok};
use crate::engine::{COMMANDS_MAX, Command, Engine, command_channel};
use crate::live_state::LiveState;
use crate::serve::visibility::VisibilityToken;

#[tokio::test]
async fn a_path_that_names_something_unknown_is_a_404() {
    let fake = FakeEngine::new();
    for uri in [
        "/v1/racers/5/curve?classId=1",
        "/v1/races/1/9/standings",
        "/v1/races/2/9/rides/1",
        "/v1/races/1/7/rides/1",
        "/v1/races/1/9/results",
        "/v1/projects/none",
    ] {
        let (status, body) = get(&fake, uri).await;
        assert_eq!((status, &body["error"]["code"]), (404, &json!("not_found")), "{uri}");
    }
}

#[tokio::test]
async fn an_invalid_parameter_is_a_400_that_states_what_is_allowed() {
    let fake = FakeEngine::new();
    let board = "/v1/classes/1/board?second=2";
    let other_list = ok(&fake, "/v1/classes/1/board?second=1&limit=1").await;
    let other_list = format!("{board}&cursor={}", other_list["next"].as_str().unwrap());
    for (uri, code, says) in [
        ("/v1/classes/1/board", "bad_parameter", "the parameter 'second' is missing"),
        (
            "/v1/classes/1/board?second=0",
            "bad_parameter",
            "second is '0'; it must be a whole number from 1 to 3,",
        ),
        (
            "/v1/classes/1/board?second=4",
            "bad_parameter",
            "second is '4'; it must be a whole number from 1 to 3,",
        ),
        ("/v1/classes/1/board?second=x", "bad_parameter", "from 1 to the length of a race"),
        ("/v1/classes/65536/board?second=1", "bad_parameter", "a whole number from 0 to 65535"),
        (
            "/v1/races?limit=0",
            "bad_parameter",
            "limit is '0'; it must be a whole number from 1 to 1000",
        ),
        (
            "/v1/races?limit=1001",
            "bad_parameter",
            "limit is '1001'; it must be a whole number from 1 to 1000",
        ),
        ("/v1/races?limti=1", "bad_parameter", "unknown parameter 'limti'"),
        (
            &format!("{board}&around=1&window=101"),
            "bad_parameter",
            "it must be a whole number from 0 to 100",
        ),
        (
            &format!("{board}&around=1&limit=5"),
            "bad_parameter",
            "around and limit cannot be combined",
        ),
        (
            &format!("{board}&around=1&cursor=x"),
            "bad_parameter",
            "around and cursor cannot be combined",
        ),
        (&format!("{board}&window=4"), "bad_parameter", "window needs around"),
        (&format!("{board}&cursor=x"), "bad_cursor", "cursor is 'x'"),
        (&other_list, "bad_cursor", "of the same list"),
        ("/v1/racers/4/curve", "bad_parameter", "the parameter 'classId' is missing"),
        ("/v1/racers/4/results", "bad_parameter", "the parameter 'classId' is missing"),
        ("/v1/racers/4/results?classId=1&limit=101", "bad_parameter", "from 1 to 100"),
        ("/v1/classes/1/curve?second=1", "bad_parameter", "unknown parameter 'second'"),
        (
            "/v1/races/1/7/results?by=worst",
            "bad_parameter",
            "by is 'worst'; it must be final, best or total",
        ),
        ("/v1/projects?cursor=AAAA", "bad_cursor", "AAAA"),
    ] {
        let (status, body) = get(&fake, uri).await;
        let error = &body["error"];
        assert_eq!((status, &error["code"]), (400, &json!(code)), "{uri}: {body}");
        assert!(error["message"].as_str().unwrap().contains(says), "{uri}: {body}");
    }
    assert_eq!(get(&fake, "/v1/races?limit=1000").await.0, 200);
    assert_eq!(get(&fake, &format!("{board}&around=1&window=100")).await.0, 200);
}

#[tokio::test]
async fn every_read_waits_for_the_events_of_after() {
    for uri in READS {
        let fake = FakeEngine::new();
        let joint = if uri.contains('?') { '&' } else { '?' };
        let (status, body) = get(&fake, &format!("{uri}{joint}after=never-given")).await;
        assert_eq!(status, 400, "{uri}: {body}");
        let engine = fake.engine();
        let uri = format!("{uri}{joint}after={}", VisibilityToken::at(5_010));
        let reading = tokio::spawn(async move { get_from(&engine, &uri).await });
        tokio::task::yield_now().await;
        // The engine answers in order, so the query of the read would have come before this one.
        fake.engine().query(Query::Classes).await.unwrap();
        assert!(!reading.is_finished());
        assert_eq!(fake.queries(), [Query::Classes]);
        fake.tick(5_010, vec![]);
        let (status, body, _) = reading.await.unwrap();
        assert_eq!(status, 200);
        assert!(body.get("asOf").is_none_or(|as_of| as_of == 5_010), "{body}");
    }
}

#[tokio::test]
async fn an_engine_that_is_busy_or_stopped_is_a_503() {
    let (full, _receiver) = command_channel();
    (0..COMMANDS_MAX).for_each(|_| full.send(Command::Stop));
    let (gone, _) = command_channel();
    for (commands, code) in [(full, "busy"), (gone, "stopping")] {
        let (_complete, completed) = watch::channel(5_000);
        let engine = Engine::new(vec![commands], completed, Arc::new(LiveState::default()));
        for uri in READS {
            let is_live = ["/v1/races", "/v1/projects", "/v1/racers/1/results?classId=1"];
            if is_live.contains(&uri) || uri.starts_with("/v1/races/2/9/") {
                continue; // Read from the live state.
            }
            let (status, body, retry) = get_from(&engine, uri).await;
            assert_eq!((status, &body["error"]["code"]), (503, &json!(code)), "{uri}: {body}");
            assert_eq!(retry.as_deref(), Some("1"));
        }
    }
}
