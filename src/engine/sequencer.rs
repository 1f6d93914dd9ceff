//! The sequencer: puts the pieces that workers read back into the order of the source, gives each
//! event its clock and each piece its logical time, and keeps the dead letters in order.
//!
//! It runs on worker 0. Workers send it a report of each piece; it answers the piece's reader with
//! the clocks of its events, and all workers with the piece's time. Times follow from the order of
//! the pieces and their events alone, so every run over the same input has the same.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::Operator;

use super::clock::EventClock;
use super::piece::Report;
use super::plan::Plan;
use crate::ingest::dead_letters::DeadLetters;
use crate::ingest::inputs::Input;

/// What one worker is told of a piece.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// The worker that is told.
    to: usize,
    /// The logical time of the piece, in milliseconds of the event clock: greater than every
    /// earlier piece's, and not less than the clock of any event up to the piece's end.
    pub(super) time: u64,
    /// For the piece's reader, the clock at each of its `times`.
    pub(super) clocks: Option<Vec<u64>>,
    /// Whether nothing behind it counts any more, so that no more need be read.
    pub(super) is_last: bool,
}

/// What the sequencer counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) events: u64,
    pub(super) rejected: u64,
    pub(super) damaged: u64,
}

/// The state of the sequencer.
pub(super) struct Sequencer {
    plan: Arc<Plan>,
    peers: usize,
    pub(super) counts: Counts,
    /// Where rejected lines are kept; on worker 0 only.
    dead_letters: Option<DeadLetters>,
    clock: EventClock,
    /// The unit and piece that comes next, and reports that came before their turn.
    next: (usize, usize),
    early: BTreeMap<(usize, usize), (usize, Report)>,
    /// The input that is being read, and how many of its lines came before.
    input: usize,
    lines: u64,
    /// Pieces whose clocks are not all known, with their readers, and those clocks that are.
    waiting: VecDeque<(usize, Report)>,
    clocks: Vec<u64>,
    time: u64,
    /// Whether the clock has passed the time as of which the results are.
    has_passed: bool,
}

impl Sequencer {
    pub(super) fn new(plan: Arc<Plan>, peers: usize, dead_letters: Option<DeadLetters>) -> Self {
        Self {
            plan,
            peers,
            counts: Counts::default(),
            dead_letters,
            clock: EventClock::default(),
            next: (0, 0),
            early: BTreeMap::new(),
            input: 0,
            lines: 0,
            waiting: VecDeque::new(),
            clocks: Vec::new(),
            time: 0,
            has_passed: false,
        }
    }

    /// Takes worker `from`'s report of a piece, and appends to `stamps` what has become known.
    fn take(&mut self, from: usize, report: Report, stamps: &mut Vec<Stamp>) {
        self.early.insert((report.unit, report.piece), (from, report));
        while !self.has_passed
            && let Some((from, report)) = self.early.remove(&self.next)
        {
            self.next = match report.last {
                true => (report.unit + 1, 0),
                false => (report.unit, report.piece + 1),
            };
            self.clocks.reserve(report.times.len());
            for mark in &report.times {
                match *mark {
                    Report::BREAK => self.clock.pass(&mut self.clocks),
                    mark => self.clock.push(Report::reading(mark), &mut self.clocks),
                }
            }
            self.waiting.push_back((from, report));
            self.stamp(stamps);
        }
    }

    /// Tells of what still waits: no more reports come.
    fn finish(&mut self, stamps: &mut Vec<Stamp>) {
        self.clock.settle(&mut self.clocks);
        self.stamp(stamps);
    }

    /// Ends the dead letters, where they are kept.
    ///
    /// # Errors
    /// The first that could not be kept.
    pub(super) fn finish_letters(&mut self) -> io::Result<()> {
        self.dead_letters.take().map_or(Ok(()), DeadLetters::finish)
    }

    /// Counts the report's lines up to the time as of which the results are, and keeps those that were rejected.
    fn keep(&mut self, report: &Report, clocks: &[u64]) {
        let Some(unit) = self.plan.units.get(report.unit) else { return };
        if unit.input != self.input {
            (self.input, self.lines) = (unit.input, 0);
        }
        let file = self.plan.inputs.get(unit.input).map(Input::name);
        let mut rejects = report.rejects.iter();
        for (mark, clock) in report.times.iter().zip(clocks) {
            if *clock > self.plan.until() {
                break;
            }
            let reject = Report::is_rejected(*mark).then(|| rejects.next()).flatten();
            let Some(reject) = reject else {
                self.counts.events += 1;
                continue;
            };
            match reject.damage {
                true => self.counts.damaged += 1,
                false => self.counts.rejected += 1,
            }
            if let (Some(letters), Some(file)) = (&mut self.dead_letters, &file) {
                letters.keep(file, self.lines + reject.line + 1, &reject.reason, &reject.bytes);
            }
        }
        self.lines += report.lines;
    }

    fn stamp(&mut self, stamps: &mut Vec<Stamp>) {
        while !self.has_passed
            && let Some((from, report)) =
                self.waiting.pop_front_if(|(_, report)| report.times.len() <= self.clocks.len())
        {
            let later = self.clocks.split_off(report.times.len());
            let clocks = mem::replace(&mut self.clocks, later);
            self.keep(&report, &clocks);
            let end = clocks.iter().max().copied().unwrap_or(0);
            self.time = end.max(self.time + 1);
            self.has_passed = end > self.plan.until();
            let (time, is_last) = (self.time, self.has_passed);
            let others = (0..self.peers).filter(|to| *to != from);
            stamps.extend(others.map(|to| Stamp { to, time, clocks: None, is_last }));
            stamps.push(Stamp { to: from, time, clocks: Some(clocks), is_last });
        }
    }
}

/// The end of the stamps' way: its output is its frontier alone.
type NoOutput = CapacityContainerBuilder<Vec<()>>;

/// Where a worker finds what it was told, in the order of time.
pub(super) type Stamps = Rc<RefCell<VecDeque<Stamp>>>;

/// Wires `sequencer` between the reports of all workers, each with its sender, and the stamps of
/// this one. The stream that it returns ends when all workers were told everything.
pub(super) fn sequence<'scope>(
    reports: Stream<'scope, u64, Vec<(usize, Report)>>,
    sequencer: Rc<RefCell<Sequencer>>,
    stamps: Stamps,
) -> Stream<'scope, u64, Vec<()>> {
    reports
        .unary_frontier(Exchange::new(|_| 0), "Sequencer", move |capability, _| {
            // Nothing here has a time: the one capability is for whenever an answer is known.
            let mut capability = Some(capability);
            let mut told = Vec::new();
            move |(input, frontier), output| {
                let mut sequencer = sequencer.borrow_mut();
                input.for_each(|_, reports| {
                    for (from, report) in reports.drain(..) {
                        sequencer.take(from, report, &mut told);
                    }
                });
                if frontier.is_empty() {
                    sequencer.finish(&mut told);
                }
                if let Some(capability) = &capability {
                    output.session(capability).give_iterator(told.drain(..));
                }
                if frontier.is_empty() {
                    capability = None;
                }
            }
        })
        .unary::<NoOutput, _, _, _>(
            Exchange::new(|stamp: &Stamp| stamp.to as u64),
            "Stamps",
            move |_, _| {
                move |input, _| input.for_each(|_, told| stamps.borrow_mut().extend(told.drain(..)))
            },
        )
}
