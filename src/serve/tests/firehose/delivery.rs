//! Deliveries: accepted events, dead letters, and deduplication.

use std::sync::Barrier;

use super::super::ingest::gzip;
use super::super::tokens::{access_key, with_tokens};
use super::*;
use crate::auth::Scope;

#[test]
fn accepts_events_in_order_plain_and_as_gzip() {
    let service = Service::start(without_tokens());
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
    let none = body("none", &[""; 0]);
    let headers = [HEAD[0], HEAD[1], ("x-amz-firehose-request-id", "none")];
    let answer = service.request("POST", DELIVERY, &headers, none.as_bytes());
    assert_eq!(answer.delivered("none"), (200, None));
    assert!(service.dead_letters().is_empty());
}

#[test]
fn rejected_events_become_dead_letters_and_do_not_fail_the_delivery() {
    let service = Service::start(without_tokens());
    let texts = ["5".to_owned(), format!("{}\n{}", event(301), event(2)), "{}".to_owned()];
    let body = body(ID, &texts).replace("e30=", "e3 0");
    assert_eq!(service.deliver(&[], body).delivered(ID), (200, None));
    assert_eq!(service.logged(), [event(2)]);
    let letters = service.dead_letters();
    let rejected: Vec<_> =
        letters.iter().map(|letter| (&letter["source"], &letter["rawData"])).collect();
    let source = |record: usize| json!({"requestId": ID, "record": record});
    let data = |text: &str| json!(BASE64_STANDARD.encode(text));
    let (sources, data) =
        ([source(0), source(1), source(2)], [data("5"), data(&event(301)), data("e3 0")]);
    assert!(rejected.into_iter().eq(sources.iter().zip(&data)), "{letters:?}");
    let reason = |letter: usize| letters[letter]["errorMessage"].as_str().unwrap();
    assert!(reason(1).starts_with("second is 301"));
    assert!(reason(2).starts_with("the data of the record is not base64"));
}

#[test]
fn an_accepted_delivery_is_not_repeated_and_a_failed_one_is() {
    let service = Service::starting(without_tokens());
    assert_eq!(service.deliver_as("a", &[event(1)]).delivered("a").0, 503);
    service.finish_start();
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
fn concurrent_deliveries_with_one_id_wait_for_the_first() {
    const SENDERS: usize = 8;
    let service = Service::start(without_tokens());
    let (start, texts) = (Barrier::new(SENDERS), vec![event(1); 2_000]);
    thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                start.wait();
                assert_eq!(service.deliver(&[], body(ID, &texts)).delivered(ID), (200, None));
                // The events are in the log before any sender gets a response.
                assert_eq!(service.logged().len(), 2_000);
            });
        }
    });
    assert_eq!(service.logged().len(), 2_000);
}

#[test]
fn a_repeated_delivery_succeeds_however_slow_its_body_is() {
    let short = Limits { body_timeout: SHORT, ..limits() };
    let service = Service::start(Config { limits: short, ..without_tokens() });
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
fn a_delivery_of_another_token_is_no_repetition() {
    let service = Service::start(with_tokens());
    let deliver = |token: &str| {
        let answer =
            service.deliver(&[("x-amz-firehose-access-key", token)], body(ID, &[event(1)]));
        assert_eq!(answer.delivered(ID), (200, None));
    };
    let [other, right] = [2, 1].map(|class| access_key(Scope::Ingest, Some(class)));
    deliver(&other);
    assert!(service.logged().is_empty());
    deliver(&right);
    deliver(&right);
    assert_eq!(service.logged(), [event(1)]);
}
