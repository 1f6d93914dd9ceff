//! Why a line is not an event.

use std::borrow::Cow;

use serde_json::value::RawValue;
use thiserror::Error;

use super::event::INTEGER_MAX;

/// Characters of an invalid value that a message quotes.
const QUOTED_CHARS: usize = 40;

/// Why a line is not an event. Clients receive these messages, and dead letters contain them.
#[derive(Debug, Error, PartialEq)]
pub enum Rejection {
    /// The line is longer than the limit.
    #[error("longer than 1 MiB, the limit for one event")]
    Oversized,
    /// The line is not UTF-8. The value is the number of valid bytes before the first invalid one.
    #[error("not valid UTF-8 after the first {0} bytes")]
    NotUtf8(usize),
    /// Arrays and objects nest deeper than this limit.
    #[error("nested deeper than {0} levels")]
    TooDeep(usize),
    /// The line does not start with an object.
    #[error("not a JSON object")]
    NotObject,
    /// The JSON object is malformed, or repeats a field.
    #[error("not a valid JSON object: {0}")]
    Json(String),
    /// A required field is absent or null.
    #[error("{field} is missing; it must be {expected}")]
    Missing {
        /// Its name.
        field: &'static str,
        /// The accepted values, in words.
        expected: Cow<'static, str>,
    },
    /// A field has a value that is not accepted.
    #[error("{field} is {value}; it must be {expected}")]
    Invalid {
        /// Its name.
        field: &'static str,
        /// Its value as JSON, shortened.
        value: String,
        /// The accepted values, in words.
        expected: Cow<'static, str>,
    },
    /// The event would open a ride beyond the bound, which is the value.
    #[error(
        "its ride cannot start because the maximum of {0} open rides is reached; raise --open-rides, or send \
         it again later"
    )]
    TooManyRides(usize),
}

impl Rejection {
    /// The rejection of a required field: [`Missing`](Self::Missing) without a `value`, else
    /// [`Invalid`](Self::Invalid). `expected` completes "it must be".
    pub(crate) fn of_field(
        field: &'static str,
        value: Option<&RawValue>,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        let expected = expected.into();
        match value {
            Some(value) => Self::Invalid { field, value: excerpt(value.get()), expected },
            None => Self::Missing { field, expected },
        }
    }
}

impl From<serde_json::Error> for Rejection {
    /// Removes "line 1" from the position, because a reader would mistake it for the line of the file.
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        let column = error.column();
        Self::Json(match text.strip_suffix(&format!(" at line 1 column {column}")) {
            Some(what) => format!("{what} at column {column}"),
            None => text,
        })
    }
}

/// Describes an integer from `min` to `max`.
pub(crate) fn integer_between(min: u64, max: u64) -> String {
    debug_assert!(max <= INTEGER_MAX, "no field is greater");
    format!("an integer from {min} to {max}")
}

/// The value, or its start and its length if it is long.
fn excerpt(value: &str) -> String {
    match value.char_indices().nth(QUOTED_CHARS) {
        Some((end, _)) => {
            format!("{}… ({} bytes)", value.get(..end).unwrap_or_default(), value.len())
        }
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_error_has_its_column_and_its_line_only_after_the_first() {
        let error = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap_err();
        let message = |text: &str| Rejection::from(error(text)).to_string();
        assert_eq!(message("{1}"), "not a valid JSON object: key must be a string at column 2");
        assert!(message("{\n1}").ends_with("key must be a string at line 2 column 1"));
    }

    #[test]
    fn a_long_value_is_quoted_by_its_start_and_length() {
        let raw = |text: &str| serde_json::from_str::<Box<RawValue>>(text).unwrap();
        let long = raw(&format!("\"{}\"", "ä".repeat(40)));
        let message = Rejection::of_field("uuid", Some(&long), "short").to_string();
        let expected = format!("uuid is \"{}… (82 bytes); it must be short", "ä".repeat(39));
        assert_eq!(message, expected);
        let message = Rejection::of_field("uuid", Some(&raw("5")), "a string").to_string();
        assert_eq!(message, "uuid is 5; it must be a string");
    }
}
