//! Which node of a cluster reads which shard.

/// The shards that a service reads: all, or those of one node of a cluster.
///
/// All nodes compute the same from the id of a shard and the number of nodes. So they need not agree on shards that
/// appear while they read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deal {
    node: usize,
    nodes: usize,
}

impl Deal {
    /// The shards of node `node` of `nodes` nodes. `node` must be less than `nodes`.
    pub fn of_node(node: usize, nodes: usize) -> Self {
        Self { node, nodes }
    }

    /// Whether the node says where reading starts the first time.
    pub fn is_first(self) -> bool {
        self.node == 0
    }

    /// Whether the service reads the shard with this id.
    ///
    /// Ids end with ascending numbers, as in `shardId-000000000007`. So successive shards are on successive nodes.
    pub fn has(self, shard: &str) -> bool {
        let digits =
            shard.bytes().filter(u8::is_ascii_digit).map(|digit| usize::from(digit - b'0'));
        digits.fold(0, |number, digit| (number * 10 + digit) % self.nodes) == self.node
    }
}

impl Default for Deal {
    /// All shards.
    fn default() -> Self {
        Self::of_node(0, 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn successive_shards_are_on_successive_nodes() {
        for nodes in 1..=5 {
            for number in 0..1_200 {
                let deal = Deal::of_node(number % nodes, nodes);
                assert!(deal.has(&format!("shardId-{number:012}")), "{number} of {nodes}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_shard_has_one_node(id in "[a-zA-Z0-9_.-]{1,128}", nodes in 1..=64_usize) {
            let has = |node| Deal::of_node(node, nodes).has(&id);
            prop_assert_eq!((0..nodes).filter(|node| has(*node)).count(), 1);
            prop_assert!(Deal::default().has(&id));
        }
    }
}
