//! Health, metrics, the OpenAPI description, and requests that no handler answers.

use std::collections::BTreeSet;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::get;
use serde_json::json;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;

use super::tokens::with_tokens;
use super::*;
use crate::serve::{fallback, middleware};

#[test]
fn health_and_readiness_need_no_token() {
    let service = Service::starting(with_tokens());
    let healthy = service.get("/healthz");
    assert_eq!((healthy.status, healthy.json()), (200, json!({"status": "ok"})));
    let starting = service.get("/readyz");
    assert_eq!((starting.status, &starting.json()["ready"]), (503, &json!(false)));
    service.finish_start();
    let ready = service.get("/readyz");
    assert_eq!(
        (ready.status, ready.json()),
        (200, json!({"ready": true, "reasons": [], "notes": []}))
    );
    service.lag_ms.store(2_500, Ordering::Relaxed);
    let behind = service.get("/readyz");
    let reasons = ["engine_behind: by 2.5 s"];
    let expected = json!({"ready": false, "reasons": reasons, "notes": []});
    assert_eq!((behind.status, behind.json()), (503, expected));
}

#[test]
fn metrics_include_requests_events_lag_and_memory() {
    let service = Service::start(without_tokens());
    service.lag_ms.store(1_250, Ordering::Relaxed);
    let body = format!("{}\nno event", event(1));
    assert_eq!(service.post("application/x-ndjson", body).status, 200);
    service.get("/nowhere");
    let answer = service.get("/metrics");
    assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"));
    for part in [
        "velodrome_http_requests_total{route=\"/v1/events\",status=\"200\"} ",
        "velodrome_http_requests_total{route=\"unmatched\",status=\"404\"} ",
        "velodrome_http_seconds_bucket{route=\"/v1/events\",le=\"0.01\"} ",
        "velodrome_events_total{verdict=\"accepted\"} ",
        "velodrome_events_total{verdict=\"rejected\"} ",
        "velodrome_http_connections ",
        "velodrome_frontier_lag_seconds ",
    ] {
        assert!(answer.text.contains(part), "{part}\n{}", answer.text);
    }
    assert!(gauge(&answer.text, "velodrome_resident_bytes") > 1e6);
}

fn gauge(metrics: &str, name: &str) -> f64 {
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in\n{metrics}")).parse().unwrap()
}

#[test]
fn what_is_bounded_has_a_gauge() {
    let service = Service::start(without_tokens());
    service.post("application/x-ndjson", event(1));
    service.get("/v1/classes/0/leaderboard");
    let metrics = service.get("/metrics").text;
    // Other tests share the recorder, so most values are not known.
    for name in [
        "velodrome_answer_bytes",
        "velodrome_bans",
        "velodrome_body_bytes",
        "velodrome_board_cache_bytes",
        "velodrome_engine_queue_commands",
        "velodrome_http_connections",
        "velodrome_log_queue_batches",
        "velodrome_log_queue_bytes",
        "velodrome_stream_topics",
    ] {
        assert!(gauge(&metrics, name) >= 0.0, "{name}");
    }
    assert!(gauge(&metrics, "velodrome_limited_clients") >= 1.0);
    let open = gauge(&metrics, "velodrome_open_files");
    assert!(open > 3.0 && open < gauge(&metrics, "velodrome_open_files_max"), "{open}");
}

#[test]
fn the_description_lists_every_route_with_all_its_responses() {
    let service = Service::start(without_tokens());
    let json = service.get("/openapi.json").json();
    let schemas = json["components"]["schemas"].as_object().unwrap();
    assert!(schemas.contains_key("ClassId"), "{:?}", schemas.keys());
    // No schema is named after a type of Rust.
    assert!(
        schemas.keys().all(|name| name.starts_with(char::is_uppercase)),
        "{:?}",
        schemas.keys()
    );
    let statuses = |path: &str, method: &str| {
        let responses = json["paths"][path][method]["responses"].as_object().unwrap();
        for (status, response) in responses {
            let content = response["content"].as_object().unwrap();
            assert_eq!(content.len(), 1, "{path} {status}");
        }
        responses.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
    };
    let ingest = "200 400 401 403 408 413 415 429 500 503 507";
    assert_eq!(statuses("/v1/events", "post"), ingest);
    let delivery = "200 400 401 403 408 413 415 429 500 503 507";
    assert_eq!(statuses("/firehose/delivery", "post"), delivery);
    let transform = "200 400 401 403 408 413 415 429 500 503";
    assert_eq!(statuses("/firehose/transform", "post"), transform);
    assert_eq!(statuses("/healthz", "get"), "200 400 429 500");
    assert_eq!(statuses("/readyz", "get"), "200 400 429 500 503");
    assert_eq!(statuses("/metrics", "get"), "200 400 401 403 429 500");
    assert_eq!(statuses("/v1/cluster", "get"), "200 400 401 403 404 429 500");
    assert_eq!(statuses("/openapi.json", "get"), "200 400 401 403 429 500");
    let results = "/v1/races/{classId}/{raceId}/results";
    assert_eq!(statuses(results, "get"), "200 400 401 403 404 429 500 503 504");
    assert_eq!(statuses("/getRaces", "get"), "200 400 401 403 429 500 503");
    assert_eq!(statuses("/v1/stream", "get"), "200 400 401 403 413 500");
    let paths = json["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 32);
    let operations: Vec<_> =
        paths.values().flat_map(|item| item.as_object().unwrap().values()).collect();
    let ids: BTreeSet<_> =
        operations.iter().map(|operation| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), operations.len());
    assert!(operations.iter().all(|operation| operation["tags"].as_array().unwrap().len() == 1));
    let racer = &json["components"]["schemas"]["BoardRow"]["properties"]["racerId"]["$ref"];
    let racer = json.pointer(racer.as_str().unwrap().strip_prefix('#').unwrap());
    assert_eq!(racer.unwrap()["maximum"], u32::MAX);
    for schema in [
        "ErrorBody",
        "ErrorDetail",
        "FirebaseError",
        "DeliveryReply",
        "DeliveryRequest",
        "DeliveryRecord",
        "TransformRequest",
        "TransformRecord",
        "TransformReply",
        "Transformed",
        "Reply",
        "Verdict",
        "EventsBody",
        "Ready",
        "Healthy",
        "Cluster",
        "Node",
    ] {
        assert!(json["components"]["schemas"][schema].is_object(), "{schema}");
    }
    assert_eq!(json["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}

#[test]
fn unknown_paths_and_methods_get_json_errors() {
    let service = Service::start(without_tokens());
    assert_eq!(service.get("/nowhere").error(), is_error(404, "not_found"));
    assert_eq!(service.get("/v1/events/%ff").error(), is_error(404, "not_found"));
    for (method, path, allow) in [
        ("GET", "/v1/events", "POST"),
        ("DELETE", "/v1/events", "POST"),
        ("POST", "/healthz", "GET,HEAD"),
        ("FOO", "/metrics", "GET,HEAD"),
    ] {
        let answer = service.request(method, path, &[], b"");
        assert_eq!(answer.error(), is_error(405, "method_not_allowed"), "{method} {path}");
        assert_eq!(answer.header("allow"), allow);
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = service.get(&format!("{path}?pretty=1"));
        assert_eq!(answer.error(), is_error(400, "bad_parameter"), "{path}");
        assert!(answer.text.contains("pretty"), "{}", answer.text);
    }
}

#[test]
fn every_response_forbids_sniffing_and_storing() {
    let service = Service::start(without_tokens());
    for path in ["/healthz", "/nowhere", "/openapi.json", "/v1/events"] {
        let answer = service.get(path);
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
}

#[tokio::test]
async fn the_response_of_a_panicking_handler_does_not_contain_the_reason() {
    async fn panicking() {
        panic!("the secret is sesame");
    }
    let router: Router = Router::new()
        .route("/", get(panicking))
        .layer(CatchPanicLayer::custom(fallback::handler_panicked))
        .layer(from_fn(middleware::record));
    let request = axum::http::Request::get("/").body(axum::body::Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status().as_u16(), 500);
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(text.contains("\"internal\"") && !text.contains("sesame"), "{text}");
}
