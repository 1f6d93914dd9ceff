//! The health of a service's components: faults, which make the service not ready, warnings, which last as
//! long as their cause, and notes, which an operator has to read.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::{error, info, warn};

/// The number of notes that are retained for each component; older ones are dropped.
const NOTES_MAX: usize = 16;

/// The health of all components. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<&'static str, Condition>>>);

/// The health of one component.
#[derive(Clone, Debug, Default)]
struct Condition {
    fault: Option<String>,
    warning: Option<String>,
    notes: Vec<String>,
}

/// A component of a service, which reports its health.
#[derive(Clone, Debug)]
pub struct Component {
    name: &'static str,
    health: Health,
}

impl Health {
    /// The component of this name. Two of the same name are the same component.
    pub fn component(&self, name: &'static str) -> Component {
        Component { name, health: self.clone() }
    }

    /// The faults that make the service not ready, each as `component: reason`, by component.
    pub fn faults(&self) -> Vec<String> {
        let components = self.lock();
        let faults = components
            .iter()
            .filter_map(|(name, condition)| Some((name, condition.fault.as_ref()?)));
        faults.map(|(name, fault)| format!("{name}: {fault}")).collect()
    }

    /// The warnings and notes for an operator, each as `component: note`, by component.
    pub fn notes(&self) -> Vec<String> {
        let components = self.lock();
        let notes = components.iter().flat_map(|(name, Condition { warning, notes, .. })| {
            warning.iter().chain(notes).map(move |note| (name, note))
        });
        notes.map(|(name, note)| format!("{name}: {note}")).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Condition>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Component {
    /// Reports that the component is failing for `reason` and will retry. A reason that differs from
    /// the previous one is logged.
    pub fn fail(&self, reason: impl Display) {
        let reason = reason.to_string();
        let mut components = self.health.lock();
        let condition = components.entry(self.name).or_default();
        if condition.fault.as_ref() != Some(&reason) {
            error!(component = self.name, reason, "component is failing; retrying");
            condition.fault = Some(reason);
            condition.warning = None;
        }
    }

    /// Reports that the component works with a restriction, until it works or fails. The start of a warning is
    /// logged.
    pub fn warn(&self, warning: impl Display) {
        let mut components = self.health.lock();
        let condition = components.entry(self.name).or_default();
        let warning = warning.to_string();
        if condition.fault.take().is_some() || condition.warning.is_none() {
            warn!(component = self.name, "{warning}");
        }
        condition.warning = Some(warning);
    }

    /// Reports that the component works. The end of a fault or a warning is logged.
    pub fn set_ok(&self) {
        let mut components = self.health.lock();
        let Some(condition) = components.get_mut(self.name) else { return };
        if condition.fault.take().is_some() | condition.warning.take().is_some() {
            info!(component = self.name, "component works again");
        }
    }

    /// Adds a note about an event that has lasting effects, and logs it as an error.
    pub fn note(&self, note: impl Display) {
        let note = note.to_string();
        error!(component = self.name, "{note}");
        let mut components = self.health.lock();
        let notes = &mut components.entry(self.name).or_default().notes;
        notes.push(note);
        let surplus = notes.len().saturating_sub(NOTES_MAX);
        notes.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_end_when_a_component_works_again_and_notes_stay() {
        let health = Health::default();
        let (source, archive) = (health.component("source"), health.component("archive"));
        source.set_ok();
        source.fail("no such stream");
        source.fail("no permission");
        archive.fail("no such bucket");
        source.note("a gap");
        assert_eq!(health.faults(), ["archive: no such bucket", "source: no permission"]);
        health.component("source").set_ok();
        assert_eq!(health.faults(), ["archive: no such bucket"]);
        assert_eq!(health.notes(), ["source: a gap"]);
    }

    #[test]
    fn a_warning_lasts_until_the_component_works_or_fails() {
        let health = Health::default();
        let clock = health.component("clock");
        clock.note("a step");
        for ahead in ["2 s ahead", "1 s ahead"] {
            clock.warn(ahead);
            let notes = [format!("clock: {ahead}"), "clock: a step".to_owned()];
            assert_eq!((health.notes(), health.faults().len()), (notes.to_vec(), 0));
        }
        clock.fail("no time");
        assert_eq!((health.notes().len(), health.faults().len()), (1, 1));
        clock.warn("1 s ahead");
        assert_eq!((health.notes().len(), health.faults().len()), (2, 0));
        clock.set_ok();
        assert_eq!((health.notes(), health.faults().len()), (vec!["clock: a step".to_owned()], 0));
    }

    #[test]
    fn only_the_newest_notes_are_retained() {
        let health = Health::default();
        (0..=NOTES_MAX).for_each(|number| health.component("source").note(number));
        let notes = health.notes();
        assert_eq!((notes.len(), notes[0].as_str()), (NOTES_MAX, "source: 1"));
    }
}
