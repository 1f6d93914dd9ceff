//! What a running service returns, in the format of a replay's files.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use crate::serving::{ServiceProcess, get};

/// All rows of a list, from all its pages.
fn rows(serving: &ServiceProcess, path: &str) -> Vec<Value> {
    let (mut rows, mut next) = (Vec::new(), String::new());
    loop {
        let (status, page) = get(&format!("{}{path}limit=1000{next}", serving.url));
        assert_eq!(status, 200, "{path}: {page}");
        rows.extend(page["rows"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return rows,
        }
    }
}

/// The service's results in the format of a replay's `results.jsonl`.
pub(crate) fn results(serving: &ServiceProcess) -> String {
    let mut lines = BTreeMap::new();
    for race in rows(serving, "/v1/races?") {
        let (class, race) = (race["classId"].as_u64().unwrap(), race["raceId"].as_u64().unwrap());
        for row in rows(serving, &format!("/v1/races/{class}/{race}/results?")) {
            let racer = row["racerId"].as_u64().unwrap();
            let line = format!(
                r#"{{"classId":{class},"raceId":{race},"racerId":{racer},"name":{},"final":{},"best":{},"total":{},"seconds":{}}}"#,
                row["name"], row["final"], row["best"], row["total"], row["seconds"]
            );
            lines.insert((class, race, racer), line);
        }
    }
    lines.into_values().map(|line| line + "\n").collect()
}

/// The service's leaderboards in the format of a replay's `leaderboard.json`.
pub(crate) fn leaderboard(serving: &ServiceProcess) -> String {
    let classes = serving.get("/v1/classes");
    let classes = classes.as_array().unwrap().iter().map(|class| &class["classId"]);
    let class = |class: &Value| {
        let of = rows(serving, &format!("/v1/classes/{class}/leaderboard?"));
        let row = |row: &Value| {
            let text = format!(r#"{{"output":{},"raceId":{}}}"#, row["output"], row["raceId"]);
            (row["racerId"].as_u64().unwrap(), text)
        };
        format!("\"class-{class}\":{}", object(of.iter().map(row).collect()))
    };
    format!("{{{}}}", classes.map(class).collect::<Vec<_>>().join(","))
}

/// The service's view counts in the format of a replay's `views.json`.
pub(crate) fn views(serving: &ServiceProcess) -> String {
    let row = |row: &Value| {
        let text = format!(r#"{{"views":{},"durationMs":{}}}"#, row["views"], row["durationMs"]);
        (row["projectId"].as_str().unwrap().to_owned(), text)
    };
    object(rows(serving, "/v1/projects?").iter().map(row).collect())
}

fn object<K: std::fmt::Display + Ord>(rows: BTreeMap<K, String>) -> String {
    let mut text = String::new();
    for (key, row) in rows {
        let comma = if text.is_empty() { "" } else { "," };
        write!(text, "{comma}\"{key}\":{row}").unwrap();
    }
    format!("{{{text}}}")
}
