//! The shards of a stream, and which of them may be read. No I/O.
//!
//! Splitting or merging closes a shard, and its children continue with its keys. To keep the records of
//! a key in order, a shard is read from its beginning, and only after its parents are finished.

/// A shard as the stream lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The shard's id.
    pub id: String,
    /// The shards whose keys it continues: none, one after a split, or two after a merge.
    pub parents: Vec<String>,
    /// Whether it still accepts records.
    pub is_open: bool,
}

impl Shard {
    /// Converts a shard of the SDK.
    pub(super) fn from_sdk(shard: &aws_sdk_kinesis::types::Shard) -> Self {
        let parents = [shard.parent_shard_id(), shard.adjacent_parent_shard_id()];
        let end = shard.sequence_number_range().and_then(|range| range.ending_sequence_number());
        Self {
            id: shard.shard_id().to_owned(),
            parents: parents.into_iter().flatten().map(str::to_owned).collect(),
            is_open: end.is_none(),
        }
    }
}

/// The shards in `listed` that may be read now: they are not finished, and each parent is finished or no
/// longer listed, because the stream has dropped its records.
pub fn readable(
    listed: &[Shard],
    is_finished: impl Fn(&str) -> bool,
) -> impl Iterator<Item = &Shard> {
    let is_listed = |id: &str| listed.iter().any(|shard| shard.id == id);
    let is_done = move |id: &String| is_finished(id) || !is_listed(id);
    listed.iter().filter(move |shard| !is_done(&shard.id) && shard.parents.iter().all(&is_done))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    fn shard(number: usize, parents: &[usize]) -> Shard {
        let id = |number: &usize| format!("shardId-{number:012}");
        Shard { id: id(&number), parents: parents.iter().map(id).collect(), is_open: true }
    }

    /// The ids of all shards that may be read when those in `finished` are finished.
    fn ids(listed: &[Shard], finished: &BTreeSet<String>) -> Vec<String> {
        readable(listed, |id| finished.contains(id)).map(|shard| shard.id.clone()).collect()
    }

    #[test]
    fn a_child_waits_for_its_parents() {
        let listed = [shard(0, &[]), shard(1, &[]), shard(2, &[0, 1]), shard(3, &[2])];
        let names: Vec<_> = listed.iter().map(|shard| shard.id.clone()).collect();
        let mut finished = BTreeSet::new();
        assert_eq!(ids(&listed, &finished), names[..2]);
        finished.insert(names[0].clone());
        assert_eq!(ids(&listed, &finished), names[1..2]);
        finished.insert(names[1].clone());
        assert_eq!(ids(&listed, &finished), names[2..3]);
    }

    #[test]
    fn a_child_does_not_wait_for_parents_that_are_not_listed() {
        let listed = [shard(2, &[0, 1]), shard(3, &[2])];
        assert_eq!(ids(&listed, &BTreeSet::new()), ["shardId-000000000002"]);
    }

    /// The shards of a stream that starts with `first` shards and goes through `changes`: splits
    /// (`true`) and merges (`false`).
    fn tree(first: usize, changes: &[(bool, Index)]) -> Vec<Shard> {
        let mut shards: Vec<_> = (0..first).map(|number| shard(number, &[])).collect();
        let mut open: Vec<_> = (0..first).collect();
        for (is_split, index) in changes {
            let at = index.index(open.len());
            if *is_split {
                let parent = open.remove(at);
                for _ in 0..2 {
                    open.push(shards.len());
                    shards.push(shard(shards.len(), &[parent]));
                }
            } else if open.len() > 1 {
                let parents = [open.remove(at), open.remove(index.index(open.len()))];
                open.push(shards.len());
                shards.push(shard(shards.len(), &parents));
            }
        }
        shards
    }

    proptest! {
        #[test]
        fn every_shard_is_read_once_and_after_its_parents(
            first in 1..5usize,
            changes in prop::collection::vec((any::<bool>(), any::<Index>()), 0..30),
            trimmed in prop::collection::vec(any::<Index>(), 0..4),
            order in prop::collection::vec(any::<Index>(), 200),
        ) {
            let mut listed = tree(first, &changes);
            // A stream drops its oldest shards, and a parent is older than its children.
            let dropped = trimmed.iter().map(|index| index.index(listed.len())).min().unwrap_or(0);
            listed.drain(..dropped);
            let names: BTreeSet<_> = listed.iter().map(|shard| shard.id.clone()).collect();
            let mut finished = BTreeSet::new();
            for index in order {
                let readable = ids(&listed, &finished);
                if readable.is_empty() {
                    break;
                }
                let id = index.get(&readable);
                let shard = listed.iter().find(|shard| shard.id == *id).unwrap();
                let is_done = |id: &String| finished.contains(id) || !names.contains(id);
                prop_assert!(shard.parents.iter().all(is_done));
                prop_assert!(finished.insert(id.clone()));
            }
            prop_assert_eq!(finished, names);
        }
    }
}
