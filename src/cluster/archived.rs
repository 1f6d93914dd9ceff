//! What was archived of each log. A disk that is lost takes only what was not, so a log that ends earlier is that of a
//! wrong archive, or of none.

use super::config::Node;
use super::message::Ready;
use super::sequences::{Sequences, raise};

/// A log that ends before what was archived of it: the position of the node that reads it, and what is missing.
pub(super) type MissingLog = (usize, String);

/// What is known to be archived of each log, from what `nodes` have that are `ready`. Missing segments that a node
/// accepts are not known any more.
///
/// # Errors
/// When a log ends earlier.
pub(super) fn archived(nodes: &[Node], ready: &[Ready]) -> Result<Sequences, MissingLog> {
    let mut archived = Sequences::new();
    for ready in ready {
        raise(&mut archived, &ready.archived);
    }
    for (id, archived) in &mut archived {
        let position = nodes.iter().position(|node| node.id == *id);
        // The coordinator reads the logs of nodes that have left.
        let reader = ready.get(position.unwrap_or_default());
        let end = reader.and_then(|ready| ready.logs.get(id)).copied().unwrap_or_default();
        if end >= *archived {
            continue;
        }
        let accepts = reader.is_some_and(|ready| ready.accept_damage);
        let missing = match position {
            Some(_) => {
                format!("its log ends with segment {end}, but segment {archived} was archived")
            }
            None => format!(
                "node {id} has left, and its log in the archive ends with segment {end}, but segment {archived} was archived"
            ),
        };
        if !accepts {
            let remedy = "give it the archive that has it, or --accept-damage to continue without these events";
            return Err((position.unwrap_or_default(), format!("{missing}; {remedy}")));
        }
        tracing::warn!(node = id, "{missing}; continues without");
        *archived = end;
    }
    archived.retain(|_, sequence| *sequence > 0);
    Ok(archived)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::NodeId;
    use crate::cluster::tests::new_node;

    /// A node with the ends of logs, and what it knows to be archived.
    fn ready(logs: &[(NodeId, u64)], archived: &[(NodeId, u64)]) -> Ready {
        let [logs, archived] = [logs, archived].map(|pairs| pairs.iter().copied().collect());
        Ready { logs, archived, ..new_node() }
    }

    fn nodes() -> [Node; 2] {
        let node =
            |id| Node { id, address: String::new(), url: String::new(), addresses: Vec::new() };
        [0, 2].map(node)
    }

    #[test]
    fn what_any_node_knows_to_be_archived_must_be_in_the_log() {
        let complete = [ready(&[(0, 3), (1, 4)], &[(0, 2), (1, 4)]), ready(&[(2, 9)], &[(0, 3)])];
        assert_eq!(archived(&nodes(), &complete), Ok(Sequences::from([(0, 3), (1, 4)])));
        let missing = |ready: &[Ready]| archived(&nodes(), ready).unwrap_err();
        let (node, reason) = missing(&[ready(&[(0, 3)], &[(2, 5)]), ready(&[(2, 1)], &[])]);
        assert_eq!(node, 1);
        assert!(reason.starts_with("its log ends with segment 1, but segment 5 was archived; "));
        // The disk of the coordinator was lost, and the other node knows what it had.
        let (node, _) = missing(&[ready(&[(0, 0)], &[]), ready(&[(2, 1)], &[(0, 1)])]);
        assert_eq!(node, 0);
        let (node, reason) = missing(&[ready(&[], &[]), ready(&[(2, 1)], &[(1, 7)])]);
        assert_eq!(node, 0);
        assert!(
            reason.starts_with("node 1 has left, and its log in the archive ends with segment 0, ")
        );
    }

    #[test]
    fn a_node_forgets_what_it_accepts_to_be_missing() {
        let accepts = |ready| Ready { accept_damage: true, ..ready };
        let all = [(0, 3), (1, 7), (2, 5)];
        let nodes_ready = [accepts(ready(&[(0, 3)], &all)), accepts(ready(&[(2, 1)], &[]))];
        assert_eq!(archived(&nodes(), &nodes_ready), Ok(Sequences::from([(0, 3), (2, 1)])));
        // Only for the logs that it reads.
        let [first, second] = nodes_ready;
        let second = Ready { accept_damage: false, ..second };
        assert_eq!(archived(&nodes(), &[first, second]).unwrap_err().0, 1);
    }
}
