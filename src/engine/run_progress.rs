//! The progress bar of a run, on a terminal.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};

use crate::ingest::inputs::{Input, Origin};

/// The bytes read and events decoded by this process, drawn on standard error if it is a terminal.
#[derive(Clone, Debug)]
pub struct RunProgress {
    /// Counts the bytes read from the inputs, before decompression.
    pub(super) bytes: ProgressBar,
    events: Arc<AtomicU64>,
}

impl RunProgress {
    /// Starts to draw the progress through `inputs`, including the total size if all sizes are known.
    pub fn start(inputs: &[Input]) -> Self {
        let events = Arc::new(AtomicU64::new(0));
        let is_known =
            |input: &Input| !matches!(input.origin, Origin::Stream(_) | Origin::Parts(_));
        let known = inputs.iter().all(is_known);
        let (bytes, template) = if known {
            let total = inputs.iter().map(|input| input.bytes).sum();
            (ProgressBar::new(total), "{wide_bar} {bytes}/{total_bytes} {rate} {eta} left")
        } else {
            (ProgressBar::new_spinner(), "{spinner} {bytes} {rate}")
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            let events = Arc::clone(&events);
            let rate = move |state: &ProgressState, out: &mut dyn Write| {
                let seconds = state.elapsed().as_secs_f64().max(0.001);
                let rate = events.load(Ordering::Relaxed) as f64 / seconds;
                // A closed terminal must not fail the run.
                write!(out, "{} events/s", HumanCount(rate as u64)).unwrap_or_default();
            };
            bytes.set_style(style.with_key("rate", rate));
        }
        bytes.enable_steady_tick(Duration::from_millis(200));
        Self { bytes, events }
    }

    /// Adds decoded events.
    pub(super) fn count_events(&self, events: usize) {
        self.events.fetch_add(events as u64, Ordering::Relaxed);
    }

    /// Removes the progress bar.
    pub fn finish(&self) {
        self.bytes.finish_and_clear();
    }
}
