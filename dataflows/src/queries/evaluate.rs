//! Evaluation of a query on the traces of one worker.

use std::ops::ControlFlow::{self, Break, Continue};

use differential_dataflow::difference::Semigroup;
use hashbrown::HashSet;

use super::answer::{Answer, ClassSize};
use super::query::Query;
use crate::graph::Traces;
use crate::operators::BanTrace;
use crate::traces::read_trace;
use crate::values::{ClassId, EventTime, Name, Output, RaceId, RacerId, Record};

/// This worker's part of the answer as of time `at`, without the rows of racers who are banned at that
/// time.
pub(super) fn evaluate(query: &Query, traces: &mut Traces, at: EventTime) -> Answer {
    match query {
        Query::Board(class, second) => {
            let mut rows = Vec::new();
            read_class(traces, *class, at, |racer, record| {
                rows.extend(record.get(*second).map(|output| (racer, Output(output))));
            });
            Answer::Board(rows)
        }
        Query::ClassCurves(class) => {
            let mut rows = Vec::new();
            read_class(traces, *class, at, |racer, record| rows.push((racer, record)));
            Answer::ClassCurves(rows)
        }
        Query::BestCurve(class) => {
            let mut best = Record::default();
            read_class(traces, *class, at, |_, record| best.plus_equals(&record));
            Answer::BestCurve(best)
        }
        Query::Leaderboard(class) => leaderboard(traces, at, *class),
        Query::Curve(class, racer) => curve(traces, at, *class, *racer),
        Query::Racer(racer) => racer_classes(traces, at, *racer),
        Query::Results(class, races) => results(traces, at, *class, races),
        Query::Names(class, racers) => names(traces, at, *class, racers),
        Query::Classes => classes(traces, at),
        Query::Project(project) => {
            let mut count = None;
            read_trace(&mut traces.views, at, Some(project), |key, (), views| {
                count = (key == project).then_some(views);
                Break(())
            });
            Answer::Project(count)
        }
    }
}

fn leaderboard(traces: &mut Traces, at: EventTime, class: ClassId) -> Answer {
    let (banned, mut rows) = (banned(&mut traces.bans, at), Vec::new());
    read_trace(&mut traces.leaderboard, at, Some(&(class, 0)), |(key, racer), (), best| {
        let row = (!banned.contains(racer)).then_some((*racer, best));
        while_same(*key == class, || rows.extend(row))
    });
    Answer::Leaderboard(rows)
}

fn curve(traces: &mut Traces, at: EventTime, class: ClassId, racer: RacerId) -> Answer {
    let (key, mut curve) = ((class, racer), None);
    if is_banned(&mut traces.bans, racer, at) {
        return Answer::Curve(None);
    }
    read_trace(&mut traces.records, at, Some(&key), |found, (), record| {
        curve = (*found == key).then_some(record);
        Break(())
    });
    Answer::Curve(curve)
}

fn racer_classes(traces: &mut Traces, at: EventTime, racer: RacerId) -> Answer {
    let mut classes = Vec::new();
    // Curves are by class, then racer: seek from the racer's position in one class to that in the next.
    let is_shown = !is_banned(&mut traces.bans, racer, at);
    let mut position = is_shown.then_some((0, racer));
    while let Some(from) = position.take() {
        read_trace(&mut traces.records, at, Some(&from), |(class, other), (), _| {
            classes.extend((*other == racer).then_some(*class));
            let next = if *other < racer { Some(*class) } else { class.checked_add(1) };
            position = next.map(|class| (class, racer));
            Break(())
        });
    }
    let named = |class| (class, name(traces, at, (class, racer)));
    Answer::Racer(classes.into_iter().map(named).collect())
}

fn results(traces: &mut Traces, at: EventTime, class: ClassId, races: &[RaceId]) -> Answer {
    let mut rows = Vec::new();
    let banned = banned(&mut traces.bans, at);
    for race in races {
        let key = (class, *race);
        read_trace(&mut traces.results, at, Some(&key), |found, (racer, result), _| {
            let row = (!banned.contains(racer)).then(|| (*race, *racer, result.clone()));
            while_same(*found == key, || rows.extend(row))
        });
    }
    Answer::Results(rows)
}

fn names(traces: &mut Traces, at: EventTime, class: ClassId, racers: &[RacerId]) -> Answer {
    let named = |racer: &RacerId| Some((*racer, name(traces, at, (class, *racer))?.text));
    Answer::Names(racers.iter().filter_map(named).collect())
}

/// The name of a racer in a class.
fn name(traces: &mut Traces, at: EventTime, racer: (ClassId, RacerId)) -> Option<Name> {
    let mut found = None;
    read_trace(&mut traces.names, at, Some(&racer), |key, (), name| {
        found = (*key == racer).then_some(name);
        Break(())
    });
    found
}

fn classes(traces: &mut Traces, at: EventTime) -> Answer {
    let mut classes: Vec<(ClassId, ClassSize)> = Vec::new();
    let banned = banned(&mut traces.bans, at);
    read_trace(&mut traces.records, at, None, |(class, racer), (), record| {
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

/// Visits the record curves of a class by ascending racer, skipping banned racers.
fn read_class(
    traces: &mut Traces,
    class: ClassId,
    at: EventTime,
    mut visit: impl FnMut(RacerId, Record),
) {
    let banned = banned(&mut traces.bans, at);
    read_trace(&mut traces.records, at, Some(&(class, 0)), |(key, racer), (), record| {
        while_same(*key == class, || {
            if !banned.contains(racer) {
                visit(*racer, record);
            }
        })
    });
}

/// Calls `visit` and continues if `is_same`; otherwise breaks. It ends a visit after the rows of one
/// key.
fn while_same(is_same: bool, visit: impl FnOnce()) -> ControlFlow<()> {
    if !is_same {
        return Break(());
    }
    visit();
    Continue(())
}

/// The racers who are banned at time `at`.
fn banned(bans: &mut BanTrace, at: EventTime) -> HashSet<RacerId> {
    let mut banned = HashSet::new();
    read_trace(bans, at, None, |racer, (), _| {
        banned.insert(*racer);
        Continue(())
    });
    banned
}

/// Whether `racer` is banned at time `at`.
fn is_banned(bans: &mut BanTrace, racer: RacerId, at: EventTime) -> bool {
    let mut is_banned = false;
    read_trace(bans, at, Some(&racer), |key, (), _| {
        is_banned = *key == racer;
        Break(())
    });
    is_banned
}
