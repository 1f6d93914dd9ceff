//! The output: the score of a sample.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// The score of a sample: a finite `f64` with a total order, so that it can be part of a key or row.
///
/// ```
/// use velodrome_dataflows::Output;
///
/// let mut outputs = [Output(161.5), Output(-3.0), Output(98.25)];
/// outputs.sort();
/// assert_eq!(outputs, [Output(-3.0), Output(98.25), Output(161.5)]);
/// ```
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Output(pub f64);

impl Ord for Output {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Output {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Output {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Output {}
