//! Removes a field from a JSON object, without changing the text of the other fields.

use std::borrow::Cow;
use std::fmt;

use memchr::{memchr, memmem};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The object in `line` without the fields called `name`. All other fields keep their text and order.
///
/// Returns the line itself, without parsing it, if no field in it can have that name.
///
/// # Errors
/// If the line had to be parsed and is not a JSON object.
pub(crate) fn without_field<'a>(line: &'a [u8], name: &str) -> serde_json::Result<Cow<'a, [u8]>> {
    // A name may contain escapes, so a line with a backslash has to be parsed.
    if memchr(b'\\', line).is_none() && memmem::find(line, name.as_bytes()).is_none() {
        return Ok(Cow::Borrowed(line));
    }
    let Fields(fields) =
        serde_json::Deserializer::from_slice(line).deserialize_map(Fields(vec![]))?;
    let mut text = Vec::with_capacity(line.len());
    text.push(b'{');
    for (written, value) in fields {
        let decoded: String = serde_json::from_str(written.get())?;
        if decoded != name {
            if text.len() > 1 {
                text.push(b',');
            }
            text.extend_from_slice(written.get().as_bytes());
            text.push(b':');
            text.extend_from_slice(value.get().as_bytes());
        }
    }
    text.push(b'}');
    Ok(Cow::Owned(text))
}

/// The fields of an object: names and values in their original text.
struct Fields<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Visitor<'de> for Fields<'de> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Self, A::Error> {
        while let Some(field) = fields.next_entry()? {
            self.0.push(field);
        }
        Ok(self)
    }
}
