use std::sync::Arc;

use serde_json::json;
use tokio::sync::watch;
use velodrome_dataflows::Query;

use super::super::stub::Stub;
use super::{READS, get, get_from, ok};
use crate::engine::{COMMANDS_MAX, Command, Engine, Mailbox};
use crate::feeds::Feeds;
use crate::serve::token::Token;

#[tokio::test]
async fn what_a_path_names_and_is_not_there_is_a_404() {
    let stub = Stub::new();
    for uri in [
        "/v1/racers/5/curve?classId=1",
        "/v1/races/1/9/standings",
        "/v1/races/2/9/rides/1",
        "/v1/races/1/7/rides/1",
        "/v1/races/1/9/results",
        "/v1/projects/none",
    ] {
        let (status, body) = get(&stub, uri).await;
        assert_eq!((status, &body["error"]["code"]), (404, &json!("not_found")), "{uri}");
    }
}

#[tokio::test]
async fn a_bad_parameter_is_refused_with_its_name_and_what_it_may_be() {
    let stub = Stub::new();
    let board = "/v1/classes/1/board?second=2";
    let of_another = ok(&stub, "/v1/classes/1/board?second=1&limit=1").await;
    let of_another = format!("{board}&cursor={}", of_another["next"].as_str().unwrap());
    for (uri, code, says) in [
        ("/v1/classes/1/board", "bad_parameter", "second"),
        ("/v1/classes/1/board?second=0", "bad_parameter", "second is '0'; it must be 1 to 3"),
        ("/v1/classes/1/board?second=4", "bad_parameter", "second is '4'; it must be 1 to 3"),
        ("/v1/classes/65536/board?second=1", "bad_parameter", "65536"),
        ("/v1/races?limit=0", "bad_parameter", "limit is '0': it must be 1 to 1000"),
        ("/v1/races?limit=1001", "bad_parameter", "limit is '1001': it must be 1 to 1000"),
        ("/v1/races?limti=1", "bad_parameter", "limti"),
        (&format!("{board}&around=1&window=101"), "bad_parameter", "it must be 0 to 100"),
        (&format!("{board}&around=1&limit=5"), "bad_parameter", "limit does not go with around"),
        (&format!("{board}&around=1&cursor=x"), "bad_parameter", "exclude each other"),
        (&format!("{board}&window=5"), "bad_parameter", "window goes with around"),
        (&format!("{board}&cursor=x"), "bad_cursor", "cursor is 'x'"),
        (&of_another, "bad_cursor", "of the same list"),
        ("/v1/racers/4/curve", "bad_parameter", "classId"),
        ("/v1/racers/4/results", "bad_parameter", "classId"),
        ("/v1/racers/4/results?classId=1&limit=101", "bad_parameter", "it must be 1 to 100"),
        ("/v1/classes/1/curve?second=1", "bad_parameter", "second"),
        ("/v1/races/1/7/results?by=worst", "bad_parameter", "worst"),
        ("/v1/projects?cursor=AAAA", "bad_cursor", "AAAA"),
    ] {
        let (status, body) = get(&stub, uri).await;
        let error = &body["error"];
        assert_eq!((status, &error["code"]), (400, &json!(code)), "{uri}: {body}");
        assert!(error["message"].as_str().unwrap().contains(says), "{uri}: {body}");
    }
    assert_eq!(get(&stub, "/v1/races?limit=1000").await.0, 200);
    assert_eq!(get(&stub, &format!("{board}&around=1&window=100")).await.0, 200);
}

#[tokio::test]
async fn every_read_waits_for_what_after_names() {
    for uri in READS {
        let stub = Stub::new();
        let joint = if uri.contains('?') { '&' } else { '?' };
        let (status, body) = get(&stub, &format!("{uri}{joint}after=never-given")).await;
        assert_eq!(status, 400, "{uri}: {body}");
        let engine = stub.engine();
        let uri = format!("{uri}{joint}after={}", Token::at(5_010));
        let reading = tokio::spawn(async move { get_from(&engine, &uri).await });
        tokio::task::yield_now().await;
        // Questions are answered in turn: the read's would have been before this one.
        stub.engine().ask(Query::Classes).await.unwrap();
        assert!(!reading.is_finished());
        assert_eq!(stub.asked(), [Query::Classes]);
        stub.tick(5_010, vec![]);
        let (status, body, _) = reading.await.unwrap();
        assert_eq!(status, 200);
        assert!(body.get("asOf").is_none_or(|as_of| as_of == 5_010), "{body}");
    }
}

#[tokio::test]
async fn an_engine_that_cannot_answer_is_a_503() {
    let (full, _inbox) = Mailbox::new();
    (0..COMMANDS_MAX).for_each(|_| full.send(Command::Stop));
    let (gone, _) = Mailbox::new();
    for (mailbox, code) in [(full, "busy"), (gone, "stopping")] {
        let (_complete, completed) = watch::channel(5_000);
        let engine = Engine::new(vec![mailbox], completed, Arc::new(Feeds::default()));
        for uri in READS {
            if uri == "/v1/races" || uri.starts_with("/v1/races/2/9/") {
                continue; // Answered from the live state.
            }
            let (status, body, retry) = get_from(&engine, uri).await;
            assert_eq!((status, &body["error"]["code"]), (503, &json!(code)), "{uri}: {body}");
            assert_eq!(retry.as_deref(), Some("1"));
        }
    }
}
