//! The rows of the result files, as they are compared and shown. All numbers are doubles.

use std::fmt;

use serde::Deserialize;
use serde::de::IgnoredAny;
use velodrome_dataflows::{ClassId, RaceId, RacerId};

/// Maximum number of characters shown of a rejected line.
const SHOWN_CHARS: usize = 60;

/// One line of `results.jsonl`. Unknown fields are rejected, because they would not be compared.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub(super) struct RideRow {
    pub(super) class_id: ClassId,
    pub(super) race_id: RaceId,
    pub(super) racer_id: RacerId,
    name: Option<String>,
    r#final: Option<f64>,
    best: f64,
    total: f64,
    seconds: f64,
}

impl RideRow {
    pub(super) fn into_ride(self) -> Ride {
        let Self { name, r#final, best, total, seconds, .. } = self;
        Ride { name, r#final, best, total, seconds }
    }
}

/// The result of a ride.
#[derive(Debug, PartialEq)]
pub(super) struct Ride {
    pub(super) name: Option<String>,
    pub(super) r#final: Option<f64>,
    pub(super) best: f64,
    pub(super) total: f64,
    pub(super) seconds: f64,
}

impl fmt::Display for Ride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "name {name:?}")?,
            None => f.write_str("no name")?,
        }
        match self.r#final {
            Some(output) => write!(f, " final {output}")?,
            None => f.write_str(" no final")?,
        }
        write!(f, " best {} total {} seconds {}", self.best, self.total, self.seconds)
    }
}

/// A racer's best final output.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub(super) struct Best {
    pub(super) output: f64,
    pub(super) race_id: f64,
}

impl fmt::Display for Best {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "output {} race {}", self.output, self.race_id)
    }
}

/// The view counts of a project.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub(super) struct Count {
    views: f64,
    duration_ms: f64,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "views {} durationMs {}", self.views, self.duration_ms)
    }
}

/// One line of `rejected.jsonl`. Reasons are not compared: their wording may differ.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub(super) struct RejectedRow {
    pub(super) file: String,
    pub(super) line: u64,
    #[serde(rename = "reason")]
    _reason: IgnoredAny,
    text: Option<String>,
    text_base64: Option<String>,
    /// The length of a line of which only the start is there.
    bytes: Option<u64>,
}

impl RejectedRow {
    /// The text of the line, as it is compared and shown. It can be 4 KiB long, so the end of a long
    /// text is replaced by a digest.
    pub(super) fn shown(&self) -> String {
        let text = match (&self.text, &self.text_base64) {
            (Some(text), None) => shown("text", text),
            (None, Some(base64)) => shown("textBase64", base64),
            (None, None) => "no text".to_owned(),
            (Some(text), Some(base64)) => {
                format!("{} {}", shown("text", text), shown("textBase64", base64))
            }
        };
        match self.bytes {
            Some(bytes) => format!("{text} of {bytes} bytes"),
            None => text,
        }
    }
}

fn shown(field: &str, text: &str) -> String {
    let start: String = text.chars().take(SHOWN_CHARS).collect();
    if start.len() == text.len() {
        return format!("{field} {text:?}");
    }
    let digest = xxhash_rust::xxh3::xxh3_128(text.as_bytes());
    format!("{field} {start:?}… ({} bytes, xxh3 {digest:032x})", text.len())
}
