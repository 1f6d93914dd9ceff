//! What a probe looks for: a sample of a racer, in the standings of its race.

use serde::Deserialize;

/// A sample that was acknowledged, and must therefore be in the standings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProbedSample {
    pub(super) class_id: u16,
    pub(super) race_id: u64,
    pub(super) racer_id: u32,
    pub(super) second: u16,
}
