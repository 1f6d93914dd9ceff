//! What a cluster needs from the service that is one of its nodes.

use velodrome_dataflows::{Ban, EventTime, RacerId};

use super::message::{Plan, Ready};
use super::view::Report;
use crate::mesh::{Fate, Peer};

/// What the service does in a cluster.
pub trait Generations: Send + Sync + 'static {
    /// What the node has for the next generation. The cluster sets the numbers of generations.
    fn ready(&self) -> Ready;

    /// What the node reports of itself. It may wait for a checkpoint that is being written.
    fn report(&self) -> Report;

    /// Is part of a generation, connected to its `peers`, until `fate` has ended. Nothing of the
    /// generation is left when it returns.
    ///
    /// Calls `caught_up` when the generation is complete up to the present here. It returns true once it is on all
    /// nodes: then the generation answers reads. It returns false if the generation has ended.
    fn run(&self, plan: &Plan, peers: Vec<Option<Peer>>, fate: &Fate, caught_up: &dyn Fn() -> bool);

    /// Has the log advance to the present, although it may be idle.
    fn advance(&self);

    /// Makes a change of bans durable.
    ///
    /// # Errors
    /// Why it is not durable.
    fn persist(&self, ban: Ban) -> Result<(), String>;

    /// Makes a complete list of bans durable.
    ///
    /// # Errors
    /// Why it is not durable.
    fn persist_all(&self, racers: &[RacerId]) -> Result<(), String>;

    /// Applies all bans that are durable to the engine. Returns the time from which on all answers have them.
    ///
    /// # Errors
    /// Why they are not applied.
    fn apply(&self) -> Result<EventTime, String>;
}
