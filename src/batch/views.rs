//! Views and watched time of each project. Every event counts once.

use compact_str::CompactString;
use hashbrown::HashMap;
use velodrome_dataflows::{EventTime, ViewCount};

use super::event::View;

/// A day of the event clock, in milliseconds.
const DAY_MS: u64 = 86_400_000;

/// Number of days for which a uuid counts as a duplicate after its event was counted.
const WINDOW_DAYS: u64 = 7;

/// The counts, and the uuids of counted events.
#[derive(Debug, Default)]
pub(super) struct Views {
    counts: HashMap<CompactString, ViewCount>,
    /// The day on which each uuid of a project was counted.
    seen: HashMap<(CompactString, CompactString), u64>,
    /// The day of the last event. Expired uuids are removed once a day.
    today: u64,
}

impl Views {
    /// Counts an event, unless its uuid was counted for its project in the last seven days.
    pub(super) fn add(&mut self, clock: EventTime, view: View) {
        let day = clock / DAY_MS;
        if day > self.today {
            self.today = day;
            self.seen.retain(|_, counted| day - *counted <= WINDOW_DAYS);
        }
        let event = (view.project.clone(), view.uuid);
        if self.seen.contains_key(&event) {
            return;
        }
        self.seen.insert(event, day);
        let count = self.counts.entry(view.project).or_default();
        count.views += u64::from(view.is_view);
        count.duration_ms += view.duration_ms;
    }

    /// The counts, unordered.
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
            views.add(clock, View { uuid, project, duration_ms: 5, is_view });
        }
        let rows = views.into_counts().map(|(p, c)| (p.into_string(), c.views, c.duration_ms));
        let mut rows: Vec<_> = rows.collect();
        rows.sort();
        rows
    }

    #[test]
    fn counts_a_uuid_once_in_each_project_for_both_kinds() {
        let events = [(0, "a", "p", false), (0, "a", "q", true), (1, "a", "p", true)];
        assert_eq!(counts(&events), [("p".to_owned(), 0, 5), ("q".to_owned(), 1, 5)]);
    }

    #[test]
    fn a_project_that_is_only_watched_has_no_views() {
        assert_eq!(counts(&[(0, "a", "p", false)]), [("p".to_owned(), 0, 5)]);
    }

    #[test]
    fn counts_a_uuid_again_seven_days_after_it_was_counted() {
        let at = |day: u64, ms: u64| (day * DAY_MS + ms, "a", "p", true);
        let first = at(10, DAY_MS - 1);
        for (events, views) in [
            (vec![first, at(17, DAY_MS - 1)], 1),
            (vec![first, at(18, 0)], 2),
            // The duplicate on day 17 does not extend the window, but counting the uuid again does.
            (vec![first, at(17, 0), at(18, 0)], 2),
            (vec![first, at(18, 0), at(25, 0)], 2),
        ] {
            assert_eq!(counts(&events), [("p".to_owned(), views, views * 5)]);
        }
    }
}
