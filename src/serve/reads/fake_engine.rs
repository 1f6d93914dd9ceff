//! A fake engine for tests: fixed answers, and a live state that matches them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, TryRecvError};
use std::sync::{Arc, Mutex};
use std::thread;

use compact_str::CompactString;
use tokio::sync::{self, watch};
use velodrome_dataflows::{
    Answer, BestFinal, ClassSize, Curve, EventTime, Name, Output, Query, RideResult, Rules, Stage,
    Standing, ViewCount,
};

use super::ReadState;
use crate::engine::{Command, CommandReceiver, Engine, command_channel};
use crate::live_state::{LiveChange, LiveState};
use crate::serve::answers::AnswerBudget;

/// Time 5,000 is complete. Races last 3 seconds. Race 7 of class 1 is over, and race 9 of class 2 is
/// running.
pub(in crate::serve) struct FakeEngine {
    engine: Engine,
    live_state: Arc<LiveState>,
    complete: watch::Sender<EventTime>,
    queries: Arc<Mutex<Vec<Query>>>,
    gate: Arc<sync::Mutex<()>>,
    drops_replies: Arc<AtomicBool>,
}

/// The thread that answers queries.
struct Worker {
    complete: watch::Receiver<EventTime>,
    /// All queries so far.
    queries: Arc<Mutex<Vec<Query>>>,
    /// Locked while the engine is paused.
    gate: Arc<sync::Mutex<()>>,
    drops_replies: Arc<AtomicBool>,
}

impl Worker {
    /// Answers until the sender of commands is dropped.
    fn run(self, commands: &CommandReceiver) {
        loop {
            let command = match commands.try_recv() {
                Ok(command) => command,
                Err(TryRecvError::Empty) => {
                    thread::park();
                    continue;
                }
                Err(TryRecvError::Disconnected) => return,
            };
            let Command::Query(query, reply) = command else { unreachable!() };
            self.queries.lock().unwrap().push(query.clone());
            drop(self.gate.blocking_lock());
            if self.drops_replies.load(Ordering::Acquire) {
                continue;
            }
            let as_of = *self.complete.borrow();
            // The receiver may be dropped.
            reply.send((as_of, answer(query))).unwrap_or_default();
        }
    }
}

impl FakeEngine {
    pub(in crate::serve) fn new() -> Self {
        let (complete, completed) = watch::channel(5_000);
        let worker = Worker {
            complete: completed.clone(),
            queries: Arc::default(),
            gate: Arc::default(),
            drops_replies: Arc::default(),
        };
        let (queries, gate) = (Arc::clone(&worker.queries), Arc::clone(&worker.gate));
        let drops_replies = Arc::clone(&worker.drops_replies);
        let (started, commands) = mpsc::channel();
        thread::spawn(move || {
            let (commands, receiver) = command_channel();
            started.send(commands).unwrap();
            worker.run(&receiver);
        });
        let commands = commands.recv().unwrap();
        let live_state = Arc::new(LiveState::default());
        live_state.apply(4_000, initial_changes());
        let engine = Engine::new(vec![commands], completed, Arc::clone(&live_state));
        let engine = engine.with_rules(Rules { race_seconds: 3, ..Rules::default() });
        Self { engine, live_state, complete, queries, gate, drops_replies }
    }

    pub(in crate::serve) fn engine(&self) -> Engine {
        self.engine.clone()
    }

    /// Reads of this engine.
    pub(in crate::serve) fn reads(&self) -> ReadState {
        ReadState::new(self.engine(), AnswerBudget::new(1 << 30))
    }

    pub(in crate::serve) fn live_state(&self) -> &LiveState {
        &self.live_state
    }

    /// All queries so far, in order.
    pub(in crate::serve) fn queries(&self) -> Vec<Query> {
        self.queries.lock().unwrap().clone()
    }

    /// Pauses the engine until the guard is dropped.
    pub(in crate::serve) fn pause(&self) -> sync::MutexGuard<'_, ()> {
        self.gate.try_lock().unwrap()
    }

    /// Whether to drop queries without an answer from now on.
    pub(in crate::serve) fn drop_replies(&self, drops_replies: bool) {
        self.drops_replies.store(drops_replies, Ordering::Release);
    }

    /// Applies `changes` at `time`, and completes that time.
    pub(in crate::serve) fn tick(&self, time: EventTime, changes: Vec<LiveChange>) {
        self.live_state.apply(time, changes);
        self.complete.send(time).unwrap();
    }
}

fn initial_changes() -> Vec<LiveChange> {
    let finished = |racer| LiveChange::Stage((1, 7, racer), Stage::Finished { started_at: 1_000 });
    let running = |racer, second, output, name: Option<&str>| {
        let name = name.map(CompactString::from);
        let standing = Standing { second, output: Output(output), name, started_at: 2_000 };
        LiveChange::Stage((2, 9, racer), Stage::Running(standing, vec![(second, Output(output))]))
    };
    let rides =
        [running(11, 2, 20.0, None), running(4, 3, 30.0, None), running(12, 3, 20.0, Some("Bo"))];
    (1..=3).map(finished).chain(rides).collect()
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
        Query::BestCurve(1) => {
            let mut curve = Curve::default();
            curve.raise(2, 30.0);
            Answer::BestCurve(curve.into())
        }
        Query::BestCurve(_) => Answer::BestCurve(Curve::default().into()),
        Query::Racer(4) => {
            let name = |at, text: &str| Some(Name { at, text: text.into() });
            Answer::Racer(vec![(1, name(2, "Zoë")), (2, name(1, "Zora")), (3, None)])
        }
        Query::Racer(_) => Answer::Racer(Vec::new()),
        Query::Results(1, races) if races.contains(&7) => Answer::Results(vec![
            (7, 1, result(Some("Ada"), Some(9.0), 10.0, 15.0)),
            (7, 2, result(None, None, 20.0, 20.0)),
            (7, 3, result(None, Some(9.0), 12.5, 12.5)),
        ]),
        Query::Results(..) => Answer::Results(Vec::new()),
        Query::Names(_, racers) => {
            let names = [(1, "Ada".into()), (4, "Zoë".into())];
            Answer::Names(names.into_iter().filter(|(racer, _)| racers.contains(racer)).collect())
        }
        Query::Classes => Answer::Classes(vec![(1, ClassSize { records: 6, racers: 5 })]),
        Query::Project(project) => {
            let mut projects = projects().into_iter();
            Answer::Project(projects.find(|(id, _)| *id == project).map(|(_, count)| count))
        }
        Query::ClassCurves(_) => unreachable!(),
    }
}

fn result(name: Option<&str>, last: Option<f64>, best: f64, total: f64) -> Arc<RideResult> {
    let name = name.map(CompactString::from);
    let (best, total) = (Output(best), Output(total));
    Arc::new(RideResult { name, final_output: last.map(Output), best, total, seconds: 2 })
}

/// The projects that have answers. The live state has none of them at first.
pub(in crate::serve) fn projects() -> Vec<(CompactString, ViewCount)> {
    let count = |views, duration_ms| ViewCount { views, duration_ms };
    vec![("trailer".into(), count(8, 0)), ("a/é".into(), count(3, 7)), ("b".into(), count(3, 0))]
}
