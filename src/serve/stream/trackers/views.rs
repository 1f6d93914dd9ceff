//! `views:PROJECT` and `views:*`: the view counts of a project, or of all projects.

use std::collections::BTreeSet;
use std::mem;

use compact_str::CompactString;

use crate::live_state::LiveTables;
use crate::serve::reads::Project;
use crate::serve::stream::change_tracker::{ChangeTracker, FrameKind, LiveUpdate};
use crate::serve::stream::message::Message;
use crate::serve::stream::payload::Payload;

pub(super) struct ViewsTracker {
    /// `None` for all projects.
    project: Option<CompactString>,
    changed: BTreeSet<CompactString>,
}

impl ViewsTracker {
    pub(super) fn new(project: Option<CompactString>) -> Self {
        Self { project, changed: BTreeSet::new() }
    }
}

impl ChangeTracker for ViewsTracker {
    fn observe(&mut self, update: &LiveUpdate<'_>) -> bool {
        let changed = &update.changed.projects;
        match &self.project {
            Some(project) => self.changed.extend(changed.get(project).cloned()),
            None => self.changed.extend(changed.iter().cloned()),
        }
        !self.changed.is_empty()
    }

    fn take_changes(&mut self, update: &LiveUpdate<'_>) -> Option<(FrameKind, Message)> {
        let changed = mem::take(&mut self.changed).into_iter();
        let rows: Vec<_> = changed.filter_map(|id| row(update.live, id)).collect();
        let has_rows = !rows.is_empty();
        let delta = || Message::delta(update.time, Payload::Views { rows });
        has_rows.then(|| (FrameKind::Delta, delta()))
    }

    fn snapshot(&self, update: &LiveUpdate<'_>) -> Message {
        let payload = match &self.project {
            Some(id) => Payload::Views { rows: row(update.live, id.clone()).into_iter().collect() },
            None => Payload::AllViews { rows: update.live.project_list() },
        };
        Message::snapshot(update.time, payload)
    }
}

fn row(live: &LiveTables, id: CompactString) -> Option<Project> {
    let count = live.project(&id)?;
    Some(Project::new(id, count))
}
