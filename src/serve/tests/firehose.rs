//! What Firehose sends, and what it is answered.

use std::sync::Barrier;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::auth::{access_key, closed};
use super::ingest::gzip;
use super::*;
use crate::auth::Scope;

const TRANSFORM: &str = "/firehose/transform";
const DELIVERY: &str = "/firehose/delivery";
const JSON: (&str, &str) = ("content-type", "application/json");
const GZIP: (&str, &str) = ("content-encoding", "gzip");
const ID: &str = "ed4acda5-034f-9f42-bba1-f29aea6d7d8f";
const HEAD: [(&str, &str); 3] =
    [JSON, ("x-amz-firehose-protocol-version", "1.0"), ("x-amz-firehose-request-id", ID)];

/// A delivery of records with these texts.
fn body(id: &str, texts: &[impl AsRef<[u8]>]) -> String {
    let records = texts.iter().map(|text| json!({"data": BASE64_STANDARD.encode(text)}));
    let records: Vec<_> = records.collect();
    json!({"requestId": id, "timestamp": 1_578_090_901_599_u64, "records": records}).to_string()
}

impl Service {
    fn transform(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.request("POST", TRANSFORM, headers, body)
    }

    /// Delivers, where the body may be sent under another id than that of the headers.
    fn deliver(&self, more: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        let headers = [&HEAD[..], more].concat();
        self.request("POST", DELIVERY, &headers, body.as_ref())
    }

    /// Delivers under an id.
    fn deliver_as(&self, id: &str, texts: &[impl AsRef<[u8]>]) -> Answer {
        let headers = [HEAD[0], HEAD[1], ("x-amz-firehose-request-id", id)];
        self.request("POST", DELIVERY, &headers, body(id, texts).as_bytes())
    }
}

impl Answer {
    /// Status and error of the answer to a delivery, which must be in its shape.
    fn delivered(&self, id: &str) -> (u16, Option<String>) {
        let json = self.json();
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(self.header("content-length"), self.text.len().to_string());
        assert_eq!(json["requestId"], id, "{json}");
        assert!(json["timestamp"].as_u64().unwrap() > 1_700_000_000_000, "{json}");
        let error = json.get("errorMessage").map(|error| error.as_str().unwrap().to_owned());
        assert_eq!(json.as_object().unwrap().len(), 2 + usize::from(error.is_some()), "{json}");
        (self.status, error)
    }
}

#[test]
fn records_are_transformed_before_the_service_has_started_plain_and_as_gzip() {
    let service = Service::starting(open());
    let records = json!([
        {"recordId": "a", "data": BASE64_STANDARD.encode(event(1))},
        {"recordId": "b", "data": "NQ=="},
    ]);
    let request = json!({"invocationId": "i", "records": records}).to_string();
    let line = event(1).replace('}', ",\"output\":137.8681333333333}\n");
    let expected = json!({"records": [
        {"recordId": "a", "result": "Ok", "data": BASE64_STANDARD.encode(line)},
        {"recordId": "b", "result": "ProcessingFailed", "data": "NQ=="},
    ]});
    let plain = service.transform(&[JSON], request.as_bytes());
    assert_eq!((plain.status, plain.json()), (200, expected.clone()));
    let zipped = service.transform(&[JSON, GZIP], &gzip(request.as_bytes()));
    assert_eq!((zipped.status, zipped.json()), (200, expected));
    // More than is answered where it is received.
    let record = json!({"recordId": "a", "data": BASE64_STANDARD.encode(event(1))});
    let large = json!({"records": vec![record; 1_000]}).to_string();
    let answer = service.transform(&[JSON], large.as_bytes()).json();
    assert_eq!(answer["records"].as_array().unwrap().len(), 1_000);
}

#[test]
fn what_is_no_transformation_is_refused() {
    let service = Service::start(open());
    let error = |headers: &[(&str, &str)], body: &[u8]| service.transform(headers, body).error();
    for body in ["", "[]", "{}", "{\"records\":[{}]}"] {
        assert_eq!(error(&[JSON], body.as_bytes()), is_error(400, "bad_body"), "{body}");
    }
    let large = vec![b' '; (6 << 20) + 1];
    assert_eq!(error(&[JSON], &large), is_error(413, "body_too_large"));
    assert_eq!(error(&[JSON, GZIP], &gzip(&large)), is_error(413, "body_too_large"));
    let record = format!(r#"{{"recordId":"","data":"{}"}}"#, BASE64_STANDARD.encode(event(1)));
    let most = ((6 << 20) - 20) / (record.len() + 1);
    let records = format!(r#"{{"records":[{}]}}"#, vec![&*record; most].join(","));
    assert_eq!(error(&[JSON], records.as_bytes()), is_error(413, "reply_too_large"));
    let lines = ("content-type", "application/x-ndjson");
    assert_eq!(error(&[lines], b"{}"), is_error(415, "unsupported_media_type"));
    let unknown = service.request("POST", "/firehose/transform?a=1", &[JSON], b"{}");
    assert_eq!(unknown.error(), is_error(400, "bad_parameter"));
    let limits = Limits { bodies_bytes: 900, ..limits() };
    let service = Service::start(Config { limits, ..open() });
    let two = format!(r#"{{"records":[{record},{record}]}}"#);
    assert_eq!(service.transform(&[JSON], two.as_bytes()).error(), is_error(503, "busy"));
}

#[test]
fn deliveries_are_taken_in_order_plain_and_as_gzip() {
    let service = Service::start(open());
    let pretty =
        "{\"event\":\"view\",\n \"uuid\":\"u\",\"projectId\":\"p\",\n\"deviceTimestamp\":1}";
    let texts = [
        event(1),
        format!("{}\n\n{}\r\n", event(2), event(3)),
        String::new(),
        pretty.to_owned(),
        format!(" {}\n", event(4)),
    ];
    assert_eq!(service.deliver(&[], body(ID, &texts)).delivered(ID), (200, None));
    let view = pretty.replace('\n', " ");
    assert_eq!(service.logged(), [event(1), event(2), event(3), view, event(4)]);
    let other = ID.to_uppercase();
    let headers = [HEAD[0], HEAD[1], ("x-amz-firehose-request-id", &*other), GZIP];
    let zipped = gzip(body(&other, &[event(5)]).as_bytes());
    let answer = service.request("POST", DELIVERY, &headers, &zipped);
    assert_eq!(answer.delivered(&other), (200, None));
    assert_eq!(service.logged().last(), Some(&event(5)));
    assert!(service.letters().is_empty());
}

#[test]
fn events_that_are_rejected_are_dead_letters_and_fail_nothing() {
    let service = Service::start(open());
    let texts = ["5".to_owned(), format!("{}\n{}", event(301), event(2)), "{}".to_owned()];
    let body = body(ID, &texts).replace("e30=", "e3 0");
    assert_eq!(service.deliver(&[], body).delivered(ID), (200, None));
    assert_eq!(service.logged(), [event(2)]);
    let letters = service.letters();
    let told: Vec<_> =
        letters.iter().map(|letter| (&letter["source"], &letter["rawData"])).collect();
    let source = |record: usize| json!({"requestId": ID, "record": record});
    let data = |text: &str| json!(BASE64_STANDARD.encode(text));
    let (sources, data) =
        ([source(0), source(1), source(2)], [data("5"), data(&event(301)), data("e3 0")]);
    assert!(told.into_iter().eq(sources.iter().zip(&data)), "{letters:?}");
    let reason = |letter: usize| letters[letter]["errorMessage"].as_str().unwrap();
    assert!(reason(1).starts_with("second is 301"));
    assert!(reason(2).starts_with("the data of the record are no base64"));
}

#[test]
fn a_delivery_that_was_taken_is_not_taken_again_and_one_that_was_not_is() {
    let service = Service::starting(open());
    assert_eq!(service.deliver_as("a", &[event(1)]).delivered("a").0, 503);
    service.begin();
    for _ in 0..3 {
        assert_eq!(service.deliver_as("a", &[event(1)]).delivered("a"), (200, None));
    }
    assert_eq!(service.logged(), [event(1)]);
    assert_eq!(service.deliver_as("b", &[event(1)]).delivered("b"), (200, None));
    assert_eq!(service.logged(), [event(1), event(1)]);
    let broken = body(ID, &[event(2)]).replace("timestamp", "stamp");
    assert_eq!(service.deliver(&[], broken).delivered(ID).0, 400);
    assert_eq!(service.deliver(&[], body(ID, &[event(2)])).delivered(ID).0, 200);
    let before = service.logged().len();
    assert_eq!(service.deliver(&[], body(ID, &[event(2)])).delivered(ID).0, 200);
    assert_eq!(service.logged().len(), before);
}

#[test]
fn deliveries_of_one_id_wait_for_the_first_one() {
    const SENDERS: usize = 8;
    let service = Service::start(open());
    let (start, texts) = (Barrier::new(SENDERS), vec![event(1); 2_000]);
    thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                start.wait();
                assert_eq!(service.deliver(&[], body(ID, &texts)).delivered(ID), (200, None));
                // Whoever is answered can rely on it.
                assert_eq!(service.logged().len(), 2_000);
            });
        }
    });
    assert_eq!(service.logged().len(), 2_000);
}

#[test]
fn a_repeated_delivery_is_taken_however_slowly_its_body_comes() {
    let short = Limits { body: SHORT, ..limits() };
    let service = Service::start(Config { limits: short, ..open() });
    assert_eq!(service.deliver(&[], body(ID, &[event(1)])).delivered(ID), (200, None));
    let head = format!(
        "POST {DELIVERY} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         connection: close\r\nx-amz-firehose-protocol-version: 1.0\r\n\
         x-amz-firehose-request-id: {ID}\r\ncontent-length: 9\r\n\r\n{{"
    );
    let answer = service.exchange(head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("errorMessage"), "{answer}");
    assert_eq!(service.logged(), [event(1)]);
}

#[test]
fn ten_thousand_records_are_taken_and_no_more() {
    let service = Service::start(open());
    let events: Vec<_> = (0..10_000).map(|second| event(second % 300 + 1)).collect();
    assert_eq!(service.deliver(&[], body(ID, &events)).delivered(ID), (200, None));
    assert!(service.logged() == events);
    let more = [&events[..], &events[..1]].concat();
    let (status, error) = service.deliver_as("b", &more).delivered("b");
    assert_eq!((status, error.unwrap().contains("more than 10000 records")), (413, true));
}

#[test]
fn a_delivery_of_64_mib_is_taken_in_the_memory_of_8() {
    // Less than the rate of a client, which is not what is tried here.
    let limits =
        Limits { bodies_bytes: 8 << 20, client_events_per_second: rate(1 << 30), ..limits() };
    let [service, refusing] = [(); 2].map(|()| Service::start(Config { limits, ..open() }));
    // As many lines in a record as Firehose takes bytes.
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
    // What was held is free again.
    assert_eq!(service.deliver_as("b", &[event(1)]).delivered("b"), (200, None));
}

#[test]
fn what_firehose_does_not_send_is_refused_in_its_shape() {
    let service = Service::start(open());
    let right = body(ID, &[event(1)]);
    let [json, protocol, id] = HEAD;
    let long = "x".repeat(145);
    for (headers, body, expected, status, says) in [
        (vec![json, id], &*right, ID, 400, "x-amz-firehose-protocol-version is not '1.0'"),
        (vec![json, ("x-amz-firehose-protocol-version", "2.0"), id], &right, ID, 400, "1.0"),
        (vec![json, protocol], &right, "", 400, "x-amz-firehose-request-id"),
        (vec![json, protocol, ("x-amz-firehose-request-id", &long)], &right, "", 400, "request-id"),
        (
            vec![json, protocol, ("x-amz-firehose-request-id", "b")],
            &right,
            "b",
            400,
            "that of the header",
        ),
        (vec![protocol, id], &right, ID, 415, "content type"),
        (vec![("content-type", "application/x-ndjson"), protocol, id], &right, ID, 415, "JSON"),
        (vec![json, protocol, id, ("content-encoding", "br")], &right, ID, 415, "'br'"),
        (vec![json, protocol, id, GZIP], &right, ID, 400, "gzip"),
        (HEAD.to_vec(), "", ID, 400, "no JSON object"),
        (HEAD.to_vec(), "{}", ID, 400, "missing field"),
        (HEAD.to_vec(), &right[..right.len() - 1], ID, 400, "no JSON object"),
        (HEAD.to_vec(), r#"{"requestId":"a","timestamp":1,"records":[]}"#, ID, 400, "1 or more"),
        (HEAD.to_vec(), r#"{"records":[{"data":1}]}"#, ID, 400, "record 0"),
    ] {
        let answer = service.request("POST", DELIVERY, &headers, body.as_bytes());
        let (given, error) = answer.delivered(expected);
        let error = error.unwrap();
        assert_eq!(given, status, "{headers:?} {body}: {error}");
        assert!(error.contains(says), "{headers:?} {body}: {error}");
    }
    let unknown = service.request("POST", "/firehose/delivery?a=1", &HEAD, right.as_bytes());
    assert_eq!(unknown.delivered(ID).0, 400);
    let get = service.request("GET", DELIVERY, &HEAD, b"");
    assert_eq!((get.delivered(ID).0, get.header("allow")), (405, "POST"));
    service.lag_ms.store(2_001, Ordering::Relaxed);
    let behind = service.deliver(&[], &right);
    assert_eq!((behind.delivered(ID).0, behind.header("retry-after")), (503, "1"));
}

#[test]
fn bounds_of_clients_and_of_memory_hold_for_deliveries() {
    let few = Limits { client_requests_per_second: rate(1), ..limits() };
    let service = Service::start(Config { limits: few, ..open() });
    assert_eq!(service.deliver_as("a", &[event(1)]).delivered("a").0, 200);
    let refused = service.deliver_as("b", &[event(1)]);
    assert_eq!((refused.delivered("b").0, refused.header("retry-after")), (429, "1"));

    let little = Limits { bodies_bytes: 100, ..limits() };
    let service = Service::start(Config { limits: little, ..open() });
    assert_eq!(service.deliver_as("a", &[event(1)]).delivered("a").0, 503);

    // A delivery of more than a second's events waits for its turn.
    let slow = Limits { client_events_per_second: rate(1_000), ..limits() };
    let service = Service::start(Config { limits: slow, ..open() });
    assert_eq!(service.deliver_as("a", &vec![event(1); 1_001]).delivered("a").0, 200);
    assert_eq!(service.logged().len(), 1_001);

    let short = Limits { delivery: SHORT, ..limits() };
    let service = Service::start(Config { limits: short, ..open() });
    let head = format!(
        "POST {DELIVERY} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         connection: close\r\nx-amz-firehose-protocol-version: 1.0\r\n\
         x-amz-firehose-request-id: {ID}\r\ncontent-length: 9\r\n\r\n{{"
    );
    let answer = service.exchange(head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("\"errorMessage\""), "{answer}");
}

#[test]
fn the_access_key_is_a_token_that_may_send_events() {
    let service = Service::start(closed());
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
    assert_eq!((status, &*error.unwrap()), (403, "the token does not have the scope 'ingest'"));
    assert_eq!(deliver("d", "sesame").0, 401);
    let without = service.deliver(&[], body(ID, &[event(1)]));
    assert_eq!(without.delivered(ID).0, 401);
    // The transformation has no such header.
    let key = access_key(Scope::Ingest, None);
    let answer = service.transform(&[JSON, ("x-amz-firehose-access-key", &key)], b"{}");
    assert_eq!(answer.error(), is_error(401, "unauthorized"));

    let before = service.logged().len();
    assert_eq!(deliver("e", &access_key(Scope::Ingest, Some(2))), (200, None));
    assert_eq!((service.logged().len() - before, service.letters().len()), (0, 1));
    assert_eq!(service.letters()[0]["errorMessage"], "the token is not for class '1'");
}
