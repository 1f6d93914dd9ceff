//! Validates the fields of an event.

use std::fmt::Display;
use std::ops::RangeInclusive;

use compact_str::CompactString;
use serde_json::value::RawValue;

use crate::ingest::rejection::Rejection;
use crate::rules::MEASURE_MAX;

/// The greatest integer that every JSON reader represents exactly: 2^53 - 1.
pub(super) const INTEGER_MAX: u64 = (1 << 53) - 1;

/// A field's name, and its JSON text if it is present and not null.
#[derive(Clone, Copy)]
pub(super) struct Field<'a>(pub(super) &'static str, pub(super) Option<&'a RawValue>);

impl Field<'_> {
    /// An integer in `range`. Only digits are valid: 1.0, 1e3 and -0 are rejected.
    pub(super) fn integer<T>(self, range: RangeInclusive<T>) -> Result<T, Rejection>
    where
        T: TryFrom<u64> + PartialOrd + Display,
    {
        let value = self.1.and_then(|raw| raw.get().parse::<u64>().ok());
        let value = value.and_then(|value| T::try_from(value).ok());
        value.filter(|value| range.contains(value)).ok_or_else(|| {
            self.wrong(&format!("an integer from {} to {}", range.start(), range.end()))
        })
    }

    /// An integer in `range`, or `None` if the field is absent.
    pub(super) fn integer_if_present(
        self,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Rejection> {
        self.1.map(|_| self.integer(range)).transpose()
    }

    /// A number from 0 to 1000, as a double.
    pub(super) fn measure(self) -> Result<f64, Rejection> {
        let value = self.1.and_then(|raw| raw.get().parse::<f64>().ok());
        let value = value.filter(|value| (0.0..=MEASURE_MAX).contains(value));
        value.ok_or_else(|| self.wrong(&format!("a number from 0 to {MEASURE_MAX}")))
    }

    /// A string whose length in bytes is in `lengths`, or `None` if the field is absent.
    pub(super) fn string(
        self,
        lengths: RangeInclusive<usize>,
    ) -> Result<Option<CompactString>, Rejection> {
        self.1.map(|_| self.required_string(lengths)).transpose()
    }

    /// A string whose length in bytes is in `lengths`.
    pub(super) fn required_string(
        self,
        lengths: RangeInclusive<usize>,
    ) -> Result<CompactString, Rejection> {
        let value = self.1.and_then(|raw| string_value(raw.get()));
        value.filter(|value| lengths.contains(&value.len())).ok_or_else(|| {
            let expected = match (*lengths.start(), *lengths.end()) {
                (_, usize::MAX) => "a string".to_owned(),
                (0, most) => format!("a string of at most {most} bytes"),
                (least, most) => format!("a string of {least} to {most} bytes"),
            };
            self.wrong(&expected)
        })
    }

    /// The rejection of this field, which is missing or whose value is not `expected`.
    pub(super) fn wrong(self, expected: &str) -> Rejection {
        Rejection::of_field(self.0, self.1, expected.to_owned())
    }
}

/// The value of a JSON string. A lone surrogate becomes U+FFFD.
fn string_value(json: &str) -> Option<CompactString> {
    let value = serde_json::from_str(json).ok();
    value.or_else(|| serde_json::from_str(&without_lone_surrogates(json)).ok())
}

/// The JSON text with lone surrogate escapes replaced by the escape of U+FFFD.
fn without_lone_surrogates(json: &str) -> String {
    let surrogate = |at: usize| {
        let escape = json.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(escape, 16).ok().filter(|unit| (0xd800..0xe000).contains(unit))
    };
    let (mut out, mut at) = (String::new(), 0);
    while let Some(rest) = json.get(at..).filter(|rest| !rest.is_empty()) {
        let length = match (surrogate(at), surrogate(at + 6)) {
            (Some(..0xdc00), Some(0xdc00..)) => 12,
            (Some(_), _) => 6,
            (None, _) if rest.starts_with('\\') => 2,
            (None, _) => rest.chars().next().map_or(1, char::len_utf8),
        };
        let part = rest.get(..length).unwrap_or(rest);
        out.push_str(if length == 6 { "\\ufffd" } else { part });
        at += part.len();
    }
    out
}
