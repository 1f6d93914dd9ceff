//! Cursors: where a page ends, as text that is opaque to clients.
//!
//! A cursor holds the position of the last row, not its number, so that paging goes on rightly
//! though rows change between pages.

use axum::http::StatusCode;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::serve::error::ApiError;
use crate::serve::query::{VALUE_CHARS_MAX, shortened};

/// Bytes of the check before the position.
const CHECK_BYTES: usize = 8;

/// The cursor of a position in the list of that name.
pub(super) fn encode(list: &str, position: &impl Serialize) -> String {
    // Writing plain values to memory does not fail.
    let position = postcard::to_stdvec(position).unwrap_or_default();
    let mut bytes = check(list, &position).to_vec();
    bytes.extend(position);
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The position that a cursor of the list of that name holds, if a cursor is given.
///
/// # Errors
/// 400 `bad_cursor`: a text that no page of this list gave.
pub(super) fn decode<T: DeserializeOwned>(
    list: &str,
    cursor: Option<&str>,
) -> Result<Option<T>, ApiError> {
    let Some(cursor) = cursor else { return Ok(None) };
    let position = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| {
        let (found, position) = bytes.split_first_chunk::<CHECK_BYTES>()?;
        let is_ours = *found == check(list, position);
        is_ours.then(|| postcard::from_bytes(position).ok()).flatten()
    });
    position.map(Some).ok_or_else(|| {
        let cursor = shortened(cursor, VALUE_CHARS_MAX);
        let message = format!(
            "cursor is '{cursor}'; it must be the next of a page of the same list, or be left out"
        );
        ApiError::new(StatusCode::BAD_REQUEST, "bad_cursor", message)
    })
}

/// Tells cursors of this list from those of others, and from what is none.
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
        fn a_position_comes_back_as_it_was(value in any::<Option<f64>>(), racer in any::<u32>()) {
            let position = Position::new(value.map(Output), racer);
            let cursor = encode("board/1/2", &position);
            prop_assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
            prop_assert_eq!(decode("board/1/2", Some(&cursor)), Ok(Some(position)));
            prop_assert!(decode::<Position>("board/1/3", Some(&cursor)).is_err());
        }

        #[test]
        fn what_no_page_gave_is_refused(cursor in "\\PC{0,40}|[-_a-zA-Z0-9]{0,40}") {
            prop_assert!(decode::<Position>("board/1/2", Some(&cursor)).is_err());
            prop_assert!(decode::<(u64, String)>("projects", Some(&cursor)).is_err());
        }

        #[test]
        fn a_mangled_cursor_is_refused(racer in any::<u32>(), at in 0..99usize, by in "[-_a-zA-Z0-9]") {
            let mut cursor = encode("board/1/2", &Position::new(Some(Output(1.5)), racer));
            let (at, whole) = (at % cursor.len(), cursor.clone());
            cursor.replace_range(at..=at, &by);
            prop_assume!(cursor != whole);
            prop_assert!(decode::<Position>("board/1/2", Some(&cursor)).is_err());
        }
    }

    #[test]
    fn no_cursor_is_no_position() {
        assert_eq!(decode::<Position>("board/1/2", None), Ok(None));
    }
}
