//! Ranks by output.

use crate::values::Output;

/// The rank of each output among all given outputs, from 1 for the greatest.
///
/// Equal outputs share the better rank (1, 2, 2, 4). A row without an output has no rank.
pub(super) fn ranks(outputs: impl Iterator<Item = Option<Output>>) -> Vec<Option<u32>> {
    let (mut order, mut ranks) = (Vec::new(), Vec::new());
    for output in outputs {
        order.extend(output.map(|output| (output, ranks.len())));
        ranks.push(None);
    }
    order.sort_unstable();
    let (mut rank, mut last) = (0, None);
    for (place, (output, at)) in (1..).zip(order.iter().rev()) {
        if last != Some(output) {
            (last, rank) = (Some(output), place);
        }
        ranks.iter_mut().skip(*at).take(1).for_each(|slot| *slot = Some(rank));
    }
    ranks
}
