//! Questions about what the arrangements hold at one time, and their answers.
//!
//! Each worker answers for its share; the parts are merged to the whole.

use std::cmp::Reverse;
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;

use compact_str::CompactString;
use differential_dataflow::difference::Semigroup;
use serde::{Deserialize, Serialize};

use crate::bans::{banned, is_banned};
use crate::curve::Record;
use crate::event::{ClassId, Clock, RaceId, RacerId};
use crate::graph::Traces;
use crate::leaderboard::BestFinal;
use crate::output::Output;
use crate::results::{RideResult, ridden};
use crate::traces::read;
use crate::views::ViewCount;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Query {
    /// The records of a class at a second (from 1).
    Board(ClassId, u16),
    /// The best final outputs of a class.
    Leaderboard(ClassId),
    /// All record curves of a class.
    History(ClassId),
    /// A racer's record curve in a class.
    Curve(ClassId, RacerId),
    /// The best record of any racer of a class at each second.
    Best(ClassId),
    /// A racer's name, and the classes that the racer has a record in.
    Racer(RacerId),
    /// The results of races of a class, each named once.
    Results(ClassId, Vec<RaceId>),
    /// The first so many of some races of a class in which a racer has a result.
    Ridden(ClassId, RacerId, Vec<RaceId>, usize),
    /// The names of racers.
    Names(Vec<RacerId>),
    /// How much there is of each class.
    Classes,
    /// A project's views.
    Project(CompactString),
    /// So many projects by views, then by id, behind the given one if one is given.
    Projects(Option<(u64, CompactString)>, usize),
}

/// The answer to the [`Query`] of the same name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Answer {
    /// Outputs descending, racers of equal ones ascending.
    Board(Vec<(RacerId, Output)>),
    /// Outputs descending, racers of equal ones ascending.
    Leaderboard(Vec<(RacerId, BestFinal)>),
    /// Racers ascending.
    History(Vec<(RacerId, Record)>),
    /// None where there is no record.
    Curve(Option<Record>),
    /// Empty where nobody has a record.
    Best(Record),
    /// Classes ascending, none of a racer who is banned.
    Racer(Option<CompactString>, Vec<ClassId>),
    /// Races ascending, racers of each ascending.
    Results(Vec<(RaceId, RacerId, Arc<RideResult>)>),
    /// In the order in which they were asked for.
    Ridden(Vec<RaceId>),
    /// Racers ascending, without those that have no name.
    Names(Vec<(RacerId, CompactString)>),
    /// Classes ascending.
    Classes(Vec<(ClassId, ClassSize)>),
    /// None where it was never viewed.
    Project(Option<ViewCount>),
    /// Views descending, ids of equal ones ascending.
    Projects(Vec<(CompactString, ViewCount)>),
}

/// How much there is of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClassSize {
    /// Distinct (second, racer) with a record.
    pub records: u64,
    /// Racers with a record.
    pub racers: u64,
}

impl Query {
    /// This worker's part of the answer, at time `at`: without the rows of racers who are
    /// banned then.
    pub(crate) fn answer(&self, traces: &mut Traces, at: Clock) -> Answer {
        match self {
            Self::Board(class, second) => {
                let mut rows = Vec::new();
                of_class(traces, *class, at, |racer, record| {
                    rows.extend(record.get(*second).map(|output| (racer, Output(output))));
                });
                Answer::Board(rows)
            }
            Self::History(class) => {
                let mut rows = Vec::new();
                of_class(traces, *class, at, |racer, record| rows.push((racer, record)));
                Answer::History(rows)
            }
            Self::Leaderboard(class) => {
                let (banned, mut rows) = (banned(&mut traces.bans, at), Vec::new());
                read(&mut traces.leaderboard, at, Some(&(*class, 0)), |(of, racer), (), best| {
                    let row = (!banned.contains(racer)).then_some((*racer, best));
                    while_same(of == class, || rows.extend(row))
                });
                Answer::Leaderboard(rows)
            }
            Self::Curve(class, racer) => {
                let (key, mut curve) = ((*class, *racer), None);
                if is_banned(&mut traces.bans, *racer, at) {
                    return Answer::Curve(None);
                }
                read(&mut traces.records, at, Some(&key), |of, (), record| {
                    curve = (*of == key).then_some(record);
                    Break(())
                });
                Answer::Curve(curve)
            }
            Self::Best(class) => {
                let mut best = Record::default();
                of_class(traces, *class, at, |_, record| best.plus_equals(&record));
                Answer::Best(best)
            }
            Self::Racer(racer) => {
                let (mut name, mut classes) = (None, Vec::new());
                read(&mut traces.names, at, Some(racer), |of, (), known| {
                    name = (of == racer).then_some(known.text);
                    Break(())
                });
                // From the racer's place in one class to that in the next: curves are by class, then racer.
                let is_shown = !is_banned(&mut traces.bans, *racer, at);
                let mut place = is_shown.then_some((0, *racer));
                while let Some(from) = place.take() {
                    read(&mut traces.records, at, Some(&from), |(class, other), (), _| {
                        classes.extend((other == racer).then_some(*class));
                        let next = if other < racer { Some(*class) } else { class.checked_add(1) };
                        place = next.map(|class| (class, *racer));
                        Break(())
                    });
                }
                Answer::Racer(name, classes)
            }
            Self::Results(class, races) => {
                let mut rows = Vec::new();
                let banned = banned(&mut traces.bans, at);
                for race in races {
                    let key = (*class, *race);
                    read(&mut traces.results, at, Some(&key), |of, (racer, result), _| {
                        let row =
                            (!banned.contains(racer)).then(|| (*race, *racer, result.clone()));
                        while_same(*of == key, || rows.extend(row))
                    });
                }
                Answer::Results(rows)
            }
            Self::Ridden(class, racer, races, limit) => {
                if is_banned(&mut traces.bans, *racer, at) {
                    return Answer::Ridden(Vec::new());
                }
                Answer::Ridden(ridden(&mut traces.results, at, (*class, *racer), races, *limit))
            }
            Self::Names(racers) => {
                let mut names = Vec::new();
                for racer in racers {
                    read(&mut traces.names, at, Some(racer), |of, (), name| {
                        names.extend((of == racer).then_some((*racer, name.text)));
                        Break(())
                    });
                }
                Answer::Names(names)
            }
            Self::Classes => {
                let mut classes: Vec<(ClassId, ClassSize)> = Vec::new();
                let banned = banned(&mut traces.bans, at);
                read(&mut traces.records, at, None, |(class, racer), (), record| {
                    if banned.contains(racer) {
                        return Continue(());
                    }
                    if classes.last().is_none_or(|(last, _)| last != class) {
                        classes.push((*class, ClassSize::default()));
                    }
                    if let Some((_, size)) = classes.last_mut() {
                        size.racers += 1;
                        size.records += record.outputs().count() as u64;
                    }
                    Continue(())
                });
                Answer::Classes(classes)
            }
            Self::Project(project) => {
                let mut count = None;
                read(&mut traces.views, at, Some(project), |of, (), views| {
                    count = (of == project).then_some(views);
                    Break(())
                });
                Answer::Project(count)
            }
            Self::Projects(behind, limit) => {
                let mut rows = Vec::new();
                let behind = behind.as_ref().map(|(views, id)| (Reverse(*views), id));
                read(&mut traces.views, at, None, |project, (), count| {
                    if behind.is_none_or(|behind| (Reverse(count.views), project) > behind) {
                        rows.push((project.clone(), count));
                    }
                    Continue(())
                });
                let mut answer = Answer::Projects(rows);
                answer.finish(*limit);
                answer
            }
        }
    }

    /// How many rows the answer has at most.
    pub(crate) fn limit(&self) -> usize {
        match self {
            Self::Projects(_, limit) => *limit,
            _ => usize::MAX,
        }
    }
}

impl Answer {
    /// Adds another worker's part. The rows are in order only once it is finished.
    pub(crate) fn add(&mut self, part: Self) {
        match (self, part) {
            (Self::Board(all), Self::Board(rows)) => all.extend(rows),
            (Self::Leaderboard(all), Self::Leaderboard(rows)) => all.extend(rows),
            (Self::History(all), Self::History(rows)) => all.extend(rows),
            (Self::Curve(all), Self::Curve(part)) => *all = all.take().or(part),
            (Self::Best(all), Self::Best(part)) => all.plus_equals(&part),
            (Self::Racer(name, all), Self::Racer(part, classes)) => {
                *name = name.take().or(part);
                all.extend(classes);
            }
            (Self::Results(all), Self::Results(rows)) => all.extend(rows),
            // Of one worker alone, where all rides of a racer are.
            (Self::Ridden(all), Self::Ridden(races)) => all.extend(races),
            (Self::Names(all), Self::Names(rows)) => all.extend(rows),
            (Self::Classes(all), Self::Classes(rows)) => {
                for (class, size) in rows {
                    match all.iter_mut().find(|(of, _)| *of == class) {
                        Some((_, sum)) => {
                            sum.records += size.records;
                            sum.racers += size.racers;
                        }
                        None => all.push((class, size)),
                    }
                }
            }
            (Self::Project(all), Self::Project(part)) => *all = all.take().or(part),
            (Self::Projects(all), Self::Projects(rows)) => all.extend(rows),
            // The parts of one query are of one kind.
            _ => {}
        }
    }

    /// Puts the rows in order, and keeps the first `limit`.
    pub(crate) fn finish(&mut self, limit: usize) {
        match self {
            Self::Board(rows) => rows.sort_unstable_by_key(|(racer, o)| (Reverse(*o), *racer)),
            Self::Leaderboard(rows) => {
                rows.sort_unstable_by_key(|(racer, best)| (Reverse(best.output), *racer));
            }
            Self::History(rows) => rows.sort_unstable_by_key(|(racer, _)| *racer),
            Self::Racer(_, classes) => classes.sort_unstable(),
            Self::Results(rows) => rows.sort_unstable_by_key(|(race, racer, _)| (*race, *racer)),
            Self::Names(rows) => rows.sort_unstable_by_key(|(racer, _)| *racer),
            Self::Classes(rows) => rows.sort_unstable_by_key(|(class, _)| *class),
            Self::Projects(rows) => {
                rows.sort_unstable_by(|(a, n), (b, m)| m.views.cmp(&n.views).then(a.cmp(b)));
                rows.truncate(limit);
            }
            Self::Curve(_) | Self::Best(_) | Self::Ridden(_) | Self::Project(_) => {}
        }
    }
}

/// Visits the record curves of a class, racers ascending, without those who are banned.
fn of_class(traces: &mut Traces, class: ClassId, at: Clock, mut take: impl FnMut(RacerId, Record)) {
    let banned = banned(&mut traces.bans, at);
    read(&mut traces.records, at, Some(&(class, 0)), |(of, racer), (), record| {
        while_same(*of == class, || {
            if !banned.contains(racer) {
                take(*racer, record);
            }
        })
    });
}

/// Goes on as long as the key is the one that was asked for.
fn while_same(is_same: bool, take: impl FnOnce()) -> ControlFlow<()> {
    if !is_same {
        return Break(());
    }
    take();
    Continue(())
}
