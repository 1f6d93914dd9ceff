//! A checksum as the last field of a JSON object, for small files whose loss would go unnoticed.

use std::borrow::Cow;

use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

/// The start of the field; 16 hexadecimal digits, a quote and a brace follow.
const FIELD: &str = "\"checksum\":\"";
const DIGITS: usize = 16;

/// A text that differs from its checksum.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("it differs from its checksum")]
pub struct ChecksumError;

/// The JSON object `object` with the XXH3 hash of its text as the last field, `checksum`.
pub fn add(object: &str) -> String {
    let fields = object.trim_end().strip_suffix('}').unwrap_or(object).trim_end();
    let comma = if fields.ends_with('{') { "" } else { "," };
    format!("{fields}{comma}{FIELD}{:016x}\"}}", xxh3_64(format!("{fields}}}").as_bytes()))
}

/// Removes the checksum from the JSON object `text`. A text without a checksum is returned as it is,
/// because people write such files too.
///
/// # Errors
/// When the text differs from its checksum.
pub fn remove(text: &str) -> Result<Cow<'_, str>, ChecksumError> {
    let split = || {
        let rest = text.trim_end().strip_suffix("\"}")?;
        let (fields, digits) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
        Some((fields.strip_suffix(FIELD)?, digits))
    };
    let Some((fields, digits)) = split() else { return Ok(Cow::Borrowed(text)) };
    let object = format!("{}}}", fields.strip_suffix(',').unwrap_or(fields));
    match u64::from_str_radix(digits, 16) {
        Ok(checksum) if checksum == xxh3_64(object.as_bytes()) => Ok(Cow::Owned(object)),
        _ => Err(ChecksumError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_last_field() {
        for object in ["{}", r#"{"racers":[1,2]}"#] {
            let text = add(object);
            assert_eq!(
                text.len(),
                object.len() + FIELD.len() + DIGITS + 1 + usize::from(object != "{}")
            );
            assert!(
                serde_json::from_str::<serde_json::Value>(&text).unwrap()["checksum"].is_string()
            );
            assert_eq!(remove(&text).unwrap(), object);
            assert_eq!(remove(&format!("{text}\n")).unwrap(), object);
            assert_eq!(remove(object).unwrap(), object);
        }
    }

    #[test]
    fn no_changed_bit_gives_another_object() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Racers {
            racers: Vec<u32>,
        }
        let text = add(r#"{"racers":[1,20]}"#);
        for (index, bit) in (0..text.len()).flat_map(|index| (0..8).map(move |bit| (index, bit))) {
            let mut bytes = text.clone().into_bytes();
            bytes[index] ^= 1 << bit;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            let read = remove(&changed).ok().and_then(|text| serde_json::from_str(&text).ok());
            let is_same = read.as_ref() == Some(&Racers { racers: vec![1, 20] });
            assert!(read.is_none() || is_same, "{changed}");
        }
    }
}
