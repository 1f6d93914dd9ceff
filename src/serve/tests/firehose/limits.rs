//! Limits of clients and of memory, and access keys.

use super::super::ingest::gzip;
use super::super::tokens::{access_key, with_tokens};
use super::*;
use crate::auth::Scope;

#[test]
fn accepts_ten_thousand_records_and_rejects_more() {
    let service = Service::start(without_tokens());
    let events: Vec<_> = (0..10_000).map(|second| event(second % 300 + 1)).collect();
    assert_eq!(service.deliver(&[], body(ID, &events)).delivered(ID), (200, None));
    assert!(service.logged() == events);
    let more = [&events[..], &events[..1]].concat();
    let (status, error) = service.deliver_as("b", &more).delivered("b");
    assert_eq!((status, error.unwrap().contains("more than 10000 records")), (413, true));
}

#[test]
fn accepts_a_delivery_of_64_mib_in_8_mib_of_memory() {
    // The client's rate limit is not tested here. A client may use half of the memory.
    let limits =
        Limits { bodies_bytes_max: 16 << 20, client_events_per_second: rate(1 << 30), ..limits() };
    let [service, refusing] =
        [(); 2].map(|()| Service::start(Config { limits, ..without_tokens() }));
    // A record with as many lines as Firehose's size limit allows.
    let record =
        BASE64_STANDARD.encode(vec![event(1); 1_000_000 / (event(1).len() + 1)].join("\n"));
    let head = format!(r#"{{"requestId":"{ID}","timestamp":1,"records":[{{"data":"{record}"}}"#);
    let one = format!(r#",{{"data":"{record}"}}"#);
    let mut large = head;
    while large.len() + one.len() + 2 <= 64 << 20 {
        large.push_str(&one);
    }
    large.push_str("]}");
    large.push_str(&" ".repeat((64 << 20) - large.len()));
    let too_large = format!("{large} ");
    for headers in [&[][..], &[GZIP]] {
        let body =
            if headers.is_empty() { too_large.clone().into() } else { gzip(too_large.as_bytes()) };
        let (status, error) = refusing.deliver(headers, body).delivered(ID);
        assert_eq!((status, error.unwrap().contains("67108864 bytes")), (413, true));
    }
    assert_eq!(service.deliver(&[], &large).delivered(ID), (200, None));
    let events = large.matches("\"data\"").count() * (1_000_000 / (event(1).len() + 1));
    assert_eq!(service.logged().len(), events);
    // The memory is free again.
    assert_eq!(service.deliver_as("b", &[event(1)]).delivered("b"), (200, None));
}

#[test]
fn client_and_memory_limits_apply_to_deliveries() {
    let few = Limits { client_requests_per_second: rate(1), ..limits() };
    let service = Service::start(Config { limits: few, ..without_tokens() });
    assert_eq!(service.deliver_as("a", &[event(1)]).delivered("a").0, 200);
    let refused = service.deliver_as("b", &[event(1)]);
    assert_eq!((refused.delivered("b").0, refused.header("retry-after")), (429, "1"));

    let little = Limits { bodies_bytes_max: 100, ..limits() };
    let service = Service::start(Config { limits: little, ..without_tokens() });
    assert_eq!(service.deliver_as("a", &[event(1)]).delivered("a").0, 503);

    // A delivery with more events than the limit per second is delayed, not rejected.
    let slow = Limits { client_events_per_second: rate(1_000), ..limits() };
    let service = Service::start(Config { limits: slow, ..without_tokens() });
    assert_eq!(service.deliver_as("a", &vec![event(1); 1_001]).delivered("a").0, 200);
    assert_eq!(service.logged().len(), 1_001);

    let short = Limits { delivery_timeout: SHORT, ..limits() };
    let service = Service::start(Config { limits: short, ..without_tokens() });
    let head = format!(
        "POST {DELIVERY} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         connection: close\r\nx-amz-firehose-protocol-version: 1.0\r\n\
         x-amz-firehose-request-id: {ID}\r\ncontent-length: 9\r\n\r\n{{"
    );
    let answer = service.exchange(head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("\"errorMessage\""), "{answer}");
}

#[test]
fn the_access_key_is_a_token_with_the_scope_ingest() {
    let service = Service::start(with_tokens());
    let deliver = |id: &str, key: &str| {
        let headers = [
            HEAD[0],
            HEAD[1],
            ("x-amz-firehose-request-id", id),
            ("x-amz-firehose-access-key", key),
        ];
        let answer = service.request("POST", DELIVERY, &headers, body(id, &[event(1)]).as_bytes());
        answer.delivered(id)
    };
    for scope in [Scope::Ingest, Scope::Admin] {
        assert_eq!(deliver(scope.name(), &access_key(scope, None)), (200, None));
    }
    let (status, error) = deliver("c", &access_key(Scope::Read, None));
    let error = error.unwrap();
    assert_eq!(status, 403);
    assert!(error.starts_with("the token does not have the scope 'ingest'"), "{error}");
    assert_eq!(deliver("d", "sesame").0, 401);
    let anonymous = service.deliver(&[], body(ID, &[event(1)]));
    assert_eq!(anonymous.delivered(ID).0, 401);
    // The transformation does not accept this header.
    let key = access_key(Scope::Ingest, None);
    let answer = service.transform(&[JSON, ("x-amz-firehose-access-key", &key)], b"{}");
    assert_eq!(answer.error(), is_error(401, "unauthorized"));

    let before = service.logged().len();
    assert_eq!(deliver("e", &access_key(Scope::Ingest, Some(2))), (200, None));
    assert_eq!((service.logged().len() - before, service.dead_letters().len()), (0, 1));
    assert_eq!(service.dead_letters()[0]["errorMessage"], "the token is not for class '1'");
}
