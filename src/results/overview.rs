//! The results at a glance, for a person at a terminal.

use std::fmt;

use super::Results;

/// A busy day has six classes; of more, the first are shown.
const CLASSES_SHOWN: usize = 12;

/// Shows each class's size and leader, and the most viewed project.
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
            // Of equals the smallest racer id, as boards rank them.
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
            writeln!(f, "most viewed: {project}, {} views", count.views)?;
        }
        Ok(())
    }
}
