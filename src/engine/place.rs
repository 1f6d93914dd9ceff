//! The place of a process among those that run the workers of an engine.

/// The place of a process among those that run the workers.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The index of this process.
    pub process: usize,
    /// The number of processes.
    pub processes: usize,
    /// The number of workers of each process.
    pub workers: usize,
}

impl Place {
    /// A process that runs all `workers`.
    pub(super) fn alone(workers: usize) -> Self {
        Self { process: 0, processes: 1, workers }
    }

    /// The first worker of each process. They update the state that readers see.
    pub(super) fn first_workers(self) -> impl Iterator<Item = usize> {
        (0..self.processes).map(move |process| process * self.workers)
    }
}
