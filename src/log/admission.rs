//! The admission of batches: which lines the log accepts, decided in its order before it writes them.

use super::log_lines::LogLines;
use crate::ingest::rejection::Rejection;

/// Decides which lines of a batch the log accepts.
///
/// The log calls it on one thread, in the order of the log.
pub trait Admission<P>: Send {
    /// Decides on the lines of a batch, which have their arrivals. Removes what is rejected from
    /// `payload`, and returns the rejected lines by ascending index, from 0, with the reasons.
    fn admit(&mut self, lines: &LogLines, payload: &mut P) -> Vec<(usize, Rejection)>;

    /// The batches that were admitted since the last call of this or of `revoke` are durable.
    fn confirm(&mut self);

    /// The batches that were admitted since the last call of this or of `confirm` are not in the log.
    fn revoke(&mut self);

    /// All later batches arrive at `now_ms` or later.
    fn advance_to(&mut self, now_ms: u64);
}

/// Accepts all lines.
#[derive(Debug)]
pub struct AdmitAll;

impl<P> Admission<P> for AdmitAll {
    fn admit(&mut self, _: &LogLines, _: &mut P) -> Vec<(usize, Rejection)> {
        Vec::new()
    }

    fn confirm(&mut self) {}

    fn revoke(&mut self) {}

    fn advance_to(&mut self, _: u64) {}
}

/// A batch that is durable.
#[derive(Debug, PartialEq)]
pub struct Appended {
    /// The arrival of its last line.
    pub arrival_ms: u64,
    /// The lines that the log rejected, by ascending index.
    pub rejected: Vec<RejectedLine>,
}

/// A line that the log rejected.
#[derive(Debug, PartialEq)]
pub struct RejectedLine {
    /// Its index in the batch, from 0.
    pub index: usize,
    /// The text of its event.
    pub text: Vec<u8>,
    /// The reason.
    pub reason: Rejection,
}
