//! The JSON form of an event, and the valid values of each field (CONTRACTS, section 1).

use std::borrow::Cow;

use compact_str::CompactString;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;
use velodrome_dataflows::{Sample, Tracking, device_hash};
use xxhash_rust::xxh3::xxh3_128;

use crate::rules::MEASURE_MAX;

/// The greatest integer that every JSON reader represents exactly.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;
/// Maximum length of the uuid of a tracking event, in bytes.
pub const UUID_BYTES_MAX: usize = 64;
/// Maximum length of project and viewer ids, in bytes.
pub const ID_BYTES_MAX: usize = 128;
/// Maximum watched time of one heartbeat: a day.
pub const DURATION_MS_MAX: u64 = 86_400_000;

/// A valid event, and the time that moves the event clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted<E> {
    /// The event. Its clock is not known yet and is 0.
    pub event: E,
    /// The time that it carries.
    pub reading: Reading,
}

/// An event of either kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A race event.
    Race(Accepted<Sample>),
    /// A tracking event.
    Tracking(Accepted<Tracking>),
}

/// The time that an event carries for the event clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// When a log received the event. Always trusted.
    Arrival(u64),
    /// What the device says. Ignored when it is too far ahead.
    Device(u64),
}

/// Why a line is not an event.
#[derive(Debug, Error, PartialEq)]
pub enum Reject {
    /// The line is longer than any event.
    #[error("the line is longer than 1 MiB")]
    Oversized,
    /// The line is not text.
    #[error("the line is not UTF-8 from byte {0} on")]
    NotUtf8(usize),
    /// The line is nested deeper than any event.
    #[error("the line is nested deeper than {0} levels")]
    TooDeep(usize),
    /// The line is not a JSON object, or it has a field twice.
    #[error("no JSON object of an event: {0}")]
    Json(String),
    /// The field `event` is none of the four known values.
    #[error("event is {0}; it must be \"update\", \"final\", \"view\" or \"watch\"")]
    UnknownEvent(String),
    /// A required field is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field has an invalid value.
    #[error("{field} is {value}; it must be {expected}")]
    Invalid {
        /// Name of the field.
        field: &'static str,
        /// Value of the field, shortened.
        value: String,
        /// The valid values.
        expected: Cow<'static, str>,
    },
}

/// The fields that any kind of event has, each as the JSON text of the line.
///
/// An event ignores the fields that its kind does not have, whatever their values. Null means absent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Raw<'a> {
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    race_id: Option<&'a RawValue>,
    #[serde(borrow)]
    class_id: Option<&'a RawValue>,
    #[serde(borrow)]
    racer_id: Option<&'a RawValue>,
    #[serde(borrow)]
    second: Option<&'a RawValue>,
    #[serde(borrow)]
    cadence: Option<&'a RawValue>,
    #[serde(borrow)]
    resistance: Option<&'a RawValue>,
    #[serde(borrow)]
    device_timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    arrival_timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    uuid: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    project_id: Option<&'a RawValue>,
    #[serde(borrow)]
    viewer_id: Option<&'a RawValue>,
    #[serde(borrow)]
    duration_ms: Option<&'a RawValue>,
}

impl Raw<'_> {
    /// The event in this object. Samples are valid up to the second `race_seconds`.
    pub(super) fn event(&self, race_seconds: u16) -> Result<Event, Reject> {
        let shown = self.event.ok_or(Reject::Missing("event"))?.get();
        match text(self.event).as_deref() {
            Some("update") => self.race(false, race_seconds),
            Some("final") => self.race(true, race_seconds),
            Some("view") => self.tracking(true),
            Some("watch") => self.tracking(false),
            _ => Err(Reject::UnknownEvent(shortened(shown))),
        }
    }

    fn race(&self, is_final: bool, race_seconds: u16) -> Result<Event, Reject> {
        const MEASURE: &str = "a number from 0 to 1000";
        let device_ms = self.device_ms()?;
        let uuid = optional("uuid", self.uuid, "a string", |_| true)?;
        let name = optional("name", self.name, "a string", |_| true)?;
        let sample = Sample {
            clock: 0,
            race: required("raceId", self.race_id, INTEGER, integer_to(INTEGER_MAX))?,
            device_ms,
            cadence: required("cadence", self.cadence, MEASURE, measure)?,
            resistance: required("resistance", self.resistance, MEASURE, measure)?,
            name: name.map(CompactString::from),
            device_hash: uuid.map_or(0, |uuid| device_hash(uuid.as_bytes())),
            racer: required("racerId", self.racer_id, "an integer from 0 to 2^32 - 1", |raw| {
                u32::try_from(integer(raw)?).ok()
            })?,
            class: required("classId", self.class_id, "an integer from 1 to 65535", |raw| {
                u16::try_from(integer(raw)?).ok().filter(|class| *class > 0)
            })?,
            second: required(
                "second",
                self.second,
                format!("an integer from 1 to {race_seconds}"),
                |raw| u16::try_from(integer(raw)?).ok().filter(|s| (1..=race_seconds).contains(s)),
            )?,
            is_final,
        };
        Ok(Event::Race(Accepted { event: sample, reading: self.reading(device_ms)? }))
    }

    fn tracking(&self, is_view: bool) -> Result<Event, Reject> {
        let device_ms = self.device_ms()?;
        let uuid = optional("uuid", self.uuid, "a string of 1 to 64 bytes", |uuid| {
            (1..=UUID_BYTES_MAX).contains(&uuid.len())
        })?;
        let project = optional("projectId", self.project_id, "a string of 1 to 128 bytes", |id| {
            (1..=ID_BYTES_MAX).contains(&id.len())
        })?;
        optional("viewerId", self.viewer_id, "a string of at most 128 bytes", |id| {
            id.len() <= ID_BYTES_MAX
        })?;
        let duration_ms = match self.duration_ms {
            None => 0,
            duration => required("durationMs", duration, "an integer from 0 to 86400000", |raw| {
                u32::try_from(integer_to(DURATION_MS_MAX)(raw)?).ok()
            })?,
        };
        let event = Tracking {
            clock: 0,
            uuid: xxh3_128(uuid.ok_or(Reject::Missing("uuid"))?.as_bytes()),
            project: project.ok_or(Reject::Missing("projectId"))?.into(),
            duration_ms,
            is_view,
        };
        Ok(Event::Tracking(Accepted { event, reading: self.reading(device_ms)? }))
    }

    fn device_ms(&self) -> Result<u64, Reject> {
        required("deviceTimestamp", self.device_timestamp, INTEGER, integer_to(INTEGER_MAX))
    }

    fn reading(&self, device_ms: u64) -> Result<Reading, Reject> {
        match self.arrival_timestamp {
            None => Ok(Reading::Device(device_ms)),
            arrival => required("arrivalTimestamp", arrival, INTEGER, integer_to(INTEGER_MAX))
                .map(Reading::Arrival),
        }
    }
}

const INTEGER: &str = "an integer from 0 to 2^53 - 1";

/// The value of a required field, parsed by `parse`.
fn required<T>(
    field: &'static str,
    raw: Option<&RawValue>,
    expected: impl Into<Cow<'static, str>>,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, Reject> {
    let raw = raw.ok_or(Reject::Missing(field))?.get();
    parse(raw).ok_or_else(|| Reject::Invalid {
        field,
        value: shortened(raw),
        expected: expected.into(),
    })
}

/// The value of an optional string.
fn optional(
    field: &'static str,
    raw: Option<&RawValue>,
    expected: &'static str,
    fits: impl Fn(&str) -> bool,
) -> Result<Option<String>, Reject> {
    let Some(value) = raw else { return Ok(None) };
    let invalid =
        || Reject::Invalid { field, value: shortened(value.get()), expected: expected.into() };
    text(raw).filter(|text| fits(text)).map(Some).ok_or_else(invalid)
}

fn text(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

fn integer(raw: &str) -> Option<u64> {
    raw.parse().ok()
}

fn integer_to(most: u64) -> impl Fn(&str) -> Option<u64> {
    move |raw| integer(raw).filter(|value| *value <= most)
}

fn measure(raw: &str) -> Option<f64> {
    // Only JSON numbers: the parser of Rust accepts more forms.
    let is_number = raw.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let value: f64 = raw.parse().ok().filter(|_| is_number)?;
    (0.0..=MEASURE_MAX).contains(&value).then_some(value)
}

/// A value, shortened for a message.
fn shortened(raw: &str) -> String {
    match raw.char_indices().nth(40) {
        Some((end, _)) => format!("{}… ({} bytes)", raw.get(..end).unwrap_or_default(), raw.len()),
        None => raw.to_owned(),
    }
}
