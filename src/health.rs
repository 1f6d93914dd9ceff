//! What the parts of a service say of themselves: faults, which keep it from being ready, and notes,
//! which an operator must hear of.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::{error, info};

/// How many notes a part keeps; of more, the last ones.
const NOTES_MAX: usize = 16;

/// The parts of a service, and what each says; clones are handles of the same.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<&'static str, Condition>>>);

/// What a part says.
#[derive(Clone, Debug, Default)]
struct Condition {
    fault: Option<String>,
    notes: Vec<String>,
}

/// A part of a service, which tells how it is.
#[derive(Clone, Debug)]
pub struct Part {
    name: &'static str,
    health: Health,
}

impl Health {
    /// The part of this name; two of one name are the same part.
    pub fn part(&self, name: &'static str) -> Part {
        Part { name, health: self.clone() }
    }

    /// What keeps the service from being ready, each `name: reason`, in the order of names.
    pub fn faults(&self) -> Vec<String> {
        let told = self.lock();
        let faults = told.iter().filter_map(|(name, told)| Some((name, told.fault.as_ref()?)));
        faults.map(|(name, fault)| format!("{name}: {fault}")).collect()
    }

    /// What an operator must hear of, each `name: note`, in the order of names.
    pub fn notes(&self) -> Vec<String> {
        let told = self.lock();
        let notes = told.iter().flat_map(|(name, told)| told.notes.iter().map(move |n| (name, n)));
        notes.map(|(name, note)| format!("{name}: {note}")).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Condition>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// It fails for `reason`, and tries again; logged where the reason is another one than before.
    pub fn fail(&self, reason: impl Display) {
        let reason = reason.to_string();
        let mut told = self.health.lock();
        let condition = told.entry(self.name).or_default();
        if condition.fault.as_ref() != Some(&reason) {
            error!(part = self.name, reason, "fails; trying again");
            condition.fault = Some(reason);
        }
    }

    /// It works, again or still.
    pub fn well(&self) {
        let mut told = self.health.lock();
        let recovered = told.get_mut(self.name).and_then(|condition| condition.fault.take());
        if recovered.is_some() {
            info!(part = self.name, "works again");
        }
    }

    /// Something happened that stays true; logged as an error.
    pub fn note(&self, note: impl Display) {
        let note = note.to_string();
        error!(part = self.name, note, "note");
        let mut told = self.health.lock();
        let notes = &mut told.entry(self.name).or_default().notes;
        notes.push(note);
        let surplus = notes.len().saturating_sub(NOTES_MAX);
        notes.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_go_when_a_part_works_again_and_notes_stay() {
        let health = Health::default();
        let (source, archive) = (health.part("source"), health.part("archive"));
        source.well();
        source.fail("no such stream");
        source.fail("no permission");
        archive.fail("no such bucket");
        source.note("a gap");
        assert_eq!(health.faults(), ["archive: no such bucket", "source: no permission"]);
        health.part("source").well();
        assert_eq!(health.faults(), ["archive: no such bucket"]);
        assert_eq!(health.notes(), ["source: a gap"]);
    }

    #[test]
    fn no_more_notes_are_kept_than_the_bound() {
        let health = Health::default();
        (0..=NOTES_MAX).for_each(|number| health.part("source").note(number));
        let notes = health.notes();
        assert_eq!((notes.len(), notes[0].as_str()), (NOTES_MAX, "source: 1"));
    }
}
