//! Removes a field from a JSON object, without changing the text of the other fields.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use memchr::{memchr, memmem};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The object in `line` without the fields called `name` and the commas before them, or after them if no
/// field is left before them. All other bytes stay.
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
    // The texts of the fields are parts of the line.
    let offset = |part: &RawValue| part.get().as_ptr().addr() - line.as_ptr().addr();
    let part = |bytes: Range<usize>| line.get(bytes).unwrap_or_default();
    let (mut text, mut end, mut kept) = (Vec::with_capacity(line.len()), 0, 0);
    for (index, (written, value)) in fields.into_iter().enumerate() {
        let before = part(end..offset(written));
        end = offset(value) + value.get().len();
        let is_kept = serde_json::from_str::<String>(written.get())? != name;
        if index == 0 || is_kept && kept > 0 {
            text.extend_from_slice(before);
        }
        if is_kept {
            kept += 1;
            text.extend_from_slice(part(offset(written)..end));
        }
    }
    text.extend_from_slice(part(end..line.len()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_fields_and_keeps_all_other_bytes() {
        for (line, expected) in [
            (r#" { "a" : 1 , "b":[ {"x":1} ] } "#, r#" { "a" : 1 , "b":[ {"x":1} ] } "#),
            (
                r#"{ "x" : 1 , "a" : 1.50E+1,"\u0078":{ }, "b":"\/"}"#,
                r#"{ "a" : 1.50E+1, "b":"\/"}"#,
            ),
            ("{\"a\":1,\r\n\"x\":2\t,\n\"b\" :3\n}\n", "{\"a\":1\t,\n\"b\" :3\n}\n"),
            (r#"{"a":1 , "x":2 }"#, r#"{"a":1 }"#),
            (r#"{ "x":1, "x":2 }"#, "{  }"),
            (r#"{ "\\":1 }"#, r#"{ "\\":1 }"#),
            ("{ }x", "{ }x"),
        ] {
            let text = without_field(line.as_bytes(), "x").unwrap();
            assert_eq!(str::from_utf8(&text).unwrap(), expected, "{line}");
        }
        assert!(without_field(b"[\"x\"]", "x").is_err());
    }
}
