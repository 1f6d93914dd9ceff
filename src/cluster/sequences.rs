//! Sequences of segments, by the nodes whose logs have them.

use std::collections::BTreeMap;

use super::node_id::NodeId;

/// Sequences of segments, by the nodes whose logs have them.
pub type Sequences = BTreeMap<NodeId, u64>;

/// Raises the sequences of `known` to those of `others`. Returns whether one was lower.
pub(super) fn raise(known: &mut Sequences, others: &Sequences) -> bool {
    let mut is_raised = false;
    for (id, sequence) in others {
        let known = known.entry(*id).or_default();
        is_raised |= *known < *sequence;
        *known = (*known).max(*sequence);
    }
    is_raised
}
