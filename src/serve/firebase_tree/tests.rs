//! Paths of the tree, the data at them, and the events of changes.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use velodrome_dataflows::ViewCount;

use super::{TreeEvent, TreeNode, TreePath, TreePathError};
use crate::live_state::{LiveChange, LiveState};

fn count(views: u64, duration_ms: u64) -> ViewCount {
    ViewCount { views, duration_ms }
}

fn path(raw: &str) -> TreePath {
    TreePath::parse(raw).unwrap()
}

/// The data at a path of a tree with these projects.
fn data_at(raw: &str, counts: &[(&str, ViewCount)]) -> Value {
    serde_json::to_value(node(raw, counts)).unwrap()
}

fn node(raw: &str, counts: &[(&str, ViewCount)]) -> TreeNode {
    let state = LiveState::default();
    let views = counts.iter().map(|(id, count)| LiveChange::Views((*id).into(), *count));
    state.apply(1, views.collect());
    let counts = path(raw).counts(&state.read());
    path(raw).node(&counts)
}

#[test]
fn parses_paths_from_raw_urls() {
    for (raw, expected) in [
        ("/.json", TreePath::Root),
        ("/project.json", TreePath::Projects),
        ("/project/.json", TreePath::Projects),
        ("/project/intro.json", TreePath::Project("intro".into())),
        ("/project//intro/.json", TreePath::Project("intro".into())),
        ("/project/intro/views.json", TreePath::Views("intro".into())),
        ("/project/intro/durationMs.json", TreePath::Duration("intro".into())),
        ("/project/a%252Fb/views.json", TreePath::Views("a/b".into())),
        ("/project/a%2Fb/views.json", TreePath::Views("a/b".into())),
        ("/project/a%25252Fb.json", TreePath::Project("a%2Fb".into())),
        ("/project/intro%252Ev2.json", TreePath::Project("intro.v2".into())),
        ("/project/intro.v2.json", TreePath::Project("intro.v2".into())),
        ("/project/%25FF.json", TreePath::Project("%FF".into())),
        ("/project/%2F.json", TreePath::Project("/".into())),
        ("/project/a.json.json", TreePath::Project("a.json".into())),
        ("/project/views%2ejson.json", TreePath::Project("views.json".into())),
        ("/project/a+b%20%C3%A9%25.json", TreePath::Project("a+b é%".into())),
        ("/%70roject.json", TreePath::Projects),
        ("/project/intro/viewers.json", TreePath::Missing(Some("intro".into()))),
        ("/project/intro/views/x.json", TreePath::Missing(Some("intro".into()))),
        ("/projects.json", TreePath::Missing(None)),
    ] {
        assert_eq!(TreePath::parse(raw), Ok(expected), "{raw}");
    }
    for raw in ["/project", "/project/intro", "/project/intro.JSON", "/project/intro%2ejson", "/"] {
        assert_eq!(TreePath::parse(raw), Err(TreePathError::NoJsonSuffix), "{raw}");
    }
    assert_eq!(TreePath::parse("/project/%ff.json"), Err(TreePathError::NotUtf8));
}

#[test]
fn a_path_contains_the_data_below_it_or_null() {
    let all = [("b", count(2, 20)), ("a", count(1, 10))];
    let (a, b) = (json!({"durationMs": 10, "views": 1}), json!({"durationMs": 20, "views": 2}));
    assert_eq!(data_at("/.json", &all), json!({"project": {"a": a, "b": b}}));
    assert_eq!(data_at("/project.json", &all), json!({"a": a, "b": b}));
    assert_eq!(data_at("/project/a.json", &all[1..]), a);
    assert_eq!(data_at("/project/a/views.json", &all[1..]), json!(1));
    assert_eq!(data_at("/project/a/durationMs.json", &all[1..]), json!(10));
    assert_eq!(data_at("/project/a/views/x.json", &all[1..]), Value::Null);
    for raw in ["/.json", "/project.json", "/project/a.json", "/project/a/views.json"] {
        assert_eq!(data_at(raw, &[]), Value::Null, "{raw}");
    }
}

#[test]
fn a_project_has_one_key_in_data_and_events_which_reads_it() {
    for (id, key) in [
        ("a/b", "a%2Fb"),
        ("/", "%2F"),
        ("a.b$c#d[e]f", "a%2Eb%24c%23d%5Be%5Df"),
        ("100%", "100%25"),
        ("a%2Fb", "a%252Fb"),
        ("x\u{1}\u{7f}\n", "x%01%7F%0A"),
        ("a b é\u{80}&?\"", "a b é\u{80}&?\""),
        (".json", "%2Ejson"),
    ] {
        let all = [(id, count(1, 10))];
        let data = json!({"durationMs": 10, "views": 1});
        assert_eq!(data_at("/project.json", &all), json!({key: data}));
        assert_eq!(data_at("/.json", &all), json!({"project": {key: data}}));
        let shallow = node("/project.json", &all).shallow();
        assert_eq!(serde_json::to_value(shallow).unwrap(), json!({key: true}));
        for (raw, expected) in
            [("/.json", format!("/project/{key}")), ("/project.json", format!("/{key}"))]
        {
            let event = TreeEvent::for_change(&path(raw), id, count(1, 10)).unwrap().encode();
            let event: Value = serde_json::from_str(event.split("data: ").nth(1).unwrap()).unwrap();
            assert_eq!(event["path"], expected);
        }
        let url = utf8_percent_encode(key, NON_ALPHANUMERIC);
        assert_eq!(path(&format!("/project/{url}.json")), TreePath::Project(id.into()));
        assert_eq!(path(&format!("/project/{url}/views.json")), TreePath::Views(id.into()));
    }
}

#[test]
fn sorts_keys_as_firebase_does() {
    let ids = ["b", "10", "-1", "9", "B", "09", "2147483648", "a", "é", "0", "+1", "a.", "a-"];
    let counts = ids.map(|id| (id, count(0, 0)));
    let text = serde_json::to_string(&node("/project.json", &counts)).unwrap();
    let keys: Vec<_> = text.split(r#":{"durationMs":0,"views":0}"#).collect();
    let keys: String = keys.concat().replace(['{', '}', '"'], "");
    assert_eq!(keys, "-1,0,9,10,+1,09,2147483648,B,a,a%2E,a-,b,é");
}

#[test]
fn a_shallow_read_keeps_keys_and_counters() {
    let shallow =
        |raw: &str| serde_json::to_value(node(raw, &[("a", count(1, 10))]).shallow()).unwrap();
    assert_eq!(shallow("/.json"), json!({"project": true}));
    assert_eq!(shallow("/project.json"), json!({"a": true}));
    assert_eq!(shallow("/project/a.json"), json!({"durationMs": true, "views": true}));
    assert_eq!(shallow("/project/a/views.json"), json!(1));
    assert_eq!(shallow("/project/a/x.json"), Value::Null);
}

#[test]
fn events_report_changes_relative_to_the_streamed_path() {
    let event = |raw: &str| {
        let event = TreeEvent::for_change(&path(raw), "a/b", count(3, 30))?;
        Some(event.encode())
    };
    let patch = |path: &str| {
        let data = r#"{"durationMs":30,"views":3}"#;
        Some(format!("event: patch\ndata: {{\"path\":\"{path}\",\"data\":{data}}}\n\n"))
    };
    let put = |data: u64| Some(format!("event: put\ndata: {{\"path\":\"/\",\"data\":{data}}}\n\n"));
    assert_eq!(event("/.json"), patch("/project/a%2Fb"));
    assert_eq!(event("/project.json"), patch("/a%2Fb"));
    assert_eq!(event("/project/a%2Fb.json"), patch("/"));
    assert_eq!(event("/project/a%2Fb/views.json"), put(3));
    assert_eq!(event("/project/a%2Fb/durationMs.json"), put(30));
    for raw in ["/project/a.json", "/project/a/views.json", "/project/a%2Fb/x.json", "/x.json"] {
        assert_eq!(event(raw), None, "{raw}");
    }
}

#[test]
fn a_put_event_replaces_all_data() {
    let node = node("/project.json", &[("a", count(1, 0))]);
    let data = r#"{"path":"/","data":{"a":{"durationMs":0,"views":1}}}"#;
    assert_eq!(TreeEvent::put(node).encode(), format!("event: put\ndata: {data}\n\n"));
    let no_data = TreeEvent::put(TreeNode::Null);
    assert_eq!(no_data.encode(), "event: put\ndata: {\"path\":\"/\",\"data\":null}\n\n");
}
