//! Splits the body of a delivery into records while it is received. A body has up to 64 MiB, of which
//! only one record is in memory at a time.

use memchr::memchr2;

use super::delivery::{
    DeliveryError, DeliveryRecord, DeliveryRequest, RECORD_BYTES_MAX, RECORDS_MAX, REST_BYTES_MAX,
};
use super::json::from_object;

/// The nesting depth of records: in an array in an object.
const RECORD_DEPTH: usize = 2;

/// Splits a body into its records.
#[derive(Debug, Default)]
pub struct Splitter {
    /// The number of objects and arrays that enclose the next byte.
    depth: usize,
    state: StringState,
    /// Whether the enclosing value at [`RECORD_DEPTH`] is an array.
    is_array: bool,
    /// The received part of the current record.
    record: Vec<u8>,
    /// The body with each record replaced by its index.
    rest: Vec<u8>,
    records: usize,
}

/// Whether the next byte is in a JSON string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum StringState {
    #[default]
    Outside,
    Inside,
    /// After a backslash.
    Escaped,
}

impl Splitter {
    /// Consumes the next bytes, and calls `handle` with the index and contents of each record that they
    /// complete. Only [`Splitter::finish`] shows whether the body is valid.
    ///
    /// # Errors
    /// `handle` failed, a record is invalid, or a part of the body is too large.
    pub fn push<E: From<DeliveryError>>(
        &mut self,
        mut bytes: &[u8],
        mut handle: impl FnMut(usize, DeliveryRecord<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some((token, remaining)) = self.next_token(bytes) {
            bytes = remaining;
            let was_in_record = self.depth > RECORD_DEPTH && self.is_array;
            self.advance(token.last().copied());
            let is_in_record = self.depth > RECORD_DEPTH && self.is_array;
            // A record begins with the brace at the end of the token; the bytes before it do not belong
            // to it.
            let (before, record) = match (was_in_record, is_in_record) {
                (true, _) => (&[][..], token),
                (false, true) => token.split_at(token.len() - 1),
                (false, false) => (token, &[][..]),
            };
            self.rest.extend_from_slice(before);
            self.record.extend_from_slice(record);
            if self.record.len() > RECORD_BYTES_MAX || self.rest.len() > REST_BYTES_MAX {
                return Err(DeliveryError::TooLarge.into());
            }
            if was_in_record && !is_in_record {
                let index = self.records;
                self.records += 1;
                if self.records > RECORDS_MAX {
                    return Err(DeliveryError::TooManyRecords.into());
                }
                let parsed = from_object(&self.record);
                handle(index, parsed.map_err(|error| DeliveryError::Record(index, error))?)?;
                self.record.clear();
                self.rest.extend_from_slice(index.to_string().as_bytes());
            }
        }
        Ok(())
    }

    /// Parses the rest of the body, after all bytes were consumed.
    ///
    /// # Errors
    /// The body is invalid.
    pub fn finish(self) -> Result<DeliveryRequest, DeliveryError> {
        // A byte order mark is no part of the text.
        let rest = self.rest.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.rest);
        let body: DeliveryRequest = from_object(rest).map_err(DeliveryError::Body)?;
        match body.records.iter().copied().eq(0..self.records) {
            true => Ok(body),
            false => Err(DeliveryError::Misplaced),
        }
    }

    /// Splits `bytes` after the next byte that changes the state. None if `bytes` is empty.
    fn next_token<'a>(&self, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let is_structural = |byte: &u8| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']');
        let last = match self.state {
            StringState::Outside => bytes.iter().position(is_structural),
            StringState::Inside => memchr2(b'"', b'\\', bytes),
            StringState::Escaped => Some(0),
        };
        (!bytes.is_empty()).then(|| bytes.split_at(last.map_or(bytes.len(), |last| last + 1)))
    }

    /// Updates the state for a token that ends with the byte `last`.
    fn advance(&mut self, last: Option<u8>) {
        use StringState::{Escaped, Inside, Outside};
        self.state = match (self.state, last) {
            (Outside, Some(b'"')) | (Escaped, _) => Inside,
            (Inside, Some(b'"')) => Outside,
            (Inside, Some(b'\\')) => Escaped,
            (Outside, Some(opening @ (b'{' | b'['))) => {
                self.depth += 1;
                if self.depth == RECORD_DEPTH {
                    self.is_array = opening == b'[';
                }
                Outside
            }
            (Outside, Some(b'}' | b']')) => {
                self.depth = self.depth.saturating_sub(1);
                Outside
            }
            (state, _) => state,
        };
    }
}
