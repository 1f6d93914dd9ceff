//! Views and watched time by project, each event counted once.

use compact_str::CompactString;
use hashbrown::HashMap;
use velodrome_dataflows::{EventTime, ViewCount};

use super::event::View;

/// A day of the event clock, in milliseconds.
const DAY_MS: u64 = 86_400_000;

/// For how many days after an event was counted the same uuid is the same event.
const WINDOW_DAYS: u64 = 7;

/// The counts, and the uuids that would not count again.
#[derive(Debug, Default)]
pub(super) struct Views {
    counts: HashMap<CompactString, ViewCount>,
    /// The day on which each uuid was counted.
    seen: HashMap<CompactString, u64>,
    /// The day of the last event, to forget uuids once a day.
    today: u64,
}

impl Views {
    /// Counts an event, unless it was counted at most seven days before.
    pub(super) fn take(&mut self, clock: EventTime, view: View) {
        let day = clock / DAY_MS;
        if day > self.today {
            self.today = day;
            self.seen.retain(|_, counted| day - *counted <= WINDOW_DAYS);
        }
        if self.seen.contains_key(&view.uuid) {
            return;
        }
        self.seen.insert(view.uuid, day);
        let count = self.counts.entry(view.project).or_default();
        count.views += u64::from(view.is_view);
        count.duration_ms += view.duration_ms;
    }

    /// The counts, in no order.
    pub(super) fn into_counts(self) -> impl Iterator<Item = (CompactString, ViewCount)> {
        self.counts.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(events: &[(u64, &str, &str, bool)]) -> Vec<(String, u64, u64)> {
        let mut views = Views::default();
        for &(clock, uuid, project, is_view) in events {
            let (uuid, project) = (uuid.into(), project.into());
            views.take(clock, View { uuid, project, duration_ms: 5, is_view });
        }
        let rows = views.into_counts().map(|(p, c)| (p.into_string(), c.views, c.duration_ms));
        let mut rows: Vec<_> = rows.collect();
        rows.sort();
        rows
    }

    #[test]
    fn count_a_uuid_once_whatever_its_project_and_kind() {
        let events = [(0, "a", "p", false), (0, "a", "q", true), (1, "b", "p", true)];
        assert_eq!(counts(&events), [("p".to_owned(), 1, 10)]);
    }

    #[test]
    fn of_a_project_that_is_only_watched_are_none() {
        assert_eq!(counts(&[(0, "a", "p", false)]), [("p".to_owned(), 0, 5)]);
    }

    #[test]
    fn count_a_uuid_again_after_seven_days_since_it_was_counted() {
        let at = |day: u64, ms: u64| (day * DAY_MS + ms, "a", "p", true);
        let first = at(10, DAY_MS - 1);
        for (events, views) in [
            (vec![first, at(17, DAY_MS - 1)], 1),
            (vec![first, at(18, 0)], 2),
            // The duplicate on day 17 does not prolong the window; the second count does.
            (vec![first, at(17, 0), at(18, 0)], 2),
            (vec![first, at(18, 0), at(25, 0)], 2),
        ] {
            assert_eq!(counts(&events), [("p".to_owned(), views, views * 5)]);
        }
    }
}
