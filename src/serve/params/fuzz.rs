//! Fuzz target of query strings.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target panics if its decoder is wrong"
)]

use serde::Deserialize;

use super::{number_within, parse_query};

/// Parameters of all types that calls take.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Params {
    class_id: Option<u16>,
    race_id: Option<u64>,
    racer_id: u32,
    #[serde(default)]
    shallow: bool,
    by: Option<By>,
    limit: Option<Limit>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum By {
    Final,
    Best,
}

#[derive(Debug)]
struct Limit(u16);

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_within(deserializer, 1..=1000).map(Self)
    }
}

/// A query is parsed to what its parameters say, or its error is short and has no message of serde.
pub(crate) fn query(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    match parse_query::<Params>(text) {
        Ok(params) => {
            let value = |name: &str| {
                let mut pairs = form_urlencoded::parse(input);
                pairs.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
            };
            assert_eq!(value("racerId").unwrap().parse(), Ok(params.racer_id));
            let number = |name| value(name).map(|text| text.parse().unwrap());
            assert_eq!(number("classId"), params.class_id.map(u64::from));
            assert_eq!(number("raceId"), params.race_id);
            assert_eq!(number("limit"), params.limit.map(|limit| u64::from(limit.0)));
            assert_eq!(value("cursor"), params.cursor);
            assert_eq!(value("shallow").is_some_and(|text| text == "true"), params.shallow);
            let by = params.by.map(|by| format!("{by:?}").to_lowercase());
            assert_eq!(value("by"), by);
        }
        Err(error) => {
            let message = error.message();
            assert!(message.chars().count() < 200, "{message}");
        }
    }
}
