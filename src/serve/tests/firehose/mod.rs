//! Firehose's routes: the transformation and deliveries.

mod delivery;
mod limits;
mod rejects;
mod transform;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::*;

const TRANSFORM: &str = "/firehose/transform";
const DELIVERY: &str = "/firehose/delivery";
const JSON: (&str, &str) = ("content-type", "application/json");
const GZIP: (&str, &str) = ("content-encoding", "gzip");
const ID: &str = "ed4acda5-034f-9f42-bba1-f29aea6d7d8f";
const HEAD: [(&str, &str); 3] =
    [JSON, ("x-amz-firehose-protocol-version", "1.0"), ("x-amz-firehose-request-id", ID)];

/// The body of a delivery, whose records have these texts.
fn body(id: &str, texts: &[impl AsRef<[u8]>]) -> String {
    let records = texts.iter().map(|text| json!({"data": BASE64_STANDARD.encode(text)}));
    let records: Vec<_> = records.collect();
    json!({"requestId": id, "timestamp": 1_578_090_901_599_u64, "records": records}).to_string()
}

impl Service {
    fn transform(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.request("POST", TRANSFORM, headers, body)
    }

    /// Posts a delivery with the id [`ID`] in the headers.
    fn deliver(&self, more: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        let headers = [&HEAD[..], more].concat();
        self.request("POST", DELIVERY, &headers, body.as_ref())
    }

    /// Posts a delivery with an id, in the headers and in the body.
    fn deliver_as(&self, id: &str, texts: &[impl AsRef<[u8]>]) -> Answer {
        let headers = [HEAD[0], HEAD[1], ("x-amz-firehose-request-id", id)];
        self.request("POST", DELIVERY, &headers, body(id, texts).as_bytes())
    }
}

impl Answer {
    /// Status and error of the response to a delivery, whose format is checked.
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
