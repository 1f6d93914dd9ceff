//! A path of the Firebase tree.

use std::collections::BTreeSet;
use std::mem;

use compact_str::CompactString;

use crate::serve::firebase_tree::TreePath;
use crate::serve::stream::change_tracker::{ChangeTracker, FrameKind, LiveUpdate};
use crate::serve::stream::message::Message;
use crate::serve::stream::payload::{Payload, TreePayload};

pub(super) struct TreeTracker {
    path: TreePath,
    changed: BTreeSet<CompactString>,
    /// The reported value, if the path is a single counter. It may stay the same while the project's
    /// other counter changes.
    reported_counter: Option<u64>,
}

impl TreeTracker {
    pub(super) fn new(path: TreePath) -> Self {
        Self { path, changed: BTreeSet::new(), reported_counter: None }
    }
}

impl ChangeTracker for TreeTracker {
    fn observe(&mut self, update: &LiveUpdate<'_>) -> bool {
        let is_included = |project: &&CompactString| self.path.includes(project);
        self.changed.extend(update.changed.projects.iter().filter(is_included).cloned());
        !self.changed.is_empty()
    }

    fn take_changes(&mut self, update: &LiveUpdate<'_>) -> Option<(FrameKind, Message)> {
        let changed = mem::take(&mut self.changed).into_iter();
        let counts = changed.filter_map(|id| Some((update.live.project(&id)?, id)));
        let counts: Vec<_> = counts.map(|(count, id)| (id, count)).collect();
        let counter = counts.first().and_then(|(_, count)| self.path.counter(*count));
        let is_same =
            counter.is_some() && mem::replace(&mut self.reported_counter, counter) == counter;
        let has_changes = !counts.is_empty() && !is_same;
        let payload = TreePayload::Changes(self.path.clone(), counts);
        let delta = || Message::delta(update.time, Payload::Tree(payload));
        has_changes.then(|| (FrameKind::Delta, delta()))
    }

    fn snapshot(&self, update: &LiveUpdate<'_>) -> Message {
        let payload = TreePayload::Snapshot(self.path.clone(), self.path.counts(update.live));
        Message::snapshot(update.time, Payload::Tree(payload))
    }
}
