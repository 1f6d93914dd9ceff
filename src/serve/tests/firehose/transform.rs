//! The data transformation.

use super::super::ingest::gzip;
use super::*;

#[test]
fn transforms_plain_and_gzip_requests_before_the_service_is_ready() {
    let service = Service::starting(without_tokens());
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
    // Large enough to be processed on another thread.
    let record = json!({"recordId": "a", "data": BASE64_STANDARD.encode(event(1))});
    let large = json!({"records": vec![record; 1_000]}).to_string();
    let answer = service.transform(&[JSON], large.as_bytes()).json();
    assert_eq!(answer["records"].as_array().unwrap().len(), 1_000);
}

#[test]
fn rejects_invalid_and_oversized_transformations() {
    let service = Service::start(without_tokens());
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
    let limits = Limits { bodies_bytes_max: 900, ..limits() };
    let service = Service::start(Config { limits, ..without_tokens() });
    let two = format!(r#"{{"records":[{record},{record}]}}"#);
    assert_eq!(service.transform(&[JSON], two.as_bytes()).error(), is_error(503, "busy"));
}
