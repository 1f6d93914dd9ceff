//! A record: the best outputs of a racer in a class.

use std::ops::Deref;
use std::sync::Arc;

use differential_dataflow::difference::{IsZero, Semigroup};
use serde::{Deserialize, Serialize};

use super::curve::Curve;

/// A racer's record curve in a class, behind an [`Arc`]. Merging batches of an arrangement then moves
/// only pointers.
///
/// As a difference, the sum of two is the greater output of each second. Consolidation therefore *is*
/// the maximum by class, racer and second.
///
/// ```
/// use velodrome_dataflows::{Curve, Record, Semigroup};
///
/// let (mut first, mut second) = (Curve::default(), Curve::default());
/// first.raise(1, 97.5);
/// second.raise(1, 90.0);
/// second.raise(2, 99.0);
/// let mut record = Record::from(first);
/// record.plus_equals(&Record::from(second));
/// assert_eq!(record.outputs().collect::<Vec<_>>(), [(1, 97.5), (2, 99.0)]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Record(Arc<Curve>);

impl From<Curve> for Record {
    fn from(curve: Curve) -> Self {
        // A record remains for long, and the capacity of a growing curve is up to twice its length.
        Self(Arc::new(curve.compacted()))
    }
}

impl Record {
    /// Sets the output at `second` (from 1) if `output` is greater, and returns whether it was.
    pub(crate) fn raise(&mut self, second: u16, output: f64) -> bool {
        let exceeds = self.get(second).is_none_or(|best| output > best);
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
    /// Always false: a maximum has no inverse, so a record is never retracted.
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
    fn a_sum_is_the_maximum_by_second_for_curves_of_any_length() {
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
