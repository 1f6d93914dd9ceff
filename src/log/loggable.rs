//! The text of an event as the log takes it.

use std::borrow::Cow;
use std::fmt;

use memchr::{memchr, memmem};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::lines::ARRIVAL_BYTES;
use crate::ingest::event::Reject;
use crate::ingest::lines::LINE_BYTES_MAX;

/// The field that the log writes, and who sends events may not.
const ARRIVAL: &str = "arrivalTimestamp";

/// The text of an event as the log takes it: without the arrival that whoever sent it made up, and short
/// enough that the line is read again with the arrival that the log adds.
///
/// # Errors
/// A line that is no JSON object, or too long.
pub fn loggable(line: &[u8]) -> Result<Cow<'_, [u8]>, Reject> {
    // A name of a field may be written with escapes, and the arrival may be null: what the decoder
    // says of it is not enough.
    let may_name_it =
        memchr(b'\\', line).is_some() || memmem::find(line, ARRIVAL.as_bytes()).is_some();
    let text = match may_name_it {
        true => Cow::Owned(without_arrival(line).map_err(|e| Reject::Json(e.to_string()))?),
        false => Cow::Borrowed(line),
    };
    match text.trim_ascii().len() + ARRIVAL_BYTES <= LINE_BYTES_MAX {
        true => Ok(text),
        false => Err(Reject::Oversized),
    }
}

/// The object in `line` without its arrivals, all else as it is written, in order.
fn without_arrival(line: &[u8]) -> serde_json::Result<Vec<u8>> {
    let Fields(fields) =
        serde_json::Deserializer::from_slice(line).deserialize_map(Fields(vec![]))?;
    let mut text = Vec::with_capacity(line.len());
    for (name, value) in fields {
        text.push(if text.is_empty() { b'{' } else { b',' });
        text.extend_from_slice(name.get().as_bytes());
        text.push(b':');
        text.extend_from_slice(value.get().as_bytes());
    }
    text.push(b'}');
    Ok(text)
}

/// The fields of an object but for its arrivals, with names and values as they are written.
struct Fields<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Visitor<'de> for Fields<'de> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Self, A::Error> {
        while let Some((name, value)) = fields.next_entry::<&RawValue, &RawValue>()? {
            let decoded: String = serde_json::from_str(name.get()).map_err(A::Error::custom)?;
            if decoded != ARRIVAL {
                self.0.push((name, value));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(more: &str) -> String {
        format!(r#"{{"event":"view","uuid":"u","projectId":"p","deviceTimestamp":1{more}}}"#)
    }

    fn logged(line: &str) -> String {
        String::from_utf8(loggable(line.as_bytes()).unwrap().into_owned()).unwrap()
    }

    #[test]
    fn an_arrival_that_a_client_sends_is_removed_and_all_else_stays_as_it_is() {
        for more in [
            r#","arrivalTimestamp":5"#,
            r#","arrivalTimestamp" : null"#,
            r#","arrivalT\u0069mestamp":5"#,
        ] {
            assert_eq!(logged(&view(more)), view(""), "{more}");
        }
        let kept = r#","x":1.50E+1,"\u0079":"a\u00e9\/","z":[ {"arrivalTimestamp":1} ]"#;
        assert_eq!(logged(&view(&format!(r#"{kept},"arrivalTimestamp":9"#))), view(kept));
        assert_eq!(logged(r#" {"arrivalTimestamp":1, "x" : 1e400 } "#), r#"{"x":1e400}"#);
        // What does not name it is not touched at all.
        let spaced = view(r#" , "x" : 1"#);
        assert_eq!(logged(&spaced), spaced);
    }
}
