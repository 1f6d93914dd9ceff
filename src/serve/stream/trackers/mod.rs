//! The change tracker of each kind of topic.

mod board;
mod races;
mod standings;
mod stats;
mod tree;
mod views;

use self::board::BoardTracker;
use self::races::RacesTracker;
use self::standings::StandingsTracker;
use self::stats::StatsTracker;
use self::tree::TreeTracker;
use self::views::ViewsTracker;
use super::change_tracker::ChangeTracker;
use super::topic::Topic;

/// The tracker of a topic that has not reported anything yet.
pub(super) fn tracker(topic: &Topic) -> Box<dyn ChangeTracker> {
    match topic {
        Topic::Standings(class) => Box::new(StandingsTracker::new(*class)),
        Topic::Board(class) => Box::new(BoardTracker::new(*class)),
        Topic::Views(project) => Box::new(ViewsTracker::new(project.clone())),
        Topic::Races(class) => Box::new(RacesTracker::new(*class)),
        Topic::Stats => Box::new(StatsTracker::new()),
        Topic::Tree(path) => Box::new(TreeTracker::new(path.clone())),
    }
}
