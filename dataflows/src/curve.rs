//! A curve: one output a second, and the elementwise maximum that joins two of them.

use std::cmp::Ordering;
use std::ops::Deref;
use std::sync::Arc;

use differential_dataflow::difference::{IsZero, Semigroup};
use serde::{Deserialize, Serialize};

/// What an empty slot holds. Outputs are finite, so every output exceeds it.
const EMPTY: f64 = f64::NEG_INFINITY;

/// Seconds of a run.
pub(crate) const RUN_SECONDS: u16 = 8;

/// The outputs of a ride or a record, one slot a second, slots empty where none came.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Curve {
    /// Slot `i` is second `i + 1`; seconds past the end are empty.
    slots: Vec<f64>,
}

impl Curve {
    /// An empty curve with room for `seconds` slots.
    pub fn with_capacity(seconds: u16) -> Self {
        Self { slots: Vec::with_capacity(seconds.into()) }
    }

    /// Takes `output` at `second` (from 1) where it exceeds what is there, and tells whether it did.
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

    /// Takes the greater output of each second.
    pub fn raise_all(&mut self, other: &Self) {
        if self.slots.len() < other.slots.len() {
            self.slots.resize(other.slots.len(), EMPTY);
        }
        for (slot, output) in self.slots.iter_mut().zip(&other.slots) {
            *slot = if *output > *slot { *output } else { *slot };
        }
    }

    /// The output at `second`, if there is one.
    pub fn get(&self, second: u16) -> Option<f64> {
        let index = usize::from(second).checked_sub(1)?;
        self.slots.get(index).copied().filter(|output| *output != EMPTY)
    }

    /// The outputs from `second` on (from 1), if there are any.
    pub(crate) fn run(&self, second: u16) -> Option<Run> {
        let slots = self.slots.get(usize::from(second.checked_sub(1)?)..)?;
        let mut run = Run([EMPTY; RUN_SECONDS as usize]);
        run.0.iter_mut().zip(slots).for_each(|(slot, output)| *slot = *output);
        run.0.iter().any(|output| *output != EMPTY).then_some(run)
    }

    /// How many slots there are: the greatest second with an output.
    pub fn seconds(&self) -> u16 {
        u16::try_from(self.slots.len()).unwrap_or(u16::MAX)
    }

    /// The seconds that have an output, ascending, each with its output.
    pub fn outputs(&self) -> impl Iterator<Item = (u16, f64)> + '_ {
        (1u16..).zip(self.slots.iter().copied()).filter(|(_, output)| *output != EMPTY)
    }
}

/// The outputs of neighbouring seconds, cut out of a curve: many can be moved at little cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run([f64; RUN_SECONDS as usize]);

impl Run {
    /// The output at a second, counted from the first of the run, if there is one.
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

/// A racer's record curve, shared: merging batches of an arrangement moves pointers, not curves.
///
/// As a differential difference, adding two takes the greater output of each second:
/// consolidation *is* the maximum per (racer, class, second).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Record(Arc<Curve>);

impl From<Curve> for Record {
    fn from(curve: Curve) -> Self {
        Self(Arc::new(curve))
    }
}

impl Record {
    /// Takes `output` at `second` (from 1) where it exceeds what is there, and tells whether it did.
    pub(crate) fn raise(&mut self, second: u16, output: f64) -> bool {
        let exceeds = self.get(second).is_none_or(|last| output > last);
        exceeds && Arc::make_mut(&mut self.0).raise(second, output)
    }
}

impl Deref for Record {
    type Target = Curve;

    fn deref(&self) -> &Curve {
        &self.0
    }
}

impl IsZero for Record {
    /// Never: a maximum has no inverse, so a record once set is not retracted.
    fn is_zero(&self) -> bool {
        false
    }
}

impl Semigroup for Record {
    fn plus_equals(&mut self, other: &Self) {
        Arc::make_mut(&mut self.0).raise_all(&other.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(outputs: &[(u16, f64)]) -> Curve {
        let mut curve = Curve::default();
        for (second, output) in outputs {
            curve.raise(*second, *output);
        }
        curve
    }

    #[test]
    fn keeps_the_greater_output_of_a_second() {
        let mut curve = curve(&[(2, 5.0)]);
        assert!(!curve.raise(2, 4.0));
        assert!(curve.raise(2, 6.0));
        assert!(curve.raise(1, 0.0));
        assert_eq!(curve.outputs().collect::<Vec<_>>(), [(1, 0.0), (2, 6.0)]);
    }

    #[test]
    fn adds_by_the_elementwise_maximum_whatever_the_lengths() {
        let (short, long) = (curve(&[(1, 7.0), (2, -3.0)]), curve(&[(2, -2.0), (4, 1.0)]));
        let expected = [(1, 7.0), (2, -2.0), (4, 1.0)];
        for (a, b) in [(&short, &long), (&long, &short)] {
            let mut sum = Record::from(a.clone());
            sum.plus_equals(&Record::from(b.clone()));
            assert_eq!(sum.outputs().collect::<Vec<_>>(), expected);
            assert_eq!((sum.get(3), sum.seconds()), (None, 4));
        }
    }
}
