//! The positions of a stream's shards: the content of `positions.json`, which describes the log of a data
//! directory. In a cluster they travel between nodes. No I/O.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[cfg(feature = "aws")]
use super::shards::Shard;
use super::start::Start;

/// The positions of shards, by their ids.
pub type ShardPositions = BTreeMap<String, Position>;

/// The positions of the shards of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Positions {
    pub(super) stream: String,
    /// When the stream was created, which distinguishes it from other streams of the same name.
    pub(super) created_ms: u64,
    /// The shards that this log has records of. The log is durable up to these positions.
    pub(super) shards: ShardPositions,
    /// In a cluster: the shards of all nodes. The archives of the nodes have all records up to these positions.
    #[serde(default, skip_serializing_if = "ShardPositions::is_empty")]
    pub(super) archived: ShardPositions,
}

/// The position of a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// Where to resume.
    pub next: Start,
    /// All records that arrived before this time are read, in ms since the epoch. None if records of
    /// unknown age are still unread; a gap cannot be detected then.
    pub until_ms: Option<u64>,
    /// Whether the shard is read to its end.
    pub is_finished: bool,
}

/// What a node, or a generation of a cluster, knows of its stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceState {
    pub positions: Positions,
    pub origin: Origin,
}

/// Where positions are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// Records were read, or positions were durable before.
    Read,
    /// They are where reading starts the first time.
    First {
        /// Whether that is after the newest record.
        is_at_latest: bool,
    },
}

/// The state from which a generation reads its stream: for each shard the newest position that a node has.
/// Where reading starts the first time counts only if no node has read anything. `None` if no node knows a position.
pub fn merge<'a>(states: impl Iterator<Item = &'a SourceState> + Clone) -> Option<SourceState> {
    // Another stream of the same name: a node with positions of the earlier one reports it.
    let created_ms = states.clone().map(|state| state.positions.created_ms).max()?;
    let mut known = states.filter(|state| state.positions.created_ms == created_ms);
    let mut read = known.clone().filter(|state| state.origin == Origin::Read);
    let Some(first) = read.next() else { return known.next().cloned() };
    let mut merged = first.clone();
    for SourceState { positions, .. } in read {
        update(&mut merged.positions.shards, &positions.shards);
        update(&mut merged.positions.archived, &positions.archived);
    }
    let Positions { shards, archived, .. } = &mut merged.positions;
    update(shards, archived);
    Some(merged)
}

/// Replaces the positions that are older than those in `newer`.
pub(super) fn update(known: &mut ShardPositions, newer: &ShardPositions) {
    for (shard, position) in newer {
        match known.get_mut(shard) {
            Some(known) if known.rank() >= position.rank() => {}
            Some(known) => known.clone_from(position),
            None => _ = known.insert(shard.clone(), position.clone()),
        }
    }
}

impl Position {
    /// Orders positions of a shard by progress. Sequence numbers are integers of up to 128 digits. Before the first
    /// record is read, the position that leaves out the fewest records counts.
    fn rank(&self) -> (bool, u8, Reverse<u64>, usize, &str) {
        let (kind, time_ms, number) = match &self.next {
            Start::Latest => (0, 0, ""),
            Start::At(ms) => (1, *ms, ""),
            Start::TrimHorizon => (2, 0, ""),
            Start::After(number) => (3, 0, number.trim_start_matches('0')),
        };
        (self.is_finished, kind, Reverse(time_ms), number.len(), number)
    }
}

#[cfg(feature = "aws")]
impl Positions {
    /// Positions of a stream that was not read yet: its shards start at `start`, as of `now_ms`.
    pub fn new(
        stream: &str,
        created_ms: u64,
        listed: &[Shard],
        start: &Start,
        now_ms: u64,
    ) -> Self {
        let position = |shard: &Shard| Position {
            next: start.clone().resumable(now_ms),
            until_ms: match start {
                Start::At(ms) => Some(*ms),
                Start::Latest => Some(now_ms),
                Start::TrimHorizon | Start::After(_) => None,
            },
            // A closed shard has no records after its newest one.
            is_finished: *start == Start::Latest && !shard.is_open,
        };
        let shards = listed.iter().map(|shard| (shard.id.clone(), position(shard))).collect();
        Self { stream: stream.to_owned(), created_ms, shards, archived: ShardPositions::new() }
    }

    /// The position of a shard. An unknown shard is the child of a known one, so it starts at its oldest
    /// record.
    pub fn get_or_insert(&mut self, shard: &str) -> &mut Position {
        let oldest = || Position { next: Start::TrimHorizon, until_ms: None, is_finished: false };
        self.shards.entry(shard.to_owned()).or_insert_with(oldest)
    }

    /// The position of a shard; none if the shard is unknown or was removed.
    pub fn get_mut(&mut self, shard: &str) -> Option<&mut Position> {
        self.shards.get_mut(shard)
    }

    /// Whether a shard is read to its end.
    pub fn is_finished(&self, shard: &str) -> bool {
        let known = self.shards.get(shard).into_iter().chain(self.archived.get(shard));
        known.into_iter().any(|position| position.is_finished)
    }

    /// Removes the shards that are no longer `listed`. Returns those that were not finished: their
    /// unread records are lost.
    pub fn remove_unlisted(&mut self, listed: &[Shard]) -> Vec<(String, Position)> {
        let is_listed = |id: &String| listed.iter().any(|shard| shard.id == *id);
        self.archived.retain(|id, _| is_listed(id));
        let removed = self.shards.extract_if(.., |id, _| !is_listed(id));
        removed.filter(|(_, position)| !position.is_finished).collect()
    }

    /// Takes over what a generation knows: the positions of the shards that this node reads, and what is in
    /// the archives of all nodes.
    pub(super) fn join(&mut self, plan: &SourceState, is_own: impl Fn(&str) -> bool) {
        let Positions { shards, archived, .. } = &plan.positions;
        let own = shards.iter().filter(|(id, _)| is_own(id));
        update(&mut self.shards, &own.map(|(id, at)| (id.clone(), at.clone())).collect());
        update(&mut self.archived, archived);
        if let Origin::First { .. } = plan.origin {
            // Nothing was read before these positions, so the archives lack nothing.
            update(&mut self.archived, shards);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(number: &str) -> Position {
        Position { next: Start::After(number.to_owned()), until_ms: None, is_finished: false }
    }

    fn state(origin: Origin, shards: &[(&str, Position)]) -> SourceState {
        let shards = shards.iter().map(|(shard, at)| ((*shard).to_owned(), at.clone())).collect();
        let archived = ShardPositions::new();
        let positions = Positions { stream: "races".to_owned(), created_ms: 5, shards, archived };
        SourceState { positions, origin }
    }

    #[test]
    fn the_newest_position_of_each_shard_counts() {
        let finished = |number| Position { is_finished: true, ..after(number) };
        let a =
            state(Origin::Read, &[("a", after("999")), ("b", finished("5")), ("d", after("1"))]);
        let mut b = state(Origin::Read, &[("a", after("1000")), ("b", after("6"))]);
        // What the disk of a lost node had is known from its archive.
        b.positions.archived =
            [("c", after("7")), ("d", after("0"))].map(|(shard, at)| (shard.to_owned(), at)).into();
        for states in [[&a, &b], [&b, &a]] {
            let merged = merge(states.into_iter()).unwrap().positions;
            let expected = [("a", after("1000")), ("b", finished("5")), ("c", after("7"))];
            let mut expected = state(Origin::Read, &expected).positions.shards;
            expected.insert("d".to_owned(), after("1"));
            assert_eq!((&merged.shards, &merged.archived), (&expected, &b.positions.archived));
        }
    }

    #[test]
    fn where_reading_starts_the_first_time_counts_only_if_nothing_was_read() {
        let first = state(Origin::First { is_at_latest: true }, &[("a", after("9"))]);
        let read = state(Origin::Read, &[("a", after("3"))]);
        assert_eq!(merge([&first].into_iter()), Some(first.clone()));
        let mut merged = merge([&first, &read].into_iter()).unwrap();
        assert_eq!(
            (merged.origin, merged.positions.shards.remove("a")),
            (Origin::Read, Some(after("3")))
        );
        assert_eq!(merge([].into_iter()), None);
    }

    #[test]
    fn a_stream_that_was_created_again_has_no_earlier_positions() {
        let mut again = state(Origin::First { is_at_latest: false }, &[("a", after("1"))]);
        again.positions.created_ms = 6;
        let earlier = state(Origin::Read, &[("a", after("9"))]);
        assert_eq!(merge([&earlier, &again].into_iter()), Some(again));
    }

    fn position() -> impl Strategy<Value = Position> {
        let start = prop_oneof![
            Just(Start::Latest),
            Just(Start::TrimHorizon),
            (0..9_u64).prop_map(Start::At),
            "[0-9]{1,4}".prop_map(Start::After),
        ];
        (start, any::<bool>()).prop_map(|(next, is_finished)| Position {
            next,
            until_ms: None,
            is_finished,
        })
    }

    proptest! {
        #[test]
        fn a_position_never_goes_back_in_any_order(mut all in prop::collection::vec(position(), 1..6)) {
            let newest = |all: &[Position]| {
                let mut known = ShardPositions::new();
                for at in all {
                    let before = known.get("a").cloned();
                    update(&mut known, &[("a".to_owned(), at.clone())].into());
                    prop_assert!(before.is_none_or(|before| known["a"].rank() >= before.rank()));
                }
                Ok(known.remove("a").unwrap())
            };
            let one = newest(&all)?;
            all.reverse();
            let other = newest(&all)?;
            prop_assert_eq!(one.rank(), other.rank());
            prop_assert!(all.iter().all(|at| at.rank() <= one.rank()));
        }
    }
}
