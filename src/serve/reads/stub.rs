//! An engine of fixed data, and a live state to go with it.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, TryRecvError};
use std::sync::{Arc, Mutex};
use std::thread;

use compact_str::CompactString;
use tokio::sync::{self, watch};
use velodrome_dataflows::{
    Answer, BestFinal, ClassSize, Clock, Curve, Output, Query, RideResult, Rules, Stage, Standing,
    ViewCount,
};

use crate::engine::{Command, Engine, Mailbox};
use crate::feeds::{FeedChange, Feeds};

/// Time 5,000 is complete, races take 3 seconds. Race 7 of class 1 is over, race 9 of class 2 is running.
pub(in crate::serve) struct Stub {
    engine: Engine,
    feeds: Arc<Feeds>,
    complete: watch::Sender<Clock>,
    asked: Arc<Mutex<Vec<Query>>>,
    gate: Arc<sync::Mutex<()>>,
    refuses: Arc<AtomicBool>,
}

impl Stub {
    pub(in crate::serve) fn new() -> Self {
        let (complete, completed) = watch::channel(5_000);
        let asked = Arc::<Mutex<Vec<Query>>>::default();
        let gate = Arc::<sync::Mutex<()>>::default();
        let refuses = Arc::new(AtomicBool::new(false));
        let (started, mailbox) = mpsc::channel();
        thread::spawn({
            let (completed, asked, gate) = (completed.clone(), asked.clone(), gate.clone());
            let refuses = Arc::clone(&refuses);
            move || {
                let (mailbox, inbox) = Mailbox::new();
                started.send(mailbox).unwrap();
                loop {
                    let command = match inbox.take() {
                        Ok(command) => command,
                        Err(TryRecvError::Empty) => {
                            thread::park();
                            continue;
                        }
                        Err(TryRecvError::Disconnected) => return,
                    };
                    let Command::Ask(query, reply) = command else { unreachable!() };
                    asked.lock().unwrap().push(query.clone());
                    drop(gate.blocking_lock());
                    if refuses.load(Ordering::Acquire) {
                        continue;
                    }
                    let at = *completed.borrow();
                    // Who asked may have gone.
                    reply.send((at, answer(query))).unwrap_or_default();
                }
            }
        });
        let mailbox = mailbox.recv().unwrap();
        let feeds = Arc::new(Feeds::default());
        feeds.apply(4_000, live());
        let engine = Engine::new(vec![mailbox], completed, Arc::clone(&feeds));
        let engine = engine.under(Rules { race_seconds: 3, ..Rules::default() });
        Self { engine, feeds, complete, asked, gate, refuses }
    }

    pub(in crate::serve) fn engine(&self) -> Engine {
        self.engine.clone()
    }

    pub(in crate::serve) fn feeds(&self) -> &Feeds {
        &self.feeds
    }

    /// The queries so far.
    pub(in crate::serve) fn asked(&self) -> Vec<Query> {
        self.asked.lock().unwrap().clone()
    }

    /// No query is answered while the guard lives.
    pub(in crate::serve) fn hold(&self) -> sync::MutexGuard<'_, ()> {
        self.gate.try_lock().unwrap()
    }

    /// Whether queries are left without an answer from now on.
    pub(in crate::serve) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Release);
    }

    /// The tick `time`, complete with all that changed in it.
    pub(in crate::serve) fn tick(&self, time: Clock, changes: Vec<FeedChange>) {
        self.feeds.apply(time, changes);
        self.complete.send(time).unwrap();
    }
}

fn live() -> Vec<FeedChange> {
    let over = |racer| FeedChange::Stage((1, 7, racer), Stage::Over { began: 1_000 });
    let rides = |racer, second, output, name: Option<&str>| {
        let name = name.map(CompactString::from);
        let standing = Standing { second, output: Output(output), name, began: 2_000 };
        FeedChange::Stage((2, 9, racer), Stage::Running(standing, vec![(second, Output(output))]))
    };
    let runs = [rides(11, 2, 20.0, None), rides(4, 3, 30.0, None), rides(12, 3, 20.0, Some("Bo"))];
    (1..=3).map(over).chain(runs).collect()
}

fn answer(query: Query) -> Answer {
    match query {
        Query::Board(1, _) => {
            let rows = [(4, 30.0), (2, 20.5), (3, 20.5), (1, 10.0), (5, 0.0)];
            Answer::Board(rows.map(|(racer, output)| (racer, Output(output))).into())
        }
        Query::Board(..) => Answer::Board(Vec::new()),
        Query::Leaderboard(1) => {
            let best = |output, race| BestFinal { output: Output(output), race, at: 1_000 };
            Answer::Leaderboard(vec![(2, best(50.0, 7)), (1, best(40.25, 8))])
        }
        Query::Leaderboard(_) => Answer::Leaderboard(Vec::new()),
        Query::Curve(1, 4) => {
            let mut curve = Curve::default();
            curve.raise(2, 30.0);
            curve.raise(3, 0.0);
            Answer::Curve(Some(curve.into()))
        }
        Query::Curve(..) => Answer::Curve(None),
        Query::Best(1) => {
            let mut curve = Curve::default();
            curve.raise(2, 30.0);
            Answer::Best(curve.into())
        }
        Query::Best(_) => Answer::Best(Curve::default().into()),
        Query::Racer(racer) => match racer {
            4 => Answer::Racer(Some("Zoë".into()), vec![1, 2]),
            _ => Answer::Racer(None, Vec::new()),
        },
        Query::Results(1, races) if races.contains(&7) => Answer::Results(vec![
            (7, 1, result(Some("Ada"), Some(9.0), 10.0, 15.0)),
            (7, 2, result(None, None, 20.0, 20.0)),
            (7, 3, result(None, Some(9.0), 12.5, 12.5)),
        ]),
        Query::Results(..) => Answer::Results(Vec::new()),
        Query::Ridden(1, 1..=3, races, _) if races.contains(&7) => Answer::Ridden(vec![7]),
        Query::Ridden(..) => Answer::Ridden(Vec::new()),
        Query::Names(racers) => {
            let names = [(1, "Ada".into()), (4, "Zoë".into())];
            Answer::Names(names.into_iter().filter(|(racer, _)| racers.contains(racer)).collect())
        }
        Query::Classes => Answer::Classes(vec![(1, ClassSize { records: 6, racers: 5 })]),
        Query::Project(project) => {
            let mut projects = projects().into_iter();
            Answer::Project(projects.find(|(id, _)| *id == project).map(|(_, count)| count))
        }
        Query::Projects(behind, limit) => {
            let order = |id: &CompactString, views: u64| (Reverse(views), id.clone());
            let behind = behind.map(|(views, id)| order(&id, views));
            let mut rows = projects();
            rows.retain(|(id, count)| behind.as_ref() < Some(&order(id, count.views)));
            rows.truncate(limit);
            Answer::Projects(rows)
        }
        Query::History(_) => unreachable!(),
    }
}

fn result(name: Option<&str>, last: Option<f64>, best: f64, total: f64) -> Arc<RideResult> {
    let name = name.map(CompactString::from);
    let (best, total) = (Output(best), Output(total));
    Arc::new(RideResult { name, final_output: last.map(Output), best, total, seconds: 2 })
}

fn projects() -> Vec<(CompactString, ViewCount)> {
    let count = |views, duration_ms| ViewCount { views, duration_ms };
    vec![("trailer".into(), count(8, 0)), ("a/é".into(), count(3, 7)), ("b".into(), count(3, 0))]
}
