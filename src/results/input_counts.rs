//! What a run read, as text for the terminal.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use indicatif::HumanCount;
use velodrome_dataflows::EventTime;

use crate::ingest::missing_segments::MissingSegments;
use crate::ingest::rejections::Rejections;

/// Displays the counts of accepted events, rejected lines and damaged inputs,
/// with the reasons.
#[derive(Clone, Copy, Debug)]
pub struct InputCounts<'a> {
    /// Events accepted.
    pub events: u64,
    /// Lines rejected.
    pub rejected: u64,
    /// Inputs that could not be read to their end.
    pub damaged: u64,
    /// Why lines were rejected, and which inputs are damaged.
    pub rejections: &'a Rejections,
    /// Segments of a service's log that are missing among the inputs.
    pub missing: &'a [MissingSegments],
}

impl InputCounts<'_> {
    /// The exit status of the run: 1 if an input is damaged, or if lines were rejected and none accepted.
    pub fn status(&self) -> u8 {
        u8::from(self.damaged > 0 || (self.events == 0 && self.rejected > 0))
    }
}

impl fmt::Display for InputCounts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, rejected, damaged, rejections, missing } = *self;
        writeln!(f, "events    {:>14}", HumanCount(events).to_string())?;
        writeln!(f, "rejected  {:>14}", HumanCount(rejected).to_string())?;
        write!(f, "{rejections}")?;
        let dead_letters = rejected + damaged;
        let (written, all) = (HumanCount(rejections.written), HumanCount(dead_letters));
        if rejections.written < dead_letters {
            writeln!(f, "  rejected.jsonl has {written} of {all}: of repeated reasons only some")?;
        } else if rejected > 0 {
            writeln!(f, "  rejected.jsonl has all of them")?;
        }
        if damaged > 0 {
            writeln!(f, "damaged   {:>14}", HumanCount(damaged).to_string())?;
            write!(f, "{}", rejections.display_damaged())?;
        }
        for gap in missing {
            writeln!(f, "missing   {gap}")?;
        }
        Ok(())
    }
}

/// Displays the time that results are as of.
pub fn display_as_of(as_of: Option<EventTime>) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        match as_of.and_then(|ms| UNIX_EPOCH.checked_add(Duration::from_millis(ms))) {
            Some(time) => write!(f, "as of     {}", humantime::format_rfc3339_millis(time)),
            None => write!(f, "as of     the last event"),
        }
    })
}
