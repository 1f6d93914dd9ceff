//! Decodes a line: a fast path for the usual form, and the JSON library for all other forms.

use std::str;

use super::event::Event;
use super::fast;
use super::lines::LINE_BYTES_MAX;
use super::objects::DEPTH_MAX;
use super::raw_fields::RawFields;
use super::rejection::Rejection;

/// Decodes one line of UTF-8 JSON. A sample's second may be at most `race_seconds`.
///
/// # Errors
/// If the line is not an event. The error says why.
pub fn decode(line: &[u8], race_seconds: u16) -> Result<Event, Rejection> {
    match decode_first(line, race_seconds) {
        Some((event, [])) if line.len() <= LINE_BYTES_MAX => Ok(event),
        _ => decode_any(line, race_seconds),
    }
}

/// Decodes the event at the start of `bytes` if it has the usual form, and returns it with the bytes
/// after it. `None` says nothing about its validity.
#[inline]
pub(crate) fn decode_first(bytes: &[u8], race_seconds: u16) -> Option<(Event, &[u8])> {
    fast::decode_first(bytes, race_seconds)
}

/// Decodes one line with the JSON library only. [`decode`] must always return the same.
///
/// # Errors
/// If the line is not an event. The error says why.
pub fn decode_any(line: &[u8], race_seconds: u16) -> Result<Event, Rejection> {
    if line.len() > LINE_BYTES_MAX {
        return Err(Rejection::Oversized);
    }
    let text = str::from_utf8(line).map_err(|e| Rejection::NotUtf8(e.valid_up_to()))?;
    if deeper_than(text, DEPTH_MAX) {
        return Err(Rejection::TooDeep(DEPTH_MAX));
    }
    // serde would also read the fields from an array.
    if !text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
        return Err(Rejection::NotObject);
    }
    let fields: RawFields<'_> = serde_json::from_str(text)?;
    fields.event(race_seconds)
}

/// Whether arrays and objects nest deeper than `most`.
///
/// The library itself does not limit the depth of fields that it ignores.
fn deeper_than(text: &str, most: usize) -> bool {
    let opening = memchr::memchr2_iter(b'{', b'[', text.as_bytes());
    if opening.take(most + 1).count() <= most {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > most {
            return true;
        }
    }
    false
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Fields of events: valid and nearly valid values, in usual and unusual forms.
    fn field() -> impl Strategy<Value = String> {
        let number = prop_oneof![
            6 => (0..1100u32, "[0-9]{0,18}").prop_map(|(integer, decimals)| match decimals.len() {
                0 => integer.to_string(),
                _ => format!("{integer}.{decimals}"),
            }),
            1 => "-?[0-9]{1,20}(\\.[0-9]{0,20})?([eE][+-]?[0-9]{1,3})?",
            1 => any::<u64>().prop_map(|integer| integer.to_string()),
        ];
        let text = prop_oneof![4 => "[a-zA-Z0-9 -]{0,40}", 1 => "[ -~]{0,12}", 1 => ".{0,70}"];
        let name = prop::sample::select(vec![
            "raceId",
            "classId",
            "racerId",
            "second",
            "cadence",
            "resistance",
            "deviceTimestamp",
            "arrivalTimestamp",
            "durationMs",
            "output",
            "uuid",
            "name",
            "projectId",
            "viewerId",
            "event",
            "other",
            "",
        ]);
        let value = prop_oneof![
            number,
            text.prop_map(|text| format!("\"{text}\"")),
            prop::sample::select(vec!["null", "true", "[]", "{}", "\"update\""])
                .prop_map(Into::into),
        ];
        (name, value).prop_map(|(name, value)| format!("\"{name}\":{value}"))
    }

    /// A valid event with some fields replaced or added and some bytes changed.
    pub(crate) fn line() -> impl Strategy<Value = Vec<u8>> {
        let race = r#""event":"update","deviceTimestamp":1620240001114,"second":1,"raceId":54,"name":"Vito","racerId":103,"classId":1,"cadence":78.00666666666666,"resistance":57.266666666666666"#;
        let view = r#""event":"watch","uuid":"4782a712-19f8","projectId":"p","viewerId":"v","durationMs":10,"deviceTimestamp":1620240001114"#;
        let base = prop::sample::select(vec![race, view]);
        let changes = prop::collection::vec((any::<prop::sample::Index>(), field()), 0..4);
        let bytes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2);
        (base, changes, any::<bool>(), bytes).prop_map(|(base, changes, add, bytes)| {
            let mut fields: Vec<String> = base.split(',').map(str::to_owned).collect();
            for (at, field) in changes {
                let at = at.index(fields.len());
                let same_name = fields[at].split(':').next() == field.split(':').next();
                if add && !same_name { fields.insert(at, field) } else { fields[at] = field }
            }
            let mut line = format!("{{{}}}", fields.join(",")).into_bytes();
            for (at, byte) in bytes {
                let at = at.index(line.len());
                line[at] = byte;
            }
            line
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

        #[test]
        fn the_fast_path_never_differs_from_the_library(line in line()) {
            if let Some((event, [])) = fast::decode_first(&line, 300) {
                prop_assert_eq!(Ok(event), decode_any(&line, 300));
            }
        }
    }

    #[test]
    fn the_fast_path_accepts_the_forms_that_devices_and_logs_send() {
        for line in [
            r#"{"event":"update","deviceTimestamp":1620240001114,"second":1,"raceId":5400800,"name":"Vito","racerId":103,"classId":1,"cadence":78.00666666666666,"resistance":78}"#,
            r#"{"event":"final","second":300,"raceId":0,"racerId":0,"classId":1,"cadence":0,"resistance":57.266666666666666,"uuid":"u","output":161.5,"deviceTimestamp":0,"arrivalTimestamp":7}"#,
            r#"{"event":"view","uuid":"u","projectId":"p","viewerId":"v","deviceTimestamp":1}"#,
            r#"{"event":"watch","uuid":"u","projectId":"p","durationMs":86400000,"deviceTimestamp":1}"#,
        ] {
            let Some((event, rest)) = fast::decode_first(line.as_bytes(), 300) else {
                panic!("{line}");
            };
            assert_eq!((Ok(event), rest), (decode_any(line.as_bytes(), 300), &b""[..]));
            let followed = [line, "\n{"].concat();
            let (_, rest) = fast::decode_first(followed.as_bytes(), 300).unwrap();
            assert_eq!(rest, b"\n{");
        }
    }

    #[test]
    fn rejects_deep_nesting_but_accepts_brackets_in_strings() {
        let line = |x: &str| {
            format!(r#"{{"event":"view","uuid":"u","projectId":"p","deviceTimestamp":1,"x":{x}}}"#)
        };
        let nested = |depth: usize| line(&("[".repeat(depth) + &"]".repeat(depth)));
        assert!(decode(nested(DEPTH_MAX - 1).as_bytes(), 300).is_ok());
        let rejected = decode(nested(300).as_bytes(), 300);
        assert_eq!(rejected, Err(Rejection::TooDeep(DEPTH_MAX)));
        let text = line(&format!(r#""\\\"{}""#, "[".repeat(300)));
        assert!(decode(text.as_bytes(), 300).is_ok(), "{text}");
    }
}
