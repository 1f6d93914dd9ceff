//! Why the engine cannot answer.

use thiserror::Error;

/// Why a query or a command failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EngineError {
    /// The worker's command queue is full.
    #[error("the engine is busy; try again in a moment")]
    Busy,
    /// The node waits for the other nodes of its cluster.
    #[error("the cluster has no generation that runs; try again in a second")]
    NoGeneration,
    /// The workers have ended or are ending.
    #[error("the engine is stopping")]
    Stopped,
}
