//! Cursors: the position of the last row of a page, as text that is opaque to clients.
//!
//! A cursor contains the sort key of the row, not its number. So pages continue correctly when rows are
//! added or removed in between.

use axum::http::StatusCode;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::serve::error::ApiError;
use crate::serve::excerpt::excerpt;

/// The length of the checksum before the position.
const CHECK_BYTES: usize = 8;

/// The cursor of a position in the list `list`.
pub(super) fn encode(list: &str, position: &impl Serialize) -> String {
    // Serializing plain values to memory cannot fail.
    with_checksum(list, &postcard::to_stdvec(position).unwrap_or_default())
}

/// The cursor of an encoded position in the list `list`.
pub(super) fn with_checksum(list: &str, position: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode([&check(list, position)[..], position].concat())
}

/// The position in a cursor of the list `list`; `None` without a cursor.
///
/// # Errors
/// 400 `bad_cursor` for text that no page of this list returned.
pub(super) fn decode<T: DeserializeOwned>(
    list: &str,
    cursor: Option<&str>,
) -> Result<Option<T>, ApiError> {
    let Some(cursor) = cursor else { return Ok(None) };
    let position = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| {
        let (found, position) = bytes.split_first_chunk::<CHECK_BYTES>()?;
        let is_valid = *found == check(list, position);
        is_valid.then(|| postcard::from_bytes(position).ok()).flatten()
    });
    position.map(Some).ok_or_else(|| {
        let cursor = excerpt(cursor);
        let message =
            format!("cursor is '{cursor}'; it must be the 'next' of a page of the same list");
        ApiError::new(StatusCode::BAD_REQUEST, "bad_cursor", message)
    })
}

/// A checksum that is seeded by the list, so that a cursor of another list does not match.
fn check(list: &str, position: &[u8]) -> [u8; CHECK_BYTES] {
    xxh3_64_with_seed(position, xxh3_64_with_seed(list.as_bytes(), 0)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use velodrome_dataflows::Output;

    use super::super::ranking::Position;
    use super::*;

    proptest! {
        #[test]
        fn decodes_what_it_encoded(value in any::<Option<f64>>(), racer in any::<u32>()) {
            let position = Position::new(value.map(Output), racer);
            let cursor = encode("board/1/2", &position);
            prop_assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
            prop_assert_eq!(decode("board/1/2", Some(&cursor)), Ok(Some(position)));
            prop_assert!(decode::<Position>("board/1/3", Some(&cursor)).is_err());
        }

        #[test]
        fn rejects_text_that_is_not_a_cursor(cursor in "\\PC{0,40}|[-_a-zA-Z0-9]{0,40}") {
            prop_assert!(decode::<Position>("board/1/2", Some(&cursor)).is_err());
            prop_assert!(decode::<(u64, String)>("projects", Some(&cursor)).is_err());
        }

        #[test]
        fn rejects_a_cursor_with_a_changed_character(racer in any::<u32>(), at in 0..99usize, by in "[-_a-zA-Z0-9]") {
            let mut cursor = encode("board/1/2", &Position::new(Some(Output(1.5)), racer));
            let (at, original) = (at % cursor.len(), cursor.clone());
            cursor.replace_range(at..=at, &by);
            prop_assume!(cursor != original);
            prop_assert!(decode::<Position>("board/1/2", Some(&cursor)).is_err());
        }
    }

    #[test]
    fn without_a_cursor_there_is_no_position() {
        assert_eq!(decode::<Position>("board/1/2", None), Ok(None));
    }
}
