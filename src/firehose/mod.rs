//! The contracts of Firehose (CONTRACTS, section 6): its data transformation, and what it sends to an HTTP
//! endpoint. Bytes in, bytes out; how they come is for others to know.

pub mod delivery;
pub mod transform;

use serde::Deserialize;
use serde::de::Error;

/// A JSON object as a `T`: a struct is also read from an array, which these contracts do not have.
fn object<'a, T: Deserialize<'a>>(text: &'a [u8]) -> serde_json::Result<T> {
    match text.trim_ascii_start().first() {
        Some(b'{') => serde_json::from_slice(text),
        _ => Err(serde_json::Error::custom("it does not start with '{'")),
    }
}
