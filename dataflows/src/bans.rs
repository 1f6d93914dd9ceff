//! Bans: racers whom no answer tells of, from the time of their ban until it is lifted.
//!
//! What they rode stays in all arrangements, so that lifting a ban brings it back at once.

use std::ops::ControlFlow::{Break, Continue};

use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::implementations::{KeyBatcher, KeySpine};
use hashbrown::HashSet;
use serde::{Deserialize, Serialize};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;

use crate::Arrangement;
use crate::change::Change;
use crate::event::{Clock, RacerId};
use crate::rides::select;
use crate::traces::read;

/// A change of who is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ban {
    /// Who.
    pub racer: RacerId,
    /// Banned from now on; else no longer.
    pub is_banned: bool,
}

impl Ban {
    /// As a difference of who is banned.
    pub(crate) fn diff(self) -> isize {
        if self.is_banned { 1 } else { -1 }
    }
}

/// Banned racers.
pub type BanTrace = TraceAgent<KeySpine<RacerId, Clock, isize>>;

/// Arranges the banned racers, all of them on every worker.
pub fn bans<'scope>(changes: Stream<'scope, Clock, Vec<Change>>) -> Arrangement<'scope, BanTrace> {
    let updates = select(changes, "BanChanges", |change, time| match change {
        Change::Ban(ban) => Some(((ban.racer, ()), time, ban.diff())),
        _ => None,
    });
    arrange_core(updates, Pipeline, "Bans", KeyBatcher::new)
}

/// Who is banned at time `at`.
pub(crate) fn banned(bans: &mut BanTrace, at: Clock) -> HashSet<RacerId> {
    let mut banned = HashSet::new();
    read(bans, at, None, |racer, (), _| {
        banned.insert(*racer);
        Continue(())
    });
    banned
}

/// Whether `racer` is banned at time `at`.
pub(crate) fn is_banned(bans: &mut BanTrace, racer: RacerId, at: Clock) -> bool {
    let mut is_banned = false;
    read(bans, at, Some(&racer), |of, (), _| {
        is_banned = *of == racer;
        Break(())
    });
    is_banned
}
