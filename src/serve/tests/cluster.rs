//! What a node of a cluster answers while a generation runs, and while none does.

use std::io::{BufRead, BufReader};

use super::*;
use crate::cluster::status_tests::{disconnect, report_lag, status};
use crate::health::Health;

/// Reads of all kinds that have results.
const READS: [&str; 3] = ["/v1/races", "/v1/projects", "/project.json"];

fn stale(answer: &Answer) -> Option<&str> {
    answer.headers.get("stale").map(|value| value.to_str().unwrap())
}

#[test]
fn answers_are_marked_as_stale_exactly_while_no_generation_lives() {
    let status = status(&Health::default());
    let service = Service::start_node(status.clone());
    for (generation, expected) in [(None, Some("the node starts")), (Some(3), None)] {
        if let Some(generation) = generation {
            status.lives(generation);
        }
        for path in READS {
            let answer = service.get(path);
            assert_eq!((answer.status, stale(&answer)), (200, expected), "{path}");
        }
        let stream = service.get("/v1/stream?topics=stats");
        assert_eq!((stream.status, stale(&stream)), (200, expected));
        // Errors have no results, and bans and rules are those in effect.
        for path in ["/v1/races/1/1/standings?limit=x", "/v1/bans", "/healthz", "/v1/cluster"] {
            assert_eq!(stale(&service.get(path)), None, "{path}");
        }
    }
}

#[test]
fn streams_report_when_results_become_stale_and_when_they_are_updated_again() {
    let status = status(&Health::default());
    status.lives(3);
    let service = Service::start_node(status.clone());
    let url = format!("http://{}/v1/stream?topics=stats", service.address);
    let mut answer = ureq::get(url).call().unwrap();
    let mut lines = BufReader::new(answer.body_mut().as_reader()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "event: snapshot"));
    let mut next_status = || {
        lines.find(|line| line == "event: status");
        let data: Value = serde_json::from_str(&lines.next().unwrap()["data: ".len()..]).unwrap();
        data["stale"].clone()
    };
    disconnect(&status);
    assert_eq!(next_status(), "the cluster waits for node 0");
    status.lives(4);
    assert_eq!(next_status(), Value::Null);
}

#[test]
fn while_no_generation_lives_new_rules_are_refused_and_the_lag_grows() {
    let health = Health::default();
    let status = status(&health);
    let service = Service::start_node(status.clone());
    status.lives(3);
    let post = || service.request("POST", "/v1/rules", &[], b"race_seconds = 60");
    let lag = || {
        let metrics = service.get("/metrics").text;
        let line = metrics.lines().find(|line| line.starts_with("velodrome_frontier_lag_seconds "));
        line.unwrap().split_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    assert_eq!((post().status, lag()), (202, 0.0));
    disconnect(&status);
    report_lag(&status, 90_500);
    let refused = post();
    assert_eq!(refused.error(), is_error(503, "cluster_incomplete"));
    assert!(refused.text.contains("the cluster waits for node 0; try again"), "{}", refused.text);
    assert_eq!((refused.headers["retry-after"].to_str().unwrap(), lag()), ("1", 90.5));
}

#[test]
fn a_node_reports_its_cluster_and_another_service_has_none() {
    let status = status(&Health::default());
    let service = Service::start_node(status.clone());
    let state = || {
        let answer = service.get("/v1/cluster").json();
        (answer["state"].clone(), answer["generation"].clone(), answer["reason"].clone())
    };
    assert_eq!(state(), ("waiting".into(), Value::Null, "the node starts".into()));
    status.lives(7);
    assert_eq!(state(), ("live".into(), 7.into(), Value::Null));
    let answer = service.get("/v1/cluster").json();
    let rest = [&answer["node"], &answer["workers"], &answer["asOf"]];
    assert_eq!(rest.map(|value| value.as_u64().unwrap()), [1, 1, 1_620_240_000_000]);
    let nodes = answer["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 3);
    assert_eq!(nodes[2]["url"], "http://127.0.0.1:7072");
    assert_eq!(nodes[2]["connected"], Value::Null);

    let single = Service::start(without_tokens());
    assert_eq!(single.get("/v1/cluster").error(), is_error(404, "no_cluster"));
    assert_eq!(stale(&single.get("/v1/races")), None);
}
