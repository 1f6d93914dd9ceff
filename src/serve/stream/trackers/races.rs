//! `races:1` and `races`: the races of a class, or of all classes.

use std::collections::BTreeSet;
use std::mem;

use velodrome_dataflows::{ClassId, RaceId};

use crate::serve::reads::RaceRow;
use crate::serve::stream::change_tracker::{ChangeTracker, FrameKind, LiveUpdate};
use crate::serve::stream::message::Message;
use crate::serve::stream::payload::{Payload, RaceKey};

/// The maximum number of races in a snapshot: one page of the list of races.
const RACES_MAX: usize = 100;

pub(super) struct RacesTracker {
    /// `None` for all classes.
    class: Option<ClassId>,
    changed: BTreeSet<(ClassId, RaceId)>,
}

impl RacesTracker {
    pub(super) fn new(class: Option<ClassId>) -> Self {
        Self { class, changed: BTreeSet::new() }
    }
}

impl ChangeTracker for RacesTracker {
    fn observe(&mut self, update: &LiveUpdate<'_>) -> bool {
        let is_included =
            |(class, _): &&(ClassId, RaceId)| self.class.is_none_or(|own| own == *class);
        self.changed.extend(update.changed.races.iter().filter(is_included));
        !self.changed.is_empty()
    }

    fn take_changes(&mut self, update: &LiveUpdate<'_>) -> Option<(FrameKind, Message)> {
        let (mut rows, mut gone) = (Vec::new(), Vec::new());
        for (class_id, race_id) in mem::take(&mut self.changed) {
            match update.live.race(class_id, race_id) {
                Some(race) => rows.push(RaceRow::from(&race)),
                None => gone.push(RaceKey { class_id, race_id }),
            }
        }
        let has_changes = !rows.is_empty() || !gone.is_empty();
        let delta = || Message::delta(update.time, Payload::Races { rows, gone });
        has_changes.then(|| (FrameKind::Delta, delta()))
    }

    fn snapshot(&self, update: &LiveUpdate<'_>) -> Message {
        let races = update.live.races(self.class, None, RACES_MAX);
        let rows = races.iter().map(RaceRow::from).collect();
        Message::snapshot(update.time, Payload::Races { rows, gone: Vec::new() })
    }
}
