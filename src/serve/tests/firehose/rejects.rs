//! Rejected deliveries: the reason is in the format of Firehose.

use super::*;

#[test]
fn rejects_what_firehose_does_not_send_in_its_format() {
    let service = Service::start(without_tokens());
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
            "differs from the header's",
        ),
        (vec![protocol, id], &right, ID, 415, "content type"),
        (vec![("content-type", "application/x-ndjson"), protocol, id], &right, ID, 415, "JSON"),
        (vec![json, protocol, id, ("content-encoding", "br")], &right, ID, 415, "'br'"),
        (vec![json, protocol, id, GZIP], &right, ID, 400, "gzip"),
        (HEAD.to_vec(), "", ID, 400, "not a JSON object"),
        (HEAD.to_vec(), "{}", ID, 400, "missing field"),
        (HEAD.to_vec(), &right[..right.len() - 1], ID, 400, "not a JSON object"),
        (HEAD.to_vec(), r#"{"requestId":"a","timestamp":1,"records":[0]}"#, ID, 400, "objects"),
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
