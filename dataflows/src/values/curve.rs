//! A curve: one output per second of a race.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::output::Output;

/// The value of an empty slot. Outputs are finite, so every output is greater.
const EMPTY: f64 = f64::NEG_INFINITY;

/// The number of seconds in a chunk.
pub(crate) const CHUNK_SECONDS: u16 = 8;

const CHUNK: usize = CHUNK_SECONDS as usize;

/// The outputs of a ride or a record, at most one per second.
///
/// The memory of a curve is in proportion to its outputs, not to its last second: it has slots only for
/// the chunks of eight seconds in which it has an output.
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
#[serde(try_from = "EncodedCurve")]
pub struct Curve {
    /// The slots of the chunks in `chunks`, one per second. Seconds after the last slot are empty.
    slots: Vec<f64>,
    /// The numbers of the chunks, ascending. Empty if they are the first ones of the race, without a gap:
    /// then slot `i` is second `i + 1`.
    chunks: Vec<u16>,
}

/// A curve as it is decoded, before its chunks are checked.
#[derive(Deserialize)]
struct EncodedCurve {
    slots: Vec<f64>,
    chunks: Vec<u16>,
}

impl TryFrom<EncodedCurve> for Curve {
    type Error = &'static str;

    fn try_from(EncodedCurve { slots, chunks }: EncodedCurve) -> Result<Self, Self::Error> {
        // The last chunk may have fewer slots, and its last second must be a number of 16 bits.
        let last = chunks.last().map_or(slots.len().div_ceil(CHUNK), |last| usize::from(*last) + 1);
        let is_valid = last * CHUNK <= usize::from(u16::MAX)
            && chunks.is_sorted_by(|before, after| before < after)
            && (chunks.is_empty() || slots.len().div_ceil(CHUNK) == chunks.len());
        is_valid
            .then_some(Self { slots, chunks })
            .ok_or("the chunks of a curve do not fit its slots")
    }
}

impl Curve {
    /// Sets the output at `second` (from 1) if `output` is greater, and returns whether it was.
    #[inline]
    pub fn raise(&mut self, second: u16, output: f64) -> bool {
        let index = usize::from(second.saturating_sub(1));
        // Usually the second is in a chunk of a curve without a gap, or in the chunk after it.
        let has_no_gap =
            self.chunks.is_empty() && index / CHUNK <= self.slots.len().div_ceil(CHUNK);
        let place = if has_no_gap { index } else { self.place_in_chunks(index) };
        if place >= self.slots.len() {
            self.slots.resize(place + 1, EMPTY);
        }
        match self.slots.get_mut(place) {
            Some(slot) if output > *slot => {
                *slot = output;
                true
            }
            _ => false,
        }
    }

    /// The place in `slots` of the second with this index, whose chunk is added if it is absent. The
    /// curve has a gap, or gets one.
    fn place_in_chunks(&mut self, index: usize) -> usize {
        let chunk = (index / CHUNK) as u16;
        if self.chunks.is_empty() {
            self.chunks.extend((0..).take(self.slots.len().div_ceil(CHUNK)));
        }
        let at = match self.chunks.last() {
            Some(last) if *last == chunk => self.chunks.len() - 1,
            Some(last) if *last > chunk => match self.chunks.binary_search(&chunk) {
                Ok(at) => at,
                Err(at) => {
                    self.slots.splice(at * CHUNK..at * CHUNK, [EMPTY; CHUNK]);
                    self.chunks.insert(at, chunk);
                    at
                }
            },
            _ => {
                self.slots.resize(self.chunks.len() * CHUNK, EMPTY);
                self.chunks.push(chunk);
                self.chunks.len() - 1
            }
        };
        if self.chunks.last().is_some_and(|last| usize::from(*last) + 1 == self.chunks.len()) {
            self.chunks = Vec::new();
        }
        at * CHUNK + index % CHUNK
    }

    /// Sets each second to the greater output of the two curves.
    pub fn raise_all(&mut self, other: &Self) {
        if self.chunks != other.chunks {
            return other.outputs().for_each(|(second, output)| _ = self.raise(second, output));
        }
        if self.slots.len() < other.slots.len() {
            self.slots.resize(other.slots.len(), EMPTY);
        }
        for (slot, output) in self.slots.iter_mut().zip(&other.slots) {
            *slot = if *output > *slot { *output } else { *slot };
        }
    }

    /// The curve without spare capacity. Copies it, because an allocator may keep memory that is shrunk.
    pub(crate) fn compacted(self) -> Self {
        if self.slots.capacity() == self.slots.len() {
            return self;
        }
        Self { slots: Vec::from(self.slots.as_slice()), chunks: Vec::from(self.chunks.as_slice()) }
    }

    /// The place in `slots` of the second with this index, if its chunk is there.
    fn place(&self, index: usize) -> Option<usize> {
        if self.chunks.is_empty() {
            return Some(index);
        }
        let at = self.chunks.binary_search(&u16::try_from(index / CHUNK).ok()?).ok()?;
        Some(at * CHUNK + index % CHUNK)
    }

    /// The output at `second` (from 1), if there is one.
    pub fn get(&self, second: u16) -> Option<f64> {
        let place = self.place(usize::from(second).checked_sub(1)?)?;
        self.slots.get(place).copied().filter(|output| *output != EMPTY)
    }

    /// The outputs of the [`CHUNK_SECONDS`] seconds from `second`, if there are any. `second` is the first
    /// of a chunk: 1, 9, 17 and so on.
    pub(crate) fn chunk(&self, second: u16) -> Option<CurveChunk> {
        let slots = self.slots.get(self.place(usize::from(second.checked_sub(1)?))?..)?;
        let mut chunk = CurveChunk([EMPTY; CHUNK]);
        chunk.0.iter_mut().zip(slots).for_each(|(slot, output)| *slot = *output);
        chunk.0.iter().any(|output| *output != EMPTY).then_some(chunk)
    }

    /// The greatest second that has an output; 0 if there is none.
    pub fn seconds(&self) -> u16 {
        // Chunks that are absent before the last one.
        let before = |last: &u16| (usize::from(*last) + 1).saturating_sub(self.chunks.len());
        let absent = self.chunks.last().map_or(0, before);
        u16::try_from(self.slots.len() + absent * CHUNK).unwrap_or(u16::MAX)
    }

    /// The seconds that have an output, ascending, each with its output.
    pub fn outputs(&self) -> impl Iterator<Item = (u16, f64)> + '_ {
        let chunks = (0..).zip(self.slots.chunks(CHUNK)).flat_map(|(at, slots)| {
            let chunk = self.chunks.get(usize::from(at)).copied().unwrap_or(at);
            (chunk.saturating_mul(CHUNK_SECONDS).saturating_add(1)..).zip(slots.iter().copied())
        });
        chunks.filter(|(_, output)| *output != EMPTY)
    }
}

/// The outputs of [`CHUNK_SECONDS`] consecutive seconds of a curve. Its size is fixed, so chunks are
/// exchanged without an allocation for each.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CurveChunk([f64; CHUNK]);

impl CurveChunk {
    /// The output `offset` seconds after the first of the chunk, if there is one.
    pub(crate) fn get(&self, offset: u16) -> Option<f64> {
        self.0.get(usize::from(offset)).copied().filter(|output| *output != EMPTY)
    }
}

impl Ord for Curve {
    /// Orders curves by their outputs, second by second.
    fn cmp(&self, other: &Self) -> Ordering {
        let row = |(second, output)| (second, Output(output));
        self.outputs().map(row).cmp(other.outputs().map(row))
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
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Seconds near the start, anywhere, and at the end of the longest race.
    fn outputs() -> impl Strategy<Value = Vec<(u16, i8)>> {
        let second = prop_oneof![1u16..40, 1u16..=3600, 3590u16..=3600];
        prop::collection::vec((second, any::<i8>()), 0..60)
    }

    fn curve(outputs: &[(u16, i8)]) -> Curve {
        let mut curve = Curve::default();
        outputs.iter().for_each(|(second, output)| _ = curve.raise(*second, f64::from(*output)));
        curve
    }

    proptest! {
        #[test]
        fn a_curve_is_a_map_from_seconds_to_their_greatest_output(
            first in outputs(),
            second in outputs(),
        ) {
            let (mut sum, mut model) = (Curve::default(), BTreeMap::new());
            for (second, output) in &first {
                let output = f64::from(*output);
                let best = model.get(second).copied();
                let is_greater = best.is_none_or(|best| output > best);
                prop_assert_eq!(sum.raise(*second, output), is_greater);
                if is_greater {
                    model.insert(*second, output);
                }
            }
            for (second, output) in &second {
                let best = model.entry(*second).or_insert(f64::from(*output));
                *best = best.max(f64::from(*output));
            }
            sum.raise_all(&curve(&second));
            prop_assert!(sum.outputs().eq(model.iter().map(|(second, output)| (*second, *output))));
            prop_assert_eq!(sum.seconds(), model.keys().last().copied().unwrap_or(0));
            for second in 0..=3601 {
                prop_assert_eq!(sum.get(second), model.get(&second).copied());
            }
            for first in (1..=3601).step_by(CHUNK) {
                let chunk = sum.chunk(first);
                let expected = (0..CHUNK_SECONDS).map(|offset| model.get(&(first + offset)).copied());
                let found = (0..CHUNK_SECONDS).map(|offset| chunk.as_ref()?.get(offset));
                prop_assert!(found.eq(expected));
            }
            let all = [first, second].concat();
            prop_assert_eq!(&sum, &curve(&all));
            // The memory is in proportion to the outputs.
            prop_assert!(sum.slots.len() <= CHUNK * model.len() && sum.chunks.len() <= model.len());
        }
    }

    #[test]
    fn a_full_curve_has_one_slot_per_second() {
        let mut seconds: Vec<u16> = (1..=300).collect();
        for _ in 0..2 {
            let curve = curve(&seconds.iter().map(|second| (*second, 1)).collect::<Vec<_>>());
            assert_eq!((curve.slots.len(), curve.chunks.capacity()), (300, 0));
            seconds.reverse();
        }
    }
}
