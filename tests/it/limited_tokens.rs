//! No write with a limited token changes any answer about other objects: of two services, one gets the writes of such
//! tokens too, and both answer the same about everything else, on all routes of their description.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::{Value, json};

use crate::run::Workplace;
use crate::serving::{ServiceProcess, agent, now_ms, wait_for};

/// The object of a limited token, and the objects that it must not reach.
const OWN: (u16, &str) = (1, "p");
const OTHER: (u16, &str) = (2, "q");

/// Routes that say when something happened, or what the service does.
const OPERATIONS: [&str; 5] = ["/healthz", "/readyz", "/metrics", "/v1/cluster", "/v1/stream"];

fn token(place: &Workplace, arguments: &str) -> String {
    let issued = place.run(&format!("token --key-file key.pem --ttl 1h {arguments}"));
    assert_eq!(issued.code, 0, "{}", issued.stderr);
    issued.stdout.trim().to_owned()
}

/// A random event about one of few racers, races and views, so that events meet. Some clocks are years ahead.
fn event(random: &mut Pcg64, (class, project): (u16, &str), now: u64) -> String {
    let device_ms = match random.random_range(0..5) {
        0 => (1 << 53) - 1 - random.random_range(0..9),
        _ => now + random.random_range(0..2_000),
    };
    let (racer, uuid) = (random.random_range(1..5), random.random_range(0..12));
    if random.random_bool(0.3) {
        return json!({"event": "view", "deviceTimestamp": device_ms, "uuid": format!("u{uuid}"), "projectId": project,
            "durationMs": random.random_range(1..100)})
        .to_string();
    }
    let (second, kind) = match random.random_bool(0.2) {
        true => (300, "final"),
        false => (random.random_range(1..300), "update"),
    };
    json!({"event": kind, "deviceTimestamp": device_ms, "raceId": random.random_range(7..9), "classId": class,
        "racerId": racer, "second": second, "cadence": 65, "resistance": random.random_range(1..40),
        "name": format!("name {}", random.random_range(0..50))})
    .to_string()
}

/// Posts an event. The service may reject it, and must answer.
fn post(service: &ServiceProcess, token: &str, event: &str) {
    let request = agent().post(format!("{}/v1/events", service.url));
    let request = request.header("authorization", format!("Bearer {token}"));
    let posted = request.header("content-type", "application/json").send(event).unwrap();
    assert_eq!(posted.status(), 200, "{event}");
}

/// The GET routes of the description, with the ids of what the limited token must not reach.
fn paths(service: &ServiceProcess, token: &str) -> Vec<String> {
    let description: Value =
        serde_json::from_str(&body(service, token, "/openapi.json").1).unwrap();
    let routes = description["paths"].as_object().unwrap().iter();
    let routes = routes
        .filter(|(path, item)| item.get("get").is_some() && !OPERATIONS.contains(&path.as_str()));
    let (class, project) = OTHER;
    let fill = |path: &str| -> Vec<String> {
        let path = path.replace("{classId}", &class.to_string()).replace("{projectId}", project);
        let path =
            path.replace("{counter}", "views").replace("{object}", &format!("class-{class}.gz"));
        let of_racers = (1..5).map(|racer| path.replace("{racerId}", &racer.to_string()));
        let mut filled: Vec<_> = of_racers
            .flat_map(|path| [7, 8].map(|race| path.replace("{raceId}", &race.to_string())))
            .collect();
        filled.dedup();
        filled
    };
    let with_query = |(path, item): (&String, &Value)| {
        let required = item["get"]["parameters"].as_array().cloned().unwrap_or_default();
        let required = required
            .iter()
            .filter(|parameter| parameter["in"] == "query" && parameter["required"] == true);
        let query: Vec<_> = required
            .map(|parameter| match parameter["name"].as_str().unwrap() {
                "classId" => format!("classId={class}"),
                "second" => "second=60".to_owned(),
                other => panic!("the test has no value for '{other}'"),
            })
            .collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        fill(path).into_iter().map(move |path| format!("{path}{query}")).collect::<Vec<_>>()
    };
    routes.flat_map(with_query).collect()
}

fn body(service: &ServiceProcess, token: &str, path: &str) -> (u16, String) {
    let request = agent().get(format!("{}{path}", service.url));
    let mut answer = request.header("authorization", format!("Bearer {token}")).call().unwrap();
    let bytes = answer.body_mut().read_to_vec().unwrap();
    (answer.status().as_u16(), String::from_utf8_lossy(&bytes).into_owned())
}

/// An answer without the times at which the service received events.
fn answer(service: &ServiceProcess, token: &str, path: &str) -> (u16, Value) {
    let (status, text) = body(service, token, path);
    let mut value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    remove_times(&mut value);
    (status, value)
}

fn remove_times(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !["asOf", "startedAt", "ts"].contains(&name.as_str()));
            members.values_mut().for_each(remove_times);
        }
        Value::Array(values) => values.iter_mut().for_each(remove_times),
        _ => {}
    }
}

#[test]
fn no_write_with_a_limited_token_changes_an_answer_about_other_objects() {
    for seed in 0..3 {
        let mut random = Pcg64::seed_from_u64(seed);
        let place = Workplace::new();
        assert_eq!(place.run("key key.pem").code, 0);
        let admin = token(&place, "--scope admin");
        let limited = [
            token(&place, &format!("--scope ingest --classes {}", OWN.0)),
            token(&place, &format!("--scope ingest --projects {}", OWN.1)),
        ];
        let reader =
            token(&place, &format!("--scope read --classes {} --projects {}", OTHER.0, OTHER.1));
        let now = now_ms();
        let start = |name: &str| {
            let key = place.path("key.pem");
            let arguments = format!(
                "--auth on --key-file {} --clock-speed 100 --clock-from {now}",
                key.display()
            );
            ServiceProcess::start(&place.path(name), &arguments)
        };
        let services = ["with", "without"].map(start);
        for _ in 0..150 {
            if random.random_bool(0.5) {
                // Also about the other objects, which the token does not permit.
                let objects = if random.random_bool(0.7) { OWN } else { OTHER };
                let token = &limited[random.random_range(0..2)];
                post(&services[0], token, &event(&mut random, objects, now));
            } else {
                let event = event(&mut random, OTHER, now);
                services.iter().for_each(|service| post(service, &admin, &event));
            }
        }
        let paths = paths(&services[0], &admin);
        assert!(paths.len() > 40, "{paths:?}");
        let races = format!("/v1/races?classId={}", OTHER.0);
        wait_for("all rides are finished", || {
            services.iter().all(|service| {
                let (_, races) = answer(service, &reader, &races);
                let rows = races["rows"].as_array().unwrap();
                !rows.is_empty() && rows.iter().all(|race| race["state"] == "over")
            })
        });
        for path in paths {
            let both = || [0, 1].map(|service| answer(&services[service], &reader, &path));
            // What is published, is published once a minute.
            wait_for(&format!("equal answers of seed {seed} to {path}: {:?}", both()), || {
                let [with, without] = both();
                with == without
            });
        }
    }
}
