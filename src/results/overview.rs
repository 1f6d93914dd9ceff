//! An overview of the results for the terminal.

use std::fmt;

use super::run_results::Results;
use crate::terminal::Printable;

/// Maximum number of classes shown. A busy day has six.
const CLASSES_SHOWN: usize = 12;

/// Displays the size and leader of each class, and the most viewed project.
pub struct Overview<'a>(pub &'a Results);

impl fmt::Display for Overview<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Results { records, leaderboard, views, .. } = self.0;
        if !records.is_empty() {
            writeln!(f, "class   racers  best final output")?;
        }
        for (class, racers) in records.iter().take(CLASSES_SHOWN) {
            write!(f, "{class:>5} {:>8}", racers.len())?;
            let bests = leaderboard.get(class).into_iter().flatten();
            // On equal outputs, the smallest racer id leads, as on boards.
            if let Some((racer, best)) =
                bests.max_by_key(|(racer, b)| (b.output, u32::MAX - **racer))
            {
                write!(f, "  {:.2} by racer {racer} in race {}", best.output.0, best.race)?;
            }
            writeln!(f)?;
        }
        if records.len() > CLASSES_SHOWN {
            writeln!(f, "  and {} more classes", records.len() - CLASSES_SHOWN)?;
        }
        if let Some((project, count)) = views.iter().max_by_key(|(_, count)| count.views) {
            writeln!(f, "most viewed: {}, {} views", Printable(project), count.views)?;
        }
        Ok(())
    }
}
