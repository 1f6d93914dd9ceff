//! A curve: one output per second of a race.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// The value of an empty slot. Outputs are finite, so every output is greater.
const EMPTY: f64 = f64::NEG_INFINITY;

/// The number of seconds in a chunk.
pub(crate) const CHUNK_SECONDS: u16 = 8;

/// The outputs of a ride or a record: one slot per second, empty if no output was reported.
///
/// ```
/// use velodrome_dataflows::Curve;
///
/// let mut curve = Curve::default();
/// assert!(curve.raise(1, 97.5));
/// assert!(curve.raise(3, 99.0));
/// assert!(!curve.raise(3, 98.0), "a smaller output changes nothing");
/// assert_eq!(curve.outputs().collect::<Vec<_>>(), [(1, 97.5), (3, 99.0)]);
/// assert_eq!((curve.get(2), curve.seconds()), (None, 3));
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Curve {
    /// Slot `i` is second `i + 1`. Seconds after the last slot are empty.
    slots: Vec<f64>,
}

impl Curve {
    /// An empty curve with capacity for `seconds` slots.
    pub fn with_capacity(seconds: u16) -> Self {
        Self { slots: Vec::with_capacity(seconds.into()) }
    }

    /// Sets the output at `second` (from 1) if `output` is greater, and returns whether it was.
    #[inline]
    pub fn raise(&mut self, second: u16, output: f64) -> bool {
        let index = usize::from(second.saturating_sub(1));
        if index >= self.slots.len() {
            self.slots.resize(index + 1, EMPTY);
        }
        match self.slots.get_mut(index) {
            Some(slot) if output > *slot => {
                *slot = output;
                true
            }
            _ => false,
        }
    }

    /// Sets each second to the greater output of the two curves.
    pub fn raise_all(&mut self, other: &Self) {
        if self.slots.len() < other.slots.len() {
            self.slots.resize(other.slots.len(), EMPTY);
        }
        for (slot, output) in self.slots.iter_mut().zip(&other.slots) {
            *slot = if *output > *slot { *output } else { *slot };
        }
    }

    /// The output at `second` (from 1), if there is one.
    pub fn get(&self, second: u16) -> Option<f64> {
        let index = usize::from(second).checked_sub(1)?;
        self.slots.get(index).copied().filter(|output| *output != EMPTY)
    }

    /// The outputs of the [`CHUNK_SECONDS`] seconds from `second` (from 1), if there are any.
    pub(crate) fn chunk(&self, second: u16) -> Option<CurveChunk> {
        let slots = self.slots.get(usize::from(second.checked_sub(1)?)..)?;
        let mut chunk = CurveChunk([EMPTY; CHUNK_SECONDS as usize]);
        chunk.0.iter_mut().zip(slots).for_each(|(slot, output)| *slot = *output);
        chunk.0.iter().any(|output| *output != EMPTY).then_some(chunk)
    }

    /// The number of slots: the greatest second that has an output.
    pub fn seconds(&self) -> u16 {
        u16::try_from(self.slots.len()).unwrap_or(u16::MAX)
    }

    /// The seconds that have an output, ascending, each with its output.
    pub fn outputs(&self) -> impl Iterator<Item = (u16, f64)> + '_ {
        (1u16..).zip(self.slots.iter().copied()).filter(|(_, output)| *output != EMPTY)
    }
}

/// The outputs of [`CHUNK_SECONDS`] consecutive seconds of a curve. Its size is fixed, so chunks are
/// exchanged without an allocation for each.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CurveChunk([f64; CHUNK_SECONDS as usize]);

impl CurveChunk {
    /// The output `offset` seconds after the first of the chunk, if there is one.
    pub(crate) fn get(&self, offset: u16) -> Option<f64> {
        self.0.get(usize::from(offset)).copied().filter(|output| *output != EMPTY)
    }
}

impl Ord for Curve {
    fn cmp(&self, other: &Self) -> Ordering {
        let pairs = self.slots.iter().zip(&other.slots);
        pairs
            .map(|(a, b)| a.total_cmp(b))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| self.slots.len().cmp(&other.slots.len()))
    }
}

impl PartialOrd for Curve {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Curve {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Curve {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raise_keeps_the_greater_output_of_a_second() {
        let mut curve = Curve::default();
        assert!(curve.raise(2, 5.0));
        assert!(!curve.raise(2, 4.0));
        assert!(curve.raise(2, 6.0));
        assert!(curve.raise(1, 0.0));
        assert_eq!(curve.outputs().collect::<Vec<_>>(), [(1, 0.0), (2, 6.0)]);
    }
}
