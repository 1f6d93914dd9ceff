//! The report of a check, printed line by line.

use std::fmt::Display;
use std::io::{self, Write};

use crate::terminal::Printable;

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything that was checked is complete and undamaged.
    Undamaged,
    /// Something is damaged or missing.
    Damaged,
    /// Something could not be read, so it is unknown whether it is damaged.
    Unread,
}

/// A report that is printed while the check runs.
pub(super) struct Report<'a> {
    out: &'a mut dyn Write,
    findings: u64,
    unread: u64,
}

impl<'a> Report<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, findings: 0, unread: 0 }
    }

    /// Prints what one kind of files has.
    pub(super) fn kind(&mut self, kind: &str, counts: impl Display) -> io::Result<()> {
        self.line(format_args!("{kind:<13} {counts}"))
    }

    /// Prints what is damaged or missing.
    pub(super) fn finding(&mut self, finding: impl Display) -> io::Result<()> {
        self.findings += 1;
        self.line(format_args!("  {finding}"))
    }

    /// Prints what could not be read.
    pub(super) fn unread(&mut self, error: impl Display) -> io::Result<()> {
        self.unread += 1;
        self.line(format_args!("  not checked: {error}"))
    }

    /// Prints the number of findings, and returns the outcome.
    pub(super) fn finish(mut self) -> io::Result<Outcome> {
        let (findings, unread) = (self.findings, self.unread);
        let outcome = match (findings, unread) {
            (0, 0) => Outcome::Undamaged,
            (_, 0) => Outcome::Damaged,
            _ => Outcome::Unread,
        };
        match outcome {
            Outcome::Undamaged => self.line("no damage found")?,
            Outcome::Damaged => self.line(format_args!("findings: {findings}"))?,
            Outcome::Unread => {
                self.line(format_args!("findings: {findings}, not checked: {unread}"))?;
            }
        }
        Ok(outcome)
    }

    fn line(&mut self, line: impl Display) -> io::Result<()> {
        writeln!(self.out, "{}", Printable(&line.to_string()))
    }
}
