//! A sorted set that knows the rank of each item, and that is copied at once.

use std::sync::Arc;

/// The maximum number of items in a chunk. Half of them move when an item is inserted; a rank adds the
/// lengths of all chunks before the item.
const CHUNK_MAX: usize = 256;

/// Distinct items in ascending order, in chunks. Clones share the chunks until one of them changes.
///
/// Finding an item takes a binary search. The number of items before it takes one addition for each 128
/// items or more, which is a microsecond for 100,000.
#[derive(Clone, Debug)]
pub(super) struct SortedChunks<T> {
    /// None of them is empty.
    chunks: Vec<Arc<Vec<T>>>,
    len: usize,
}

impl<T> Default for SortedChunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T: Ord + Clone> SortedChunks<T> {
    /// The number of items.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Inserts an item that the set does not have.
    pub(super) fn insert(&mut self, item: T) {
        // An item after all others belongs to the last chunk.
        let at = self.chunk_from(|other| *other < item).min(self.chunks.len().saturating_sub(1));
        let Some(chunk) = self.chunks.get_mut(at) else {
            self.chunks.push(Arc::new(vec![item]));
            self.len += 1;
            return;
        };
        let chunk = Arc::make_mut(chunk);
        let within = chunk.partition_point(|other| *other < item);
        chunk.insert(within, item);
        self.len += 1;
        if chunk.len() > CHUNK_MAX {
            let upper = chunk.split_off(chunk.len() / 2);
            self.chunks.insert(at + 1, Arc::new(upper));
        }
    }

    /// Removes an item, if the set has it.
    pub(super) fn remove(&mut self, item: &T) {
        let at = self.chunk_from(|other| other < item);
        let Some(chunk) = self.chunks.get_mut(at) else { return };
        let Ok(within) = chunk.binary_search(item) else { return };
        let chunk = Arc::make_mut(chunk);
        chunk.remove(within);
        self.len -= 1;
        if chunk.is_empty() {
            self.chunks.remove(at);
        }
    }

    /// The number of items for which `is_before` holds. It must hold for a first part of the items only.
    pub(super) fn count_before(&self, is_before: impl Fn(&T) -> bool) -> usize {
        let at = self.chunk_from(&is_before);
        let full: usize = self.chunks.iter().take(at).map(|chunk| chunk.len()).sum();
        full + self.chunks.get(at).map_or(0, |chunk| chunk.partition_point(&is_before))
    }

    /// The items in order, starting with the first one for which `is_before` does not hold. It must hold
    /// for a first part of the items only.
    pub(super) fn iter_from(&self, is_before: impl Fn(&T) -> bool) -> impl Iterator<Item = &T> {
        let at = self.chunk_from(&is_before);
        let within = self.chunks.get(at).map_or(0, |chunk| chunk.partition_point(&is_before));
        self.chunks.iter().skip(at).flat_map(|chunk| chunk.iter()).skip(within)
    }

    /// The items in order, starting with the one that has `index` items before it.
    pub(super) fn iter_at(&self, index: usize) -> impl Iterator<Item = &T> {
        let (mut at, mut within) = (0, index);
        while let Some(chunk) = self.chunks.get(at).filter(|chunk| chunk.len() <= within) {
            within -= chunk.len();
            at += 1;
        }
        self.chunks.iter().skip(at).flat_map(|chunk| chunk.iter()).skip(within)
    }

    /// All items in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.iter_from(|_| false)
    }

    /// The first chunk with an item for which `is_before` does not hold.
    fn chunk_from(&self, is_before: impl Fn(&T) -> bool) -> usize {
        self.chunks.partition_point(|chunk| chunk.last().is_some_and(&is_before))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn equals_a_set_of_the_standard_library(
            items in prop::collection::vec((any::<bool>(), 0..3_000u32), 0..3_000),
            from in 0..3_000u32,
        ) {
            let (mut chunks, mut expected) = (SortedChunks::default(), BTreeSet::new());
            for (is_added, item) in items {
                match is_added {
                    true if expected.insert(item) => chunks.insert(item),
                    true => {}
                    false => {
                        expected.remove(&item);
                        chunks.remove(&item);
                    }
                }
            }
            prop_assert_eq!(chunks.len(), expected.len());
            prop_assert!(chunks.iter().eq(&expected));
            prop_assert!(chunks.iter_from(|item| *item < from).eq(expected.range(from..)));
            let before = expected.range(..from).count();
            prop_assert_eq!(chunks.count_before(|item| *item < from), before);
            prop_assert!(chunks.iter_at(before).eq(expected.range(from..)));
            prop_assert!(chunks.chunks.iter().all(|chunk| !chunk.is_empty()));
            prop_assert!(chunks.chunks.iter().all(|chunk| chunk.len() <= CHUNK_MAX));
        }
    }

    #[test]
    fn a_clone_does_not_change() {
        let mut chunks = SortedChunks::default();
        (0..1_000).for_each(|item| chunks.insert(2 * item));
        let copy = chunks.clone();
        chunks.insert(501);
        chunks.remove(&0);
        assert!(copy.iter().copied().eq((0..1_000).map(|item| 2 * item)));
        assert_eq!(chunks.iter().take(2).collect::<Vec<_>>(), [&2, &4]);
    }
}
