//! Ranks rows, and selects parts of a ranking.

use std::cmp::Reverse;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use velodrome_dataflows::{BestFinal, Output, RacerId};

/// The sort key of a row: by value, descending, rows without a value last, then by racer id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Position(Reverse<Option<Output>>, RacerId);

impl Position {
    pub(super) fn new(value: Option<Output>, racer: RacerId) -> Self {
        Self(Reverse(value), racer)
    }

    /// The value and the racer of the row, if it has a value.
    pub(super) fn row(self) -> Option<(Output, RacerId)> {
        Some((self.0.0?, self.1))
    }
}

/// A row that can be ranked.
pub(super) trait Ranked {
    /// The output that the row is ranked by.
    fn value(&self) -> Option<Output>;

    /// The racer of the row; a ranking has one row for each racer.
    fn racer(&self) -> RacerId;

    /// The sort key of the row.
    fn position(&self) -> Position {
        Position::new(self.value(), self.racer())
    }
}

impl Ranked for (RacerId, Output) {
    fn value(&self) -> Option<Output> {
        Some(self.1)
    }

    fn racer(&self) -> RacerId {
        self.0
    }
}

impl Ranked for (RacerId, BestFinal) {
    fn value(&self) -> Option<Output> {
        Some(self.1.output)
    }

    fn racer(&self) -> RacerId {
        self.0
    }
}

/// A part of a ranking.
#[derive(Debug, PartialEq)]
pub(super) struct Part<'a, T> {
    /// The rows with their ranks, from 1. Racers with equal values share the better rank.
    pub(super) rows: Vec<(u64, &'a T)>,
    /// The position of the last row if there are more rows after it.
    pub(super) next: Option<Position>,
}

/// At most `limit` rows after the position `last`, or the first rows. `rows` must be sorted by position.
///
/// A row that does not change is on exactly one page, even if other rows change between pages.
pub(super) fn page<T: Ranked>(rows: &[T], last: Option<Position>, limit: usize) -> Part<'_, T> {
    let start = last.map_or(0, |last| rows.partition_point(|row| row.position() <= last));
    let end = rows.len().min(start.saturating_add(limit));
    part(rows, start..end)
}

/// The row of `racer`, and up to `window` rows before and after it; no rows if the racer has none.
pub(super) fn around<T: Ranked>(rows: &[T], racer: RacerId, window: usize) -> Part<'_, T> {
    let Some(own) = rows.iter().position(|row| row.racer() == racer) else {
        return Part { rows: Vec::new(), next: None };
    };
    let end = rows.len().min(own.saturating_add(window).saturating_add(1));
    part(rows, own.saturating_sub(window)..end)
}

fn part<T: Ranked>(rows: &[T], range: Range<usize>) -> Part<'_, T> {
    let has_more = range.end < rows.len();
    let (start, shown) = (range.start, rows.get(range).unwrap_or_default());
    let mut rank = shown.first().map_or(0, |row| {
        rows.partition_point(|other| Reverse(other.value()) < Reverse(row.value()))
    });
    let mut last = shown.first().and_then(Ranked::value);
    let rows = (start..).zip(shown).map(|(index, row)| {
        if row.value() != last {
            (rank, last) = (index, row.value());
        }
        (rank as u64 + 1, row)
    });
    let next = shown.last().filter(|_| has_more).map(Ranked::position);
    Part { rows: rows.collect(), next }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Ranked for (RacerId, Option<Output>) {
        fn value(&self) -> Option<Output> {
            self.1
        }

        fn racer(&self) -> RacerId {
            self.0
        }
    }

    type Row = (RacerId, Option<Output>);

    fn ranked(rows: impl IntoIterator<Item = (RacerId, Option<u8>)>) -> Vec<Row> {
        let rows = rows.into_iter().map(|(racer, value)| (racer, value.map(|v| Output(v.into()))));
        let mut rows: Vec<Row> = rows.collect();
        rows.sort_by_key(Row::position);
        rows
    }

    /// Rows with few distinct values, so that many are equal.
    fn rows() -> impl Strategy<Value = std::collections::BTreeMap<RacerId, Option<u8>>> {
        prop::collection::btree_map(0..60u32, prop::option::weighted(0.8, 0..6u8), 0..40)
    }

    fn ranks(part: &Part<'_, Row>) -> Vec<(RacerId, u64)> {
        part.rows.iter().map(|(rank, row)| (row.0, *rank)).collect()
    }

    #[test]
    fn racers_with_equal_values_share_the_better_rank() {
        let rows = ranked([(9, Some(3)), (4, Some(7)), (5, Some(7)), (1, Some(8)), (2, None)]);
        let expected = [(1, 1), (4, 2), (5, 2), (9, 4), (2, 5)];
        assert_eq!(ranks(&page(&rows, None, 10)), expected);
        assert_eq!(ranks(&page(&rows, Some(rows[1].position()), 2)), expected[2..4]);
    }

    #[test]
    fn around_returns_the_nearest_rows_and_stops_at_the_ends() {
        let rows = ranked((0..7).map(|racer| (racer, Some(10 - u8::try_from(racer).unwrap()))));
        let racers = |racer, window| -> Vec<RacerId> {
            around(&rows, racer, window).rows.iter().map(|(_, row)| row.0).collect()
        };
        assert_eq!(racers(3, 2), [1, 2, 3, 4, 5]);
        assert_eq!(racers(3, 0), [3]);
        assert_eq!(racers(0, 2), [0, 1, 2]);
        assert_eq!(racers(6, 2), [4, 5, 6]);
        assert_eq!(racers(3, usize::MAX), [0, 1, 2, 3, 4, 5, 6]);
        assert!(racers(99, 2).is_empty());
    }

    proptest! {
        #[test]
        fn all_pages_together_are_the_ranking(rows in rows(), limit in 1..9usize) {
            let rows = ranked(rows);
            let all = page(&rows, None, usize::MAX);
            prop_assert_eq!(all.next, None);
            for (rank, (_, value)) in &all.rows {
                let better = rows.iter().filter(|(_, other)| other > value).count() as u64;
                prop_assert_eq!(*rank, better + 1);
            }
            let (mut paged, mut last) = (Vec::new(), None);
            loop {
                let part = page(&rows, last, limit);
                prop_assert!(part.rows.len() == limit || part.next.is_none());
                paged.extend(part.rows);
                prop_assert!(paged.len() <= rows.len());
                last = part.next;
                if last.is_none() {
                    break;
                }
            }
            prop_assert_eq!(paged, all.rows);
        }

        #[test]
        fn ranks_around_a_racer_equal_those_of_the_ranking(rows in rows(), window in 0..9usize) {
            let rows = ranked(rows);
            let all = page(&rows, None, usize::MAX).rows;
            for (index, (racer, _)) in rows.iter().enumerate() {
                let (start, end) = (index.saturating_sub(window), index + window + 1);
                let expected = &all[start..end.min(all.len())];
                prop_assert_eq!(&around(&rows, *racer, window).rows, expected);
            }
        }

        #[test]
        fn unchanged_rows_appear_once_while_others_change_between_pages(
            unchanged in rows(),
            changing in prop::collection::vec(rows(), 1..20),
            limit in 1..9usize,
        ) {
            let (mut seen, mut last) = (Vec::new(), None);
            // The final state repeats until the last page.
            let final_state = changing.last().cloned().unwrap();
            for others in changing.into_iter().chain(std::iter::repeat(final_state)) {
                // Racers from 100 on change; those below do not.
                let others = others.into_iter().map(|(racer, value)| (racer + 100, value));
                let rows = ranked(unchanged.clone().into_iter().chain(others));
                let part = page(&rows, last, limit);
                seen.extend(part.rows.iter().map(|(_, row)| **row).filter(|row| row.0 < 100));
                prop_assert!(seen.len() <= unchanged.len());
                last = part.next;
                if last.is_none() {
                    break;
                }
            }
            // The pages contain every unchanged row.
            prop_assert_eq!(seen, ranked(unchanged));
        }
    }
}
