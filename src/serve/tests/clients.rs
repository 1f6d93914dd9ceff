//! What each client may take, and which web pages may call.

use super::auth::{bearer, closed};
use super::*;
use crate::auth::Scope;

#[test]
fn a_client_is_answered_so_many_requests_a_second_whatever_they_are_for() {
    let limits = Limits { client_requests_per_second: rate(3), ..limits() };
    for (config, path) in [
        (open(), "/healthz"),
        (open(), "/nowhere"),
        (closed(), "/v1/classes"),
        (open(), "/metrics"),
    ] {
        let service = Service::start(Config { limits, ..config });
        let statuses: Vec<_> = (0..4).map(|_| service.get(path).status).collect();
        assert!(!statuses[..3].contains(&429), "{path}: {statuses:?}");
        let refused = (0..10).map(|_| service.get(path)).find(|answer| answer.status == 429);
        let refused = refused.unwrap();
        assert_eq!(refused.error(), is_error(429, "too_many_requests"), "{path}");
        assert_eq!(refused.header("retry-after"), "1");
    }
}

#[test]
fn pages_of_named_origins_alone_may_read_answers() {
    let origins = ["https://app.example.com", "http://localhost:3000"];
    let origins = origins.map(|origin| origin.parse().unwrap()).to_vec();
    let service = Service::start(Config { origins, ..closed() });
    let asked = |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "authorization,if-none-match"),
        ];
        service.request("OPTIONS", "/v1/events", &headers, b"")
    };
    let allowed = asked("https://app.example.com");
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.header("access-control-allow-origin"), "https://app.example.com");
    assert_eq!(allowed.header("access-control-allow-methods"), "GET,POST,PUT,DELETE");
    let headers = allowed.header("access-control-allow-headers");
    assert_eq!(headers, "authorization,content-type,if-none-match,last-event-id,x-firebase-etag");
    for origin in ["https://evil.example", "null", "https://app.example.com.evil.example"] {
        assert_eq!(asked(origin).header("access-control-allow-origin"), "", "{origin}");
    }
    // What is refused can be read as well.
    let refused = [("origin", "http://localhost:3000")];
    let refused = service.request("GET", "/v1/classes", &refused, b"");
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("access-control-allow-origin"), "http://localhost:3000");
    assert_eq!(refused.header("access-control-expose-headers"), "etag,retry-after");
    assert!(refused.header("vary").contains("origin"), "{:?}", refused.headers);
}

#[test]
fn without_named_origins_no_page_is_told_anything() {
    let service = Service::start(closed());
    let headers = [("origin", "https://app.example.com"), ("authorization", &*bearer(Scope::Read))];
    let answer = service.request("GET", "/openapi.json", &headers, b"");
    assert_eq!(answer.status, 200);
    let cors = answer.headers.keys().filter(|name| name.as_str().starts_with("access-control"));
    assert_eq!(cors.count(), 0);
}

#[test]
fn a_named_origin_is_served_without_tokens_as_well() {
    let origins = vec!["https://app.example.com".parse().unwrap()];
    let service = Service::start(Config { origins, ..open() });
    let status = |origin| {
        let headers = [("origin", origin), ("content-type", "application/json")];
        service.request("POST", "/v1/events", &headers, b"[]").status
    };
    assert_eq!(status("https://app.example.com"), 200);
    assert_eq!(status("https://evil.example"), 403);
}
