//! The lineage of shards: which of them may be read. It knows no stream and no time.
//!
//! A shard that is split or merged is closed, and its children go on with its keys. For all records of a
//! key to come in order, a shard is read once its parents are finished; then from its beginning.

/// A shard, as a stream lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its id.
    pub id: String,
    /// The shards whose keys it goes on with: none, one after a split, two after a merge.
    pub parents: Vec<String>,
    /// Whether it takes records still.
    pub is_open: bool,
}

impl Shard {
    /// The shard as the SDK has it.
    pub(super) fn of(shard: &aws_sdk_kinesis::types::Shard) -> Self {
        let parents = [shard.parent_shard_id(), shard.adjacent_parent_shard_id()];
        let end = shard.sequence_number_range().and_then(|range| range.ending_sequence_number());
        Self {
            id: shard.shard_id().to_owned(),
            parents: parents.into_iter().flatten().map(str::to_owned).collect(),
            is_open: end.is_none(),
        }
    }
}

/// The shards among those that are `listed` that may be read: not finished themselves, and their parents
/// finished, or not listed any more, as the stream has dropped all that these held.
pub fn readable(
    listed: &[Shard],
    is_finished: impl Fn(&str) -> bool,
) -> impl Iterator<Item = &Shard> {
    let is_listed = |id: &str| listed.iter().any(|shard| shard.id == id);
    let is_over = move |id: &String| is_finished(id) || !is_listed(id);
    listed.iter().filter(move |shard| {
        let is_read = is_over(&shard.id);
        !is_read && shard.parents.iter().all(&is_over)
    })
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

    /// The ids of all shards that may be read, once those of `finished` are.
    fn ids(listed: &[Shard], finished: &BTreeSet<String>) -> Vec<String> {
        readable(listed, |id| finished.contains(id)).map(|shard| shard.id.clone()).collect()
    }

    #[test]
    fn children_wait_for_their_parents_and_a_merged_one_for_both() {
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
    fn a_parent_that_is_not_listed_any_more_is_not_waited_for() {
        let listed = [shard(2, &[0, 1]), shard(3, &[2])];
        assert_eq!(ids(&listed, &BTreeSet::new()), ["shardId-000000000002"]);
    }

    /// The shards of a stream that begins with `first` and is split (an even choice) or merged (an odd
    /// one) again and again.
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
        fn every_shard_of_any_tree_is_read_once_and_after_its_parents(
            first in 1..5usize,
            changes in prop::collection::vec((any::<bool>(), any::<Index>()), 0..30),
            trimmed in prop::collection::vec(any::<Index>(), 0..4),
            order in prop::collection::vec(any::<Index>(), 200),
        ) {
            let mut listed = tree(first, &changes);
            // Those that a stream drops are the oldest, each with its parents.
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
                let is_over = |id: &String| finished.contains(id) || !names.contains(id);
                prop_assert!(shard.parents.iter().all(is_over));
                prop_assert!(finished.insert(id.clone()));
            }
            prop_assert_eq!(finished, names);
        }
    }
}
