//! The sources of all topics except standings. They record changes at each tick and build a frame when
//! one is due.

use std::collections::BTreeSet;

use compact_str::CompactString;
use velodrome_dataflows::{ClassId, EventTime, RaceId};

use super::draft::{Board, Body, Draft, RaceKey, Tree};
use super::standings::StandingsSource;
use super::tick::{Place, Source, Tick};
use super::topic::Topic;
use crate::live_state::LiveTables;
use crate::serve::firebase::Path;
use crate::serve::reads::{Project, RaceRow};

/// Number of races in a snapshot: one page of the list of races.
const RACES_MAX: usize = 100;

impl Topic {
    /// Creates the source of the topic.
    pub(super) fn source(&self) -> Box<dyn Source + Sync> {
        match self {
            Self::Standings(class) => Box::new(StandingsSource::new(*class)),
            Self::Board(class) => Box::new(BoardSource { class: *class, shown: None }),
            Self::Views(project) => {
                Box::new(ViewsSource { project: project.clone(), changed: BTreeSet::new() })
            }
            Self::Races(class) => Box::new(RacesSource { class: *class, changed: BTreeSet::new() }),
            Self::Stats => Box::new(StatsSource { sent: 0 }),
            Self::Tree(path) => {
                Box::new(TreeSource { path: path.clone(), changed: BTreeSet::new(), leaf: None })
            }
        }
    }
}

/// Sends snapshots only: most rows of a board change from one second to the next.
struct BoardSource {
    class: ClassId,
    /// Race and second of the last frame, and the version of its records.
    shown: Option<(Option<(RaceId, u16)>, EventTime)>,
}

impl BoardSource {
    fn at(&self, live: &LiveTables) -> (Option<(RaceId, u16)>, EventTime) {
        let race = live.running_race(self.class);
        let at = race.and_then(|race| Some((race, live.median_second(self.class, race)?)));
        (at, at.map_or(0, |_| live.versions(self.class).records))
    }
}

impl Source for BoardSource {
    fn note(&mut self, tick: &Tick<'_>) -> bool {
        let Some((shown, records)) = self.shown else { return true };
        let running = tick.live.running_race(self.class);
        let is_ridden = |race| tick.touched.rides.contains_key(&(self.class, race));
        running != shown.map(|(race, _)| race)
            || running.is_some_and(is_ridden)
            || running.is_some() && tick.live.versions(self.class).records != records
    }

    fn next(&mut self, tick: &Tick<'_>) -> Option<(Place, Draft)> {
        let at = self.at(tick.live);
        (self.shown.replace(at) != Some(at)).then(|| (Place::Begin, self.snapshot(tick)))
    }

    fn snapshot(&self, tick: &Tick<'_>) -> Draft {
        let (at, _) = self.at(tick.live);
        Draft::snapshot(tick.time, Body::Board(Board::new(self.class, at)))
    }
}

struct ViewsSource {
    project: Option<CompactString>,
    changed: BTreeSet<CompactString>,
}

impl Source for ViewsSource {
    fn note(&mut self, tick: &Tick<'_>) -> bool {
        let viewed = &tick.touched.projects;
        match &self.project {
            Some(project) => self.changed.extend(viewed.get(project).cloned()),
            None => self.changed.extend(viewed.iter().cloned()),
        }
        !self.changed.is_empty()
    }

    fn next(&mut self, tick: &Tick<'_>) -> Option<(Place, Draft)> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        let rows: Vec<_> = changed.filter_map(|id| project(tick.live, id)).collect();
        let is_news = !rows.is_empty();
        is_news.then(|| (Place::Push, Draft::delta(tick.time, Body::Views { rows })))
    }

    fn snapshot(&self, tick: &Tick<'_>) -> Draft {
        let rows = match &self.project {
            Some(id) => project(tick.live, id.clone()).into_iter().collect(),
            None => {
                tick.live.projects().map(|(id, count)| Project::new(id.clone(), *count)).collect()
            }
        };
        Draft::snapshot(tick.time, Body::Views { rows })
    }
}

fn project(live: &LiveTables, id: CompactString) -> Option<Project> {
    let count = live.project(&id)?;
    Some(Project::new(id, count))
}

struct RacesSource {
    class: Option<ClassId>,
    changed: BTreeSet<(ClassId, RaceId)>,
}

impl Source for RacesSource {
    fn note(&mut self, tick: &Tick<'_>) -> bool {
        let is_ours = |(class, _): &&(ClassId, RaceId)| self.class.is_none_or(|own| own == *class);
        self.changed.extend(tick.touched.races.iter().filter(is_ours));
        !self.changed.is_empty()
    }

    fn next(&mut self, tick: &Tick<'_>) -> Option<(Place, Draft)> {
        let (mut rows, mut gone) = (Vec::new(), Vec::new());
        for (class_id, race_id) in std::mem::take(&mut self.changed) {
            match tick.live.race(class_id, race_id) {
                Some(race) => rows.push(RaceRow::from(&race)),
                None => gone.push(RaceKey { class_id, race_id }),
            }
        }
        let is_news = !rows.is_empty() || !gone.is_empty();
        is_news.then(|| (Place::Push, Draft::delta(tick.time, Body::Races { rows, gone })))
    }

    fn snapshot(&self, tick: &Tick<'_>) -> Draft {
        let races = tick.live.races(self.class, None, RACES_MAX);
        let rows = races.iter().map(RaceRow::from).collect();
        Draft::snapshot(tick.time, Body::Races { rows, gone: Vec::new() })
    }
}

struct StatsSource {
    /// Number of the last measurement that was sent.
    sent: u64,
}

impl Source for StatsSource {
    fn note(&mut self, tick: &Tick<'_>) -> bool {
        self.sent != tick.second
    }

    fn next(&mut self, tick: &Tick<'_>) -> Option<(Place, Draft)> {
        self.sent = tick.second;
        Some((Place::Begin, self.snapshot(tick)))
    }

    fn snapshot(&self, tick: &Tick<'_>) -> Draft {
        Draft::snapshot(tick.time, Body::Stats(tick.stats.clone()))
    }
}

struct TreeSource {
    path: Path,
    changed: BTreeSet<CompactString>,
    /// The last value sent, if the path is a single counter. The project's other counter can change alone.
    leaf: Option<u64>,
}

impl Source for TreeSource {
    fn note(&mut self, tick: &Tick<'_>) -> bool {
        let is_there = |project: &&CompactString| self.path.has(project);
        self.changed.extend(tick.touched.projects.iter().filter(is_there).cloned());
        !self.changed.is_empty()
    }

    fn next(&mut self, tick: &Tick<'_>) -> Option<(Place, Draft)> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        let counts = changed.filter_map(|id| Some((tick.live.project(&id)?, id)));
        let counts: Vec<_> = counts.map(|(count, id)| (id, count)).collect();
        let leaf = counts.first().and_then(|(_, count)| self.path.leaf(*count));
        let is_same = leaf.is_some() && std::mem::replace(&mut self.leaf, leaf) == leaf;
        let is_news = !counts.is_empty() && !is_same;
        let body = Body::Tree(Tree::Changes(self.path.clone(), counts));
        is_news.then(|| (Place::Push, Draft::delta(tick.time, body)))
    }

    fn snapshot(&self, tick: &Tick<'_>) -> Draft {
        let counts = self.path.counts(tick.live);
        Draft::snapshot(tick.time, Body::Tree(Tree::Whole(self.path.clone(), counts)))
    }
}
