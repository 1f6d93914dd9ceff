//! The view counts of all projects, by id and by views.

use std::cmp::Reverse;

use compact_str::CompactString;
use hashbrown::HashMap;
use velodrome_dataflows::{EventTime, Semigroup, ViewCount};

use super::sorted_chunks::SortedChunks;

/// The position of a project in the list: views descending, ids with equal views ascending.
type ProjectOrder<'a> = (Reverse<u64>, &'a CompactString);

/// A project with its counts. Projects are ordered by views descending, then by id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProjectRow {
    views: Reverse<u64>,
    /// The project.
    pub id: CompactString,
    duration_ms: u64,
}

impl ProjectRow {
    fn new(id: CompactString, ViewCount { views, duration_ms }: ViewCount) -> Self {
        Self { views: Reverse(views), id, duration_ms }
    }

    /// The counts of the project.
    pub fn count(&self) -> ViewCount {
        ViewCount { views: self.views.0, duration_ms: self.duration_ms }
    }

    fn order(&self) -> ProjectOrder<'_> {
        (self.views, &self.id)
    }
}

/// The projects of one time. Clones share their memory until one of them changes.
#[derive(Clone, Debug, Default)]
pub struct ProjectList {
    rows: SortedChunks<ProjectRow>,
    version: EventTime,
}

/// All projects that were viewed.
#[derive(Debug, Default)]
pub(super) struct Projects {
    counts: HashMap<CompactString, ViewCount>,
    list: ProjectList,
}

impl ProjectList {
    /// The number of projects.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the counts last changed, 0 for never.
    pub fn version(&self) -> EventTime {
        self.version
    }

    /// All projects, by views descending, then by id.
    pub fn iter(&self) -> impl Iterator<Item = &ProjectRow> {
        self.rows.iter()
    }

    /// The projects after the one with these views and this id, which itself need not exist any more;
    /// all projects if it is `None`.
    pub(super) fn after(
        &self,
        last: Option<&(u64, CompactString)>,
    ) -> impl Iterator<Item = &ProjectRow> {
        let last = last.map(|(views, id)| (Reverse(*views), id));
        self.rows.iter_from(move |row| last.is_some_and(|last| row.order() <= last))
    }
}

impl Projects {
    /// Adds `more` to the counts of a project at `time`.
    pub(super) fn add(&mut self, id: CompactString, more: &ViewCount, time: EventTime) {
        let rows = &mut self.list.rows;
        let count = self.counts.entry_ref(&id).and_modify(|count| {
            rows.remove(&ProjectRow::new(id.clone(), *count));
        });
        let count = count.or_default();
        count.plus_equals(more);
        let count = *count;
        rows.insert(ProjectRow::new(id, count));
        self.list.version = time;
    }

    /// Sets the time of the last change.
    pub(super) fn set_version(&mut self, time: EventTime) {
        self.list.version = time;
    }

    /// The counts of a project, if it has any.
    pub(super) fn get(&self, id: &str) -> Option<ViewCount> {
        self.counts.get(id).copied()
    }

    /// All ids, unordered.
    pub(super) fn ids(&self) -> impl Iterator<Item = &CompactString> {
        self.counts.keys()
    }

    /// All projects in order.
    pub(super) fn list(&self) -> &ProjectList {
        &self.list
    }
}
