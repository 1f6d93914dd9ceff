//! Bans: racers who are hidden from answers until their ban is lifted.
//!
//! Their records and results stay in all arrangements, so that lifting a ban restores them at once.

use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::implementations::{KeyBatcher, KeySpine};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;

use super::arrangement::Arrangement;
use super::select::select_updates;
use crate::values::{Change, EventTime, RacerId};

/// The trace of [`bans`]: banned racers.
pub type BanTrace = TraceAgent<KeySpine<RacerId, EventTime, isize>>;

/// Arranges the banned racers, from [`Change::Ban`].
///
/// Changes are not exchanged: the rides operator emits bans on every worker, so each worker has the
/// complete list.
///
/// ```
/// use timely::dataflow::operators::{Capture, ToStream, capture::Extract};
/// use velodrome_dataflows::{Ban, Change, bans};
///
/// let arranged = timely::example(|scope| {
///     let ban = |racer, is_banned| Change::Ban(Ban { racer, is_banned });
///     let changes = vec![ban(5, true), ban(6, true), ban(5, false)].to_stream(scope);
///     bans(changes).as_collection(|racer, ()| *racer).inner.capture()
/// });
/// assert_eq!(arranged.extract(), [(0, vec![(6, 0, 1)])]);
/// ```
pub fn bans<'scope>(
    changes: Stream<'scope, EventTime, Vec<Change>>,
) -> Arrangement<'scope, BanTrace> {
    let updates = select_updates(changes, "BanChanges", |change, time| match change {
        Change::Ban(ban) => Some(((ban.racer, ()), time, ban.diff())),
        _ => None,
    });
    arrange_core(updates, Pipeline, "Bans", KeyBatcher::new)
}
