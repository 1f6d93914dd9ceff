//! The endpoints of Firebase's Realtime Database.

use serde_json::{Value, json};

use super::Answer;
use crate::run::{Workplace, view};
use crate::serving::ServiceProcess;
use crate::stream_clients::{StreamClient, firebase_admin};

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
    let both = format!(r#"{{"a%2Fb%2Ec é":{{"durationMs":10,"views":1}},"intro":{intro}}}"#);
    for (path, expected) in [
        ("/.json", &*format!(r#"{{"project":{both}}}"#)),
        ("/project.json", &both),
        ("/project/intro.json", intro),
        ("/project/intro/views.json", "2"),
        ("/project/a%2Fb.c%20%C3%A9/durationMs.json", "10"),
        ("/project/a%2Fb.c%20%C3%A9/durationMs/more.json", "null"),
        ("/project/a%252Fb%252Ec%20%C3%A9/durationMs.json", "10"),
        ("/project/outro.json", "null"),
        ("/users.json", "null"),
        ("//project//intro.json?ns=velodrome", intro),
        ("/project.json?shallow=true", r#"{"a%2Fb%2Ec é":true,"intro":true}"#),
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

/// Ids with characters that Firebase forbids in keys, and others.
const IDS: [&str; 6] = ["intro", "a/b", "v1.2", "100%", "$[x]#", "é a"];

#[test]
fn firebases_own_library_reads_and_follows_all_projects() {
    let place = Workplace::new();
    let serving = ServiceProcess::start(&place.path("data"), "");
    let send = |uuid: &str| {
        let line = |id: &&str| {
            let (event, uuid) = ("view", format!("{uuid} {id}"));
            json!({"event": event, "uuid": uuid, "projectId": id, "deviceTimestamp": 1}).to_string()
        };
        let token = serving.post(&IDS.iter().map(line).collect::<Vec<_>>().join("\n"));
        serving.get(&format!("/v1/projects?after={token}"));
    };
    let run = |arguments: &[&str]| {
        let output = firebase_admin().arg(&serving.url).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let paths = ["/", "/project"];
    let clients = paths.map(|path| StreamClient::firebase_admin(&serving.url, path));
    for (client, path) in clients.iter().zip(paths) {
        client.wait_for(path, |state| state.is_object() && state["value"].is_null());
    }
    for views in 1..=3 {
        send(&views.to_string());
        let read = run(&[&["read"], &paths[..]].concat());
        for ((client, path), line) in clients.iter().zip(paths).zip(read.lines()) {
            let value: Value = serde_json::from_str(line).unwrap();
            client.wait_for(path, |state| state["value"] == value);
        }
    }
    // Each key reads its project.
    let all: Value = serde_json::from_str(&run(&["read", "/project"])).unwrap();
    let keys: Vec<_> =
        all.as_object().unwrap().keys().map(|key| format!("/project/{key}")).collect();
    assert_eq!(keys.len(), IDS.len());
    let arguments: Vec<_> = ["read"].into_iter().chain(keys.iter().map(String::as_str)).collect();
    let read = run(&arguments);
    assert_eq!(read, "{\"durationMs\": 0, \"views\": 3}\n".repeat(IDS.len()));

    assert_eq!(run(&["read", "/users", "/users/1/name", "/project/none"]), "null\n".repeat(3));
    let error = run(&["write", "/project/intro"]);
    assert!(error.contains("this path does not support PUT"), "{error}");
    assert_eq!(serving.stop(), 0);
}
