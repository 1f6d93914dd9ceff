//! Decodes one line to an event, or returns why it is not one.

use serde::Deserialize;
use serde_json::value::RawValue;
use velodrome_dataflows::name_time;

use super::event::{Content, Line, Sample, Sender, Time, View};
use super::fields::{Field, INTEGER_MAX};
use crate::ingest::event::kept_name;
use crate::ingest::rejection::Rejection;

/// Maximum nesting of objects and arrays, including those in ignored fields.
pub(super) const NESTING_MAX: usize = 128;
/// Maximum watched time in one heartbeat, in milliseconds: one day.
const DURATION_MS_MAX: u64 = 86_400_000;

/// The fields of all kinds of events, each as its JSON text. Null means absent.
///
/// They are validated after the complete line was read, because the valid values of a field depend on
/// the kind, which may be the last field.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Fields<'a> {
    event: Option<&'a RawValue>,
    device_timestamp: Option<&'a RawValue>,
    arrival_timestamp: Option<&'a RawValue>,
    uuid: Option<&'a RawValue>,
    race_id: Option<&'a RawValue>,
    class_id: Option<&'a RawValue>,
    racer_id: Option<&'a RawValue>,
    second: Option<&'a RawValue>,
    cadence: Option<&'a RawValue>,
    resistance: Option<&'a RawValue>,
    name: Option<&'a RawValue>,
    project_id: Option<&'a RawValue>,
    viewer_id: Option<&'a RawValue>,
    duration_ms: Option<&'a RawValue>,
}

/// Decodes a line. A sample's second may be at most `race_seconds`.
///
/// # Errors
/// If the line is not an event. The error says why.
pub(super) fn decode(line: &[u8], race_seconds: u16) -> Result<Line, Rejection> {
    let text = std::str::from_utf8(line);
    let text = text.map_err(|error| Rejection::NotUtf8(error.valid_up_to()))?;
    if is_too_deep(line) {
        return Err(Rejection::TooDeep(NESTING_MAX));
    }
    // Serde would also accept an array of the fields in order.
    if !text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
        return Err(Rejection::NotObject);
    }
    let fields: Fields<'_> = serde_json::from_str(text)?;
    let event = Field("event", fields.event);
    let (sender, mut content) = match event.string(0..=usize::MAX).ok().flatten().as_deref() {
        Some("update") => race(&fields, race_seconds, false)?,
        Some("final") => race(&fields, race_seconds, true)?,
        Some("view") => tracking(&fields, true)?,
        Some("watch") => tracking(&fields, false)?,
        _ => return Err(event.wrong(r#""update", "final", "view" or "watch""#)),
    };
    let device_ms = device_ms(&fields)?;
    let arrival = Field("arrivalTimestamp", fields.arrival_timestamp);
    let arrival_ms = arrival.integer_if_present(0..=INTEGER_MAX)?;
    if let (Content::Race(sample), Some(arrival_ms)) = (&mut content, arrival_ms) {
        sample.device_ms = name_time(sample.device_ms, arrival_ms);
    }
    let time = arrival_ms.map_or_else(|| Time::Device(device_ms, sender), Time::Arrival);
    Ok(Line { time: Some(time), content })
}

fn device_ms(fields: &Fields<'_>) -> Result<u64, Rejection> {
    Field("deviceTimestamp", fields.device_timestamp).integer(0..=INTEGER_MAX)
}

fn race(
    fields: &Fields<'_>,
    race_seconds: u16,
    is_final: bool,
) -> Result<(Sender, Content), Rejection> {
    let sample = Sample {
        class: Field("classId", fields.class_id).integer(1..=u16::MAX)?,
        race: Field("raceId", fields.race_id).integer(0..=INTEGER_MAX)?,
        racer: Field("racerId", fields.racer_id).integer(0..=u32::MAX)?,
        second: Field("second", fields.second).integer(1..=race_seconds)?,
        cadence: Field("cadence", fields.cadence).measure()?,
        resistance: Field("resistance", fields.resistance).measure()?,
        name: Field("name", fields.name)
            .string(0..=usize::MAX)?
            .map(|name| kept_name(&name).into()),
        device: Field("uuid", fields.uuid).string(0..=usize::MAX)?,
        device_ms: device_ms(fields)?,
        is_final,
    };
    Ok((Sender::Racer(sample.racer), Content::Race(sample)))
}

fn tracking(fields: &Fields<'_>, is_view: bool) -> Result<(Sender, Content), Rejection> {
    let viewer = Field("viewerId", fields.viewer_id).string(0..=128)?;
    let duration = Field("durationMs", fields.duration_ms);
    let view = View {
        uuid: Field("uuid", fields.uuid).required_string(1..=64)?,
        project: Field("projectId", fields.project_id).required_string(1..=128)?,
        duration_ms: duration.integer_if_present(0..=DURATION_MS_MAX)?.unwrap_or(0),
        is_view,
    };
    Ok((Sender::Viewer(viewer.filter(|viewer| !viewer.is_empty())), Content::Tracking(view)))
}

fn is_too_deep(line: &[u8]) -> bool {
    let (mut depth, mut is_string, mut is_escaped) = (0_usize, false, false);
    for byte in line {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            _ if is_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > NESTING_MAX {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ingest::decode::{decode_any, tests::line};

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

        #[test]
        fn rejects_a_line_for_the_same_reason_as_the_replay(line in line()) {
            let (batch, replay) = (decode(&line, 300), decode_any(&line, 300));
            prop_assert_eq!(batch.err(), replay.err());
        }
    }

    fn decoded(line: &str) -> Line {
        decode(line.as_bytes(), 300).unwrap_or_else(|rejection| panic!("{line}: {rejection}"))
    }

    #[test]
    fn accepts_a_race_event_with_zeros_nulls_and_fields_of_other_kinds() {
        let event = decoded(
            r#" {"event":"final","raceId":9007199254740991,"classId":65535,"racerId":0,"second":300,
            "cadence":-0.0,"resistance":1e3,"deviceTimestamp":0,"uuid":null,"name":"J\u00fcrg",
            "arrivalTimestamp":null,"projectId":[7],"durationMs":1e999,"output":{"x":[]}}"#
                .replace('\n', " ")
                .as_str(),
        );
        let sample = Sample {
            class: 65535,
            race: 9007199254740991,
            racer: 0,
            second: 300,
            cadence: 0.0,
            resistance: 1000.0,
            name: Some("Jürg".into()),
            device: None,
            device_ms: 0,
            is_final: true,
        };
        let time = Some(Time::Device(0, Sender::Racer(0)));
        assert_eq!(event, Line { time, content: Content::Race(sample) });
    }

    #[test]
    fn accepts_a_tracking_event_without_duration() {
        let event = decoded(
            r#"{"uuid":"u","projectId":"p","deviceTimestamp":5,"arrivalTimestamp":6,"second":"x","event":"watch"}"#,
        );
        let view = View { uuid: "u".into(), project: "p".into(), duration_ms: 0, is_view: false };
        let expected = Line { time: Some(Time::Arrival(6)), content: Content::Tracking(view) };
        assert_eq!(event, expected);
    }

    #[test]
    fn counts_nesting_only_outside_strings() {
        let line = |depth: usize| {
            let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
            format!(
                r#"{{"x":{open}{close},"s":"\"[[[","event":"view","uuid":"u","projectId":"p","deviceTimestamp":5}}"#
            )
        };
        decoded(&line(128));
        decoded(&line(2).replace("[[[", &"[{".repeat(200)));
        assert!(matches!(decode(line(129).as_bytes(), 300), Err(Rejection::TooDeep(128))));
    }

    #[test]
    fn reports_the_value_of_a_field_and_the_valid_values() {
        let line = r#"{"event":"update","deviceTimestamp":1,"raceId":1,"classId":1,"racerId":1,"second":61,"cadence":1,"resistance":1}"#;
        let message = decode(line.as_bytes(), 60).unwrap_err().to_string();
        assert_eq!(message, "second is 61; it must be an integer from 1 to 60");
        let message = decode(br#"{"event":"update"}"#, 60).unwrap_err().to_string();
        assert_eq!(message, "classId is missing; it must be an integer from 1 to 65535");
    }
}
