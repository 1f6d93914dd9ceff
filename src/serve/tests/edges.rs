//! What browsers and proxies need of the service.

use super::ingest::{JSON, LINES, gzip};
use super::tokens::{issue, with_tokens};
use super::*;
use crate::auth::Scope;
use crate::serve::proxies::TrustedProxies;

fn accepted(answer: &Answer) -> u64 {
    answer.json()["accepted"].as_u64().unwrap_or_else(|| panic!("{}", answer.text))
}

#[test]
fn a_beacon_needs_no_headers() {
    let service = Service::start(with_tokens());
    let path = format!("/v1/events?auth={}", issue(&super::tokens::claims(Scope::Ingest)));
    let text = [("content-type", "text/plain;charset=UTF-8")];
    let pretty = event(1).replace(',', ",\n");
    let (one, two) = (event(2), event(3));
    for (body, expected) in [
        (one.clone(), 1),
        (format!("{one}\n{two}\n"), 2),
        (format!("[{one},{two}]"), 2),
        (format!(" \n[{one}]"), 1),
        (pretty, 1),
    ] {
        let answer = service.request("POST", &path, &text, body.as_bytes());
        assert_eq!(accepted(&answer), expected, "{body}");
    }
    let denied = service.request("POST", "/v1/events?auth=x", &text, one.as_bytes());
    assert_eq!(denied.error(), is_error(401, "unauthorized"));
}

#[test]
fn a_beacon_of_another_page_is_refused_without_tokens() {
    let service = Service::start(without_tokens());
    let headers = [("content-type", "text/plain"), ("origin", "https://evil.example")];
    let answer = service.request("POST", "/v1/events", &headers, event(1).as_bytes());
    assert_eq!(answer.error(), is_error(403, "forbidden"));
    let headers = [("content-type", "text/plain"), ("host", "evil.example")];
    let answer = service.request("POST", "/v1/events", &headers, event(1).as_bytes());
    assert_eq!(answer.error(), is_error(403, "forbidden"));
}

#[test]
fn a_byte_order_mark_and_the_old_name_of_gzip_are_accepted() {
    let service = Service::start(without_tokens());
    for media_type in [JSON, LINES, "text/plain"] {
        for body in [format!("\u{feff}{}", event(1)), format!("\u{feff}\n{}", event(1))] {
            assert_eq!(accepted(&service.post(media_type, &body)), 1, "{media_type}");
            let headers = [("content-type", media_type), ("content-encoding", "x-gzip")];
            let compressed = gzip(body.as_bytes());
            let answer = service.request("POST", "/v1/events", &headers, &compressed);
            assert_eq!(accepted(&answer), 1, "{media_type}");
        }
    }
    let array = format!("\u{feff}[{},{}]", event(1), event(2));
    assert_eq!(accepted(&service.post(JSON, array)), 2);
}

#[test]
fn parameters_of_files_are_ignored() {
    let service = Service::start(without_tokens());
    for path in ["/history/class-1.gz", "/openapi.json", "/", "/ui/app.js"] {
        let status = service.get(path).status;
        assert_eq!(service.get(&format!("{path}?_=1695900000&v")).status, status, "{path}");
        assert_ne!(status, 400, "{path}");
    }
}

#[test]
fn a_request_names_one_host() {
    let service = Service::start(without_tokens());
    let status = |head: &str| {
        let request = format!("GET {head}connection: close\r\n\r\n");
        service.exchange(request.as_bytes())[9..12].parse::<u16>().unwrap()
    };
    for (head, expected) in [
        ("/v1/classes HTTP/1.1\r\nhost: localhost\r\n", 200),
        ("/v1/classes HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n", 400),
        ("/v1/classes HTTP/1.1\r\nhost: localhost\r\nHost: evil.example\r\n", 400),
        ("/healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\n", 400),
        ("/v1/classes HTTP/1.1\r\n", 403),
        ("/healthz HTTP/1.0\r\n", 200),
        ("http://localhost/v1/classes HTTP/1.1\r\nhost: localhost\r\n", 200),
        ("http://evil.example/v1/classes HTTP/1.1\r\nhost: localhost\r\n", 400),
        ("http://evil.example/v1/classes HTTP/1.1\r\n", 403),
    ] {
        let found = status(head);
        // The service of these tests computes no results.
        let found = if found == 503 { 200 } else { found };
        assert_eq!(found, expected, "{head}");
    }
}

#[test]
fn clients_behind_a_trusted_proxy_have_limits_of_their_own() {
    let limits = Limits { client_requests_per_second: rate(3), ..limits() };
    let serve = |proxy: &str| {
        let proxies = TrustedProxies::new(vec![proxy.parse().unwrap()]);
        Service::start(Config { limits, proxies, ..without_tokens() })
    };
    let refused = |service: &Service, client: &str| {
        let headers = [("x-forwarded-for", client)];
        let requests = (0..6).map(|_| service.request("GET", "/readyz", &headers, b"").status);
        requests.filter(|status| *status == 429).count()
    };
    let service = serve("127.0.0.0/8");
    assert!(refused(&service, "6.6.6.6, 1.2.3.4") >= 1);
    assert_eq!(
        service.request("GET", "/healthz", &[("forwarded", "for=1.2.3.5")], b"").status,
        200
    );
    assert!(refused(&service, "7.7.7.7, 1.2.3.4") >= 5, "the client chose its address");
    // Another peer cannot choose its address.
    let service = serve("127.0.0.9");
    assert!(refused(&service, "1.2.3.4") >= 1);
    assert!(refused(&service, "1.2.3.5") >= 5);
}

#[test]
fn strings_over_their_bound_are_rejected_by_name() {
    let service = Service::start(without_tokens());
    let view = |uuid: usize, project: usize, viewer: usize| {
        let [uuid, project, viewer] = [uuid, project, viewer].map(|length| "x".repeat(length));
        format!(
            r#"{{"event":"view","uuid":"{uuid}","projectId":"{project}","viewerId":"{viewer}","deviceTimestamp":1}}"#
        )
    };
    for (event, named) in [
        (view(64, 128, 128), None),
        (view(65, 128, 128), Some("uuid")),
        (view(0, 1, 1), Some("uuid")),
        (view(1, 129, 1), Some("projectId")),
        (view(1, 0, 1), Some("projectId")),
        (view(1, 1, 129), Some("viewerId")),
        (view(1_000_000, 1, 1), Some("uuid")),
    ] {
        let answer = service.post(LINES, &event).json();
        let error = answer["rejected"][0]["error"].as_str();
        match named {
            None => assert_eq!(answer["accepted"], 1),
            Some(name) => {
                assert!(error.unwrap().starts_with(name) && error.unwrap().len() < 300, "{error:?}")
            }
        }
    }
}

#[test]
fn rules_may_be_compressed() {
    let service = Service::start(without_tokens());
    let post = |encoding: &str, body: &[u8]| {
        service.request("POST", "/v1/rules", &[("content-encoding", encoding)], body)
    };
    let requested = post("gzip", &gzip(b"divisor = 50"));
    assert_eq!(
        (requested.status, &requested.json()["rebuild"]["rules"]["divisor"]),
        (202, &serde_json::json!(50.0))
    );
    assert_eq!(post("gzip", b"divisor = 50").status, 400);
    assert_eq!(post("br", b"divisor = 50").error(), is_error(415, "unsupported_media_type"));
}
