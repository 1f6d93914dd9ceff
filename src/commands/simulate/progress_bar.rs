//! The progress bar of a simulation.

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

/// A progress bar on standard error, which is hidden if that is not a terminal. It has no length if the
/// number of lines is unknown.
pub(super) fn progress_bar(lines: Option<u64>) -> ProgressBar {
    let template = match lines {
        Some(_) => "{wide_bar} {human_pos} of {human_len} events, {per_sec}, {eta} left {msg}",
        None => "{spinner} {human_pos} events, {per_sec} {msg}",
    };
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = lines.map_or_else(ProgressBar::no_length, ProgressBar::new);
    bar.with_style(style).with_finish(ProgressFinish::AndClear)
}
