//! Ranks: the rows of each board in order, and their places in it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::mem;

use differential_dataflow::VecCollection;
use differential_dataflow::collection::AsCollection;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;

use crate::boards::{Board, Placed, Row};
use crate::event::RacerId;
use crate::output::{FIBONACCI, Output};

/// A row with its board and racer, and its rank where it has an output to be ranked by.
pub(crate) type Ranked = (Board, RacerId, Row, Option<u32>);

/// Ranks the rows of each board, which come together on one worker, once all of its page are there: outputs
/// descending, those who are equal share the better rank (1, 2, 2, 4).
pub(crate) fn ranks<'scope>(
    rows: Stream<'scope, u64, Vec<Placed>>,
    name: &str,
) -> VecCollection<'scope, u64, (Ranked, ()), isize> {
    let route = Exchange::new(|(board, _, _): &Placed| board.hash());
    let ranked = rows.unary_frontier(route, name, |_, _| {
        let mut pages: BTreeMap<u64, (Capability<u64>, Vec<Placed>)> = BTreeMap::new();
        move |(input, frontier), output| {
            input.for_each(|capability, rows| {
                let Some(page) = capability.least().copied() else { return };
                if let Some((_, held)) = pages.get_mut(&page) {
                    held.append(rows);
                } else if let Some(capability) = capability.retain_least(0) {
                    pages.insert(page, (capability, mem::take(rows)));
                }
            });
            while let Some(entry) = pages.first_entry()
                && !frontier.less_equal(entry.key())
            {
                let (page, (capability, rows)) = entry.remove_entry();
                let updates = ranked(rows).map(|row| ((row, ()), page, 1));
                output.session(&capability).give_iterator(updates);
            }
        }
    });
    ranked.as_collection()
}

/// The rows of whole boards, with their ranks.
fn ranked(mut rows: Vec<Placed>) -> impl Iterator<Item = Ranked> {
    rows.sort_unstable_by_key(|(board, racer, row)| (*board, Reverse(row.output()), *racer));
    let mut last: Option<(Board, Option<Output>)> = None;
    let (mut place, mut rank) = (0, 0);
    rows.into_iter().map(move |(board, racer, row)| {
        let output = row.output();
        place = if last.is_some_and(|(before, _)| before == board) { place + 1 } else { 1 };
        if last != Some((board, output)) {
            (last, rank) = (Some((board, output)), place);
        }
        (board, racer, row, output.map(|_| rank))
    })
}

impl Board {
    /// The hash by which its worker is found.
    fn hash(&self) -> u64 {
        let key = match *self {
            Self::Leaderboard(class) => u64::from(class),
            Self::Race(class, race) => race ^ u64::from(class) << 48,
            Self::Second(class, second) => u64::from(class) << 16 | u64::from(second),
        };
        key.wrapping_mul(FIBONACCI) >> 32
    }
}
