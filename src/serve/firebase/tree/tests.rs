//! Tests of paths, their values, and the events of changes.

use compact_str::CompactString;
use serde_json::{Value, json};
use velodrome_dataflows::ViewCount;

use super::{Event, Path, PathError};

fn count(views: u64, duration_ms: u64) -> ViewCount {
    ViewCount { views, duration_ms }
}

fn path(raw: &str) -> Path {
    Path::parse(raw).unwrap()
}

/// Returns the value at a path for these projects.
fn at(raw: &str, counts: &[(&str, ViewCount)]) -> Value {
    let counts = counts.iter().map(|(id, count)| (CompactString::from(*id), *count)).collect();
    serde_json::to_value(path(raw).node(counts)).unwrap()
}

#[test]
fn parses_paths_and_decodes_their_keys() {
    for (raw, expected) in [
        ("/.json", Path::Root),
        ("/project.json", Path::Projects),
        ("/project/.json", Path::Projects),
        ("/project/intro.json", Path::Project("intro".into())),
        ("/project//intro/.json", Path::Project("intro".into())),
        ("/project/intro/views.json", Path::Views("intro".into())),
        ("/project/intro/durationMs.json", Path::Duration("intro".into())),
        ("/project/a%2Fb/views.json", Path::Views("a/b".into())),
        ("/project/%2F.json", Path::Project("/".into())),
        ("/project/a.json.json", Path::Project("a.json".into())),
        ("/project/views%2ejson.json", Path::Project("views.json".into())),
        ("/project/a+b%20%C3%A9%25.json", Path::Project("a+b é%".into())),
        ("/%70roject.json", Path::Projects),
        ("/project/intro/viewers.json", Path::Nowhere(Some("intro".into()))),
        ("/project/intro/views/x.json", Path::Nowhere(Some("intro".into()))),
        ("/projects.json", Path::Nowhere(None)),
    ] {
        assert_eq!(Path::parse(raw), Ok(expected), "{raw}");
    }
    for raw in ["/project", "/project/intro", "/project/intro.JSON", "/project/intro%2ejson", "/"] {
        assert_eq!(Path::parse(raw), Err(PathError::NoJsonSuffix), "{raw}");
    }
    assert_eq!(Path::parse("/project/%ff.json"), Err(PathError::NotUtf8));
}

#[test]
fn a_path_returns_its_subtree_or_null() {
    let all = [("b", count(2, 20)), ("a", count(1, 10))];
    let (a, b) = (json!({"durationMs": 10, "views": 1}), json!({"durationMs": 20, "views": 2}));
    assert_eq!(at("/.json", &all), json!({"project": {"a": a, "b": b}}));
    assert_eq!(at("/project.json", &all), json!({"a": a, "b": b}));
    assert_eq!(at("/project/a.json", &all[1..]), a);
    assert_eq!(at("/project/a/views.json", &all[1..]), json!(1));
    assert_eq!(at("/project/a/durationMs.json", &all[1..]), json!(10));
    assert_eq!(at("/project/a/views/x.json", &all[1..]), Value::Null);
    for raw in ["/.json", "/project.json", "/project/a.json", "/project/a/views.json"] {
        assert_eq!(at(raw, &[]), Value::Null, "{raw}");
    }
}

#[test]
fn sorts_keys_in_firebases_order() {
    let ids = ["b", "10", "-1", "9", "B", "09", "2147483648", "a", "é", "0", "+1"];
    let counts = ids.map(|id| (CompactString::from(id), count(0, 0))).into();
    let text = serde_json::to_string(&path("/project.json").node(counts)).unwrap();
    let keys: Vec<_> = text.split(r#":{"durationMs":0,"views":0}"#).collect();
    let keys: String = keys.concat().replace(['{', '}', '"'], "");
    assert_eq!(keys, "-1,0,9,10,+1,09,2147483648,B,a,b,é");
}

#[test]
fn shallow_keeps_keys_and_leaves() {
    let shallow = |raw: &str| {
        let node = path(raw).node(vec![("a".into(), count(1, 10))]).shallow();
        serde_json::to_value(node).unwrap()
    };
    assert_eq!(shallow("/.json"), json!({"project": true}));
    assert_eq!(shallow("/project.json"), json!({"a": true}));
    assert_eq!(shallow("/project/a.json"), json!({"durationMs": true, "views": true}));
    assert_eq!(shallow("/project/a/views.json"), json!(1));
    assert_eq!(shallow("/project/a/x.json"), Value::Null);
}

#[test]
fn events_are_relative_to_the_path_of_the_client() {
    let of = |raw: &str| {
        let event = Event::of_change(&path(raw), "a/b", count(3, 30))?;
        Some(event.text())
    };
    let patch = |path: &str| {
        let data = r#"{"durationMs":30,"views":3}"#;
        Some(format!("event: patch\ndata: {{\"path\":\"{path}\",\"data\":{data}}}\n\n"))
    };
    let put = |data: u64| Some(format!("event: put\ndata: {{\"path\":\"/\",\"data\":{data}}}\n\n"));
    assert_eq!(of("/.json"), patch("/project/a/b"));
    assert_eq!(of("/project.json"), patch("/a/b"));
    assert_eq!(of("/project/a%2Fb.json"), patch("/"));
    assert_eq!(of("/project/a%2Fb/views.json"), put(3));
    assert_eq!(of("/project/a%2Fb/durationMs.json"), put(30));
    for raw in ["/project/a.json", "/project/a/views.json", "/project/a%2Fb/x.json", "/x.json"] {
        assert_eq!(of(raw), None, "{raw}");
    }
}

#[test]
fn the_first_event_has_the_complete_value() {
    let node = path("/project.json").node(vec![("a".into(), count(1, 0))]);
    let data = r#"{"path":"/","data":{"a":{"durationMs":0,"views":1}}}"#;
    assert_eq!(Event::whole(node).text(), format!("event: put\ndata: {data}\n\n"));
    let nothing = Event::whole(path("/x.json").node(Vec::new()));
    assert_eq!(nothing.text(), "event: put\ndata: {\"path\":\"/\",\"data\":null}\n\n");
}
