//! The state that clients should have, computed directly from the live state.

use compact_str::CompactString;
use serde_json::json;
use velodrome_dataflows::ClassId;

use super::*;
use crate::live_state::{LiveTables, RaceSummary};

/// The expected state of each topic, without boards, whose rows come from the engine, and without
/// `stats`.
pub(super) fn expected_topics(live: &LiveTables) -> Topics {
    let mut all = Topics::new();
    let mut put = |topic: &str, fields: Value, rows: Vec<Value>| {
        let rows = rows.into_iter().map(|row| (key(topic, &row), row)).collect();
        all.insert(topic.to_owned(), (fields, rows));
    };
    for class in 1..=2 {
        let (fields, rows) = standings(live, class);
        put(&format!("standings:{class}"), fields, rows);
    }
    for (topic, class) in [("races", None), ("races:1", Some(1))] {
        let races = live.races(class, None, 1_000);
        put(topic, json!({}), races.into_iter().map(race_row).collect());
    }
    put("views:*", json!({}), views(live, None));
    put("views:a", json!({}), views(live, Some("a")));
    all
}

fn standings(live: &LiveTables, class: ClassId) -> (Value, Vec<Value>) {
    let race = live.running_race(class);
    let rows = race.and_then(|race| live.standings(class, race)).unwrap_or_default();
    let started_at = race.and_then(|race| live.race(class, race)).map(|race| race.order.0);
    let fields = json!({"raceId": race, "racers": rows.len(), "startedAt": started_at});
    let row = |(racer, standing): &(u32, Standing)| {
        // Names that the fake engine has from other rides.
        let known = (*racer == 4).then_some("Zoë").or((*racer == 1).then_some("Ada"));
        let name = standing.name.as_deref().or(known);
        let (output, second) = (standing.output.0, standing.second);
        json!({"racerId": racer, "name": name, "output": output, "second": second})
    };
    (fields, rows.iter().map(row).collect())
}

fn race_row(race: RaceSummary) -> Value {
    let (started_at, class, id) = race.order;
    let state = if race.is_running { "running" } else { "over" };
    json!({
        "raceId": id, "classId": class, "state": state, "startedAt": started_at,
        "racers": race.racers,
    })
}

/// The view counts of one project, or of all.
fn views(live: &LiveTables, project: Option<&str>) -> Vec<Value> {
    let projects = live.projects(None, usize::MAX).into_iter();
    let projects = projects.filter(|(id, _)| project.is_none_or(|project| project == id));
    let row = |(id, count): (CompactString, ViewCount)| json!({"projectId": id, "views": count.views, "durationMs": count.duration_ms});
    projects.map(row).collect()
}
