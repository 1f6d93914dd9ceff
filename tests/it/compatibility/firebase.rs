//! The endpoints of Firebase's Realtime Database.

use serde_json::{Value, json};

use super::Answer;
use crate::run::{Workplace, view};
use crate::serving::ServiceProcess;
use crate::stream_clients::StreamClient;

#[test]
fn serves_counters_to_firebase_clients() {
    let place = Workplace::new();
    let serving = ServiceProcess::start(&place.path("data"), "");
    let view = |uuid: u32, project: &str| {
        json!({
            "event": "view", "uuid": uuid.to_string(), "projectId": project,
            "deviceTimestamp": 1, "durationMs": 10,
        })
    };
    let lines = [view(1, "intro"), view(2, "a/b.c é"), view(3, "intro"), view(3, "intro")];
    let token = serving.post(&lines.map(|line| line.to_string()).join("\n"));
    serving.get(&format!("/v1/projects?after={token}"));

    let intro = r#"{"durationMs":20,"views":2}"#;
    let both = format!(r#"{{"a/b.c é":{{"durationMs":10,"views":1}},"intro":{intro}}}"#);
    for (path, expected) in [
        ("/.json", &*format!(r#"{{"project":{both}}}"#)),
        ("/project.json", &both),
        ("/project/intro.json", intro),
        ("/project/intro/views.json", "2"),
        ("/project/a%2Fb.c%20%C3%A9/durationMs.json", "10"),
        ("/project/a%2Fb.c%20%C3%A9/durationMs/more.json", "null"),
        ("/project/outro.json", "null"),
        ("/project.json?shallow=true", r#"{"a/b.c é":true,"intro":true}"#),
        ("/project/intro.json?shallow=true", r#"{"durationMs":true,"views":true}"#),
        ("/project/intro/views.json?shallow=true", "2"),
        ("/project/intro.json?print=pretty", "{\n  \"durationMs\": 20,\n  \"views\": 2\n}"),
        ("/project/intro.json?auth=any", intro),
    ] {
        let answer = Answer::get(&serving, path, "");
        assert_eq!((answer.status, answer.text()), (200, expected), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    }
    let silent = Answer::get(&serving, "/project/intro.json?print=silent", "");
    assert_eq!((silent.status, silent.text()), (204, ""));

    let path = "/project/intro.json";
    assert_eq!(Answer::get(&serving, path, "").header("etag"), None);
    let with_etag = Answer::get(&serving, path, "--header X-Firebase-ETag:true");
    let etag = format!("--header if-none-match:{}", with_etag.header("etag").unwrap());
    assert_eq!(Answer::get(&serving, path, &etag).status, 304);
    let token = serving.post(&view(4, "intro").to_string());
    serving.get(&format!("/v1/projects?after={token}"));
    let more = Answer::get(&serving, path, &etag);
    assert_eq!((more.status, more.text()), (200, r#"{"durationMs":30,"views":3}"#));

    let rejected = Answer::get(&serving, "/project.json?limitToFirst=1", "");
    assert_eq!(rejected.status, 400);
    let rejected: Value = serde_json::from_str(rejected.text()).unwrap();
    assert!(rejected["error"].as_str().unwrap().contains("limitToFirst"), "{rejected}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn streams_counters_to_firebase_clients() {
    let place = Workplace::new();
    let serving = ServiceProcess::start(&place.path("data"), "");
    let paths = ["/project/p/views.json", "/project/p.json", "/project.json", "/.json"];
    let clients = paths.map(|path| StreamClient::firebase(&format!("{}{path}", serving.url)));
    for (client, path) in clients.iter().zip(paths) {
        client.wait_for(path, |state| state.is_object() && state["value"].is_null());
    }
    for views in 1..=3 {
        let token = serving.post(&view(1, &views.to_string()));
        serving.get(&format!("/v1/projects?after={token}"));
        assert_eq!(Answer::get(&serving, "/project/p/views.json", "").json(), views);
        for (client, path) in clients.iter().zip(paths) {
            let read = Answer::get(&serving, path, "").json();
            client.wait_for(path, |state| state["value"] == read);
        }
    }
    assert_eq!(serving.stop(), 0);
}
