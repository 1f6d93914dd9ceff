//! Fuzz target of recorded events.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target panics if its decoder is wrong"
)]

use super::recorded::batch;
use crate::ingest::objects::objects;

/// A batch has the events of its lines, and arrivals never decrease.
pub(crate) fn recorded(lines: &[u8]) {
    let mut arrival_ms = 7;
    let batch = batch(lines, &mut arrival_ms);
    let events = batch.lines().map(|line| line.bytes.strip_suffix(b"\n").unwrap());
    assert!(events.eq(lines.split(|byte| *byte == b'\n').flat_map(objects)));
    let arrivals = [7].into_iter().chain(batch.lines().map(|line| line.arrival_ms));
    assert!(arrivals.is_sorted());
    assert_eq!(batch.lines().last().map_or(7, |line| line.arrival_ms), arrival_ms);
}
