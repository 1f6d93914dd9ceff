//! Fuzz target of cursors.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target panics if its decoder is wrong"
)]

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use velodrome_dataflows::{ClassId, EventTime, RaceId};

use super::cursor::{decode, encode};
use super::ranking::{Position, page};

/// A cursor that is decoded is encoded as the same position, and selects rows. The input is taken as a
/// cursor, and as the bytes of a position with a valid checksum.
pub(crate) fn cursor(input: &[u8]) {
    position::<Position>(input).into_iter().for_each(|last| {
        let rows = [(1, velodrome_dataflows::Output(2.0)), (2, velodrome_dataflows::Output(1.0))];
        assert!(page(&rows, Some(last), 1).rows.len() <= 1);
    });
    position::<(EventTime, ClassId, RaceId)>(input);
    position::<(u64, String)>(input);
}

fn position<T: Serialize + DeserializeOwned + PartialEq + Debug>(input: &[u8]) -> Option<T> {
    let decoded = |text: &str| decode::<T>("list", Some(text));
    if let Ok(text) = str::from_utf8(input)
        && let Ok(Some(position)) = decoded(text)
    {
        assert_eq!(decoded(&encode("list", &position)), Ok(Some(position)));
    }
    let position: T = decoded(&super::cursor::with_checksum("list", input)).ok()??;
    let again = decoded(&encode("list", &position)).unwrap();
    assert_eq!(format!("{again:?}"), format!("{:?}", Some(&position)));
    Some(position)
}
