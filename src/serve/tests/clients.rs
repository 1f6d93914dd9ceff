//! The rate of requests, and web pages of other origins.

use super::tokens::{bearer, with_tokens};
use super::*;
use crate::auth::Scope;

#[test]
fn limits_the_rate_of_requests_on_all_routes() {
    let limits = Limits { client_requests_per_second: rate(3), ..limits() };
    for (config, path) in [
        (without_tokens(), "/readyz"),
        (without_tokens(), "/nowhere"),
        (with_tokens(), "/v1/classes"),
        (without_tokens(), "/metrics"),
    ] {
        let service = Service::start(Config { limits, ..config });
        let statuses: Vec<_> = (0..4).map(|_| service.get(path).status).collect();
        assert!(!statuses[..3].contains(&429), "{path}: {statuses:?}");
        let denied = (0..10).map(|_| service.get(path)).find(|answer| answer.status == 429);
        let denied = denied.unwrap();
        assert_eq!(denied.error(), is_error(429, "too_many_requests"), "{path}");
        assert_eq!(denied.header("retry-after"), "1");
        assert_eq!(service.get("/healthz").status, 200, "a health check is always answered");
    }
}

#[test]
fn only_pages_of_permitted_origins_can_read_responses() {
    let origins = ["https://app.example.com", "http://localhost:3000"];
    let origins = origins.map(|origin| origin.parse().unwrap()).to_vec();
    let service = Service::start(Config { origins, ..with_tokens() });
    let preflight = |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "authorization,if-none-match"),
        ];
        service.request("OPTIONS", "/v1/events", &headers, b"")
    };
    let allowed = preflight("https://app.example.com");
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.header("access-control-allow-origin"), "https://app.example.com");
    assert_eq!(allowed.header("access-control-allow-methods"), "GET,POST,PUT,DELETE");
    let headers = allowed.header("access-control-allow-headers");
    assert_eq!(
        headers,
        "authorization,content-encoding,content-type,if-none-match,last-event-id,x-firebase-etag"
    );
    for origin in ["https://evil.example", "null", "https://app.example.com.evil.example"] {
        assert_eq!(preflight(origin).header("access-control-allow-origin"), "", "{origin}");
    }
    // Pages can also read errors.
    let headers = [("origin", "http://localhost:3000")];
    let denied = service.request("GET", "/v1/classes", &headers, b"");
    assert_eq!(denied.status, 401);
    assert_eq!(denied.header("access-control-allow-origin"), "http://localhost:3000");
    assert_eq!(denied.header("access-control-expose-headers"), "etag,retry-after,stale");
    assert!(denied.header("vary").contains("origin"), "{:?}", denied.headers);
}

#[test]
fn without_permitted_origins_no_cors_headers_are_sent() {
    let service = Service::start(with_tokens());
    let headers = [("origin", "https://app.example.com"), ("authorization", &*bearer(Scope::Read))];
    let answer = service.request("GET", "/openapi.json", &headers, b"");
    assert_eq!(answer.status, 200);
    let cors = answer.headers.keys().filter(|name| name.as_str().starts_with("access-control"));
    assert_eq!(cors.count(), 0);
}

#[test]
fn a_permitted_origin_is_served_without_tokens() {
    let origins = vec!["https://app.example.com".parse().unwrap()];
    let service = Service::start(Config { origins, ..without_tokens() });
    let status = |origin| {
        let headers = [("origin", origin), ("content-type", "application/json")];
        service.request("POST", "/v1/events", &headers, b"[]").status
    };
    assert_eq!(status("https://app.example.com"), 200);
    assert_eq!(status("https://evil.example"), 403);
}
