//! The fields of an event as raw JSON values, and their validation.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use serde_json::value::RawValue;
use velodrome_dataflows::{Sample, Tracking, device_hash};

use super::event::{
    Accepted, DURATION_MS_MAX, Event, EventTimestamp, ID_BYTES_MAX, INTEGER_MAX, UUID_BYTES_MAX,
    kept_name, racer_device, tracking_hash, viewer_device,
};
use super::rejection::{Rejection, integer_between};
use crate::rules::MEASURE_MAX;

/// The fields of all kinds of events, as raw JSON. A null counts as absent. Fields of another kind of
/// event are ignored, whatever their value.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawFields<'a> {
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

impl RawFields<'_> {
    /// The event with these fields, in a race of `race_seconds`.
    ///
    /// If several fields are invalid, the rejection names the one that these functions check first.
    /// `batch` checks in the same order, so both reject a line for the same reason.
    pub(super) fn event(&self, race_seconds: u16) -> Result<Event, Rejection> {
        match text(self.event).as_deref() {
            Some("update") => self.race(false, race_seconds),
            Some("final") => self.race(true, race_seconds),
            Some("view") => self.tracking(true),
            Some("watch") => self.tracking(false),
            _ => {
                let expected = r#""update", "final", "view" or "watch""#;
                Err(Rejection::of_field("event", self.event, expected))
            }
        }
    }

    fn race(&self, is_final: bool, race_seconds: u16) -> Result<Event, Rejection> {
        let class = integer("classId", self.class_id, 1, u16::MAX.into())?;
        let race = integer("raceId", self.race_id, 0, INTEGER_MAX)?;
        let racer = integer("racerId", self.racer_id, 0, u32::MAX.into())?;
        let second = integer("second", self.second, 1, race_seconds.into())?;
        let cadence = measure("cadence", self.cadence)?;
        let resistance = measure("resistance", self.resistance)?;
        let name = optional_string("name", self.name, "a string", |_| true)?;
        let uuid = optional_string("uuid", self.uuid, "a string", |_| true)?;
        let (device_ms, timestamp) = self.timestamps(racer_device(racer as u32))?;
        // The casts lose nothing, because the ranges above are those of the types.
        let event = Sample {
            clock: 0,
            race,
            device_ms: timestamp.confirmed(device_ms),
            cadence,
            resistance,
            name: name.map(|name| kept_name(&name).into()),
            device_hash: uuid.map_or(0, |uuid| device_hash(uuid.as_bytes())),
            racer: racer as u32,
            class: class as u16,
            second: second as u16,
            is_final,
        };
        Ok(Event::Race(Accepted { event, timestamp }))
    }

    fn tracking(&self, is_view: bool) -> Result<Event, Rejection> {
        const UUID: &str = "a string of 1 to 64 bytes";
        const PROJECT: &str = "a string of 1 to 128 bytes";
        let viewer = "a string of at most 128 bytes";
        let viewer =
            optional_string("viewerId", self.viewer_id, viewer, |id| id.len() <= ID_BYTES_MAX)?;
        let uuid = optional_string("uuid", self.uuid, UUID, |uuid| {
            (1..=UUID_BYTES_MAX).contains(&uuid.len())
        })?;
        let uuid = uuid.ok_or_else(|| Rejection::of_field("uuid", None, UUID))?;
        let project = optional_string("projectId", self.project_id, PROJECT, |id| {
            (1..=ID_BYTES_MAX).contains(&id.len())
        })?;
        let project = project.ok_or_else(|| Rejection::of_field("projectId", None, PROJECT))?;
        let duration_ms = match self.duration_ms {
            None => 0,
            duration => integer("durationMs", duration, 0, DURATION_MS_MAX)?,
        };
        let device = viewer_device(viewer.as_deref().map(str::as_bytes));
        let (_, timestamp) = self.timestamps(device)?;
        let event = Tracking {
            clock: 0,
            uuid: tracking_hash(project.as_bytes(), uuid.as_bytes()),
            project: project.into(),
            // Fits, because it is at most a day.
            duration_ms: duration_ms as u32,
            is_view,
        };
        Ok(Event::Tracking(Accepted { event, timestamp }))
    }

    /// The device's time, and the timestamp for the event clock.
    fn timestamps(&self, device: u32) -> Result<(u64, EventTimestamp), Rejection> {
        let device_ms = integer("deviceTimestamp", self.device_timestamp, 0, INTEGER_MAX)?;
        let timestamp = match self.arrival_timestamp {
            None => EventTimestamp::Device { ms: device_ms, device },
            arrival => {
                EventTimestamp::Arrival(integer("arrivalTimestamp", arrival, 0, INTEGER_MAX)?)
            }
        };
        Ok((device_ms, timestamp))
    }
}

/// A required field, as `parse` returns it. `None` from `parse` rejects the value.
fn required<T>(
    field: &'static str,
    raw: Option<&RawValue>,
    expected: impl FnOnce() -> Cow<'static, str>,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, Rejection> {
    let value = raw.and_then(|raw| parse(raw.get()));
    value.ok_or_else(|| Rejection::of_field(field, raw, expected()))
}

/// A required integer from `min` to `max`. Only digits are valid: 1.0, 1e3 and -0 are rejected.
fn integer(
    field: &'static str,
    raw: Option<&RawValue>,
    min: u64,
    max: u64,
) -> Result<u64, Rejection> {
    let parse = |raw: &str| raw.parse().ok().filter(|value| (min..=max).contains(value));
    required(field, raw, || integer_between(min, max).into(), parse)
}

/// A required number from 0 to [`MEASURE_MAX`].
fn measure(field: &'static str, raw: Option<&RawValue>) -> Result<f64, Rejection> {
    let parse = |raw: &str| {
        // Rust would also parse "inf" and other forms that are not JSON numbers.
        let is_number = raw.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        let value: f64 = raw.parse().ok().filter(|_| is_number)?;
        (0.0..=MEASURE_MAX).contains(&value).then_some(value)
    };
    required(field, raw, || format!("a number from 0 to {MEASURE_MAX}").into(), parse)
}

/// A string, or `None` if the field is absent. A string is rejected unless `accepts` returns true.
fn optional_string(
    field: &'static str,
    raw: Option<&RawValue>,
    expected: &'static str,
    accepts: impl Fn(&str) -> bool,
) -> Result<Option<String>, Rejection> {
    let Some(_) = raw else { return Ok(None) };
    let string = text(raw).filter(|text| accepts(text));
    string.map(Some).ok_or_else(|| Rejection::of_field(field, raw, expected))
}

/// The value of a JSON string; `None` for any other value. Half of a surrogate pair becomes U+FFFD.
fn text(raw: Option<&RawValue>) -> Option<String> {
    let raw = raw?.get();
    serde_json::from_str(raw).ok().or_else(|| {
        // As bytes, the library returns such a half as it would be encoded (WTF-8): ED, A0 to BF, any.
        let mut bytes = serde_json::from_str::<Bytes>(raw).ok()?.0;
        let halves = memchr::memchr_iter(0xed, &bytes.clone()).collect::<Vec<_>>();
        for at in halves {
            if let Some(half @ [_, 0xa0..=0xbf, _]) = bytes.get_mut(at..at + 3) {
                half.copy_from_slice("\u{fffd}".as_bytes());
            }
        }
        String::from_utf8(bytes).ok()
    })
}

/// The bytes of a JSON string.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesVisitor;
        impl Visitor<'_> for BytesVisitor {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_owned()))
            }
        }
        deserializer.deserialize_bytes(BytesVisitor)
    }
}
