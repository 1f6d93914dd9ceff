//! The last part of a comparison: writes the differences, and looks up the names that a summary needs.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use compact_str::CompactString;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::probe::Probe;
use timely::dataflow::operators::{Exchange, Inspect};
use timely::worker::Worker;
use velodrome_dataflows::{
    BoardDifferences, ClassId, ComparisonTraces, NameTrace, RacerId, board_differences, racer_names,
};

use crate::compare::{ChangeCollector, ChangeFiles, ClassChanges, Ranks, encode_board};

/// Writes the differences of all workers to `changes`, which is present on worker 0 only. Returns
/// `changes`, and the changes on this worker's boards that a summary mentions.
pub(super) fn write_differences(
    worker: &mut Worker,
    traces: [ComparisonTraces; 2],
    ranks: Ranks,
    changes: Option<ChangeFiles>,
) -> (Option<ChangeFiles>, BTreeMap<ClassId, ClassChanges>) {
    let changes = Rc::new(RefCell::new(changes));
    let collector = Rc::new(RefCell::new(ChangeCollector::default()));
    let (sink, collecting) = (Rc::clone(&changes), Rc::clone(&collector));
    let probe = worker.dataflow_named("Differences", |scope| {
        let write = move |board: BoardDifferences<'_>| {
            collecting.borrow_mut().add(board);
            encode_board(board, ranks)
        };
        board_differences(scope, traces, write)
            .inspect(move |(board, text)| {
                if let Some(changes) = sink.borrow_mut().as_mut() {
                    changes.push(*board, text);
                }
            })
            .probe()
            .0
    });
    worker.step_or_park_while(None, || !probe.done());
    (changes.take(), collector.take().into_classes())
}

/// The names of the racers that any worker lists, on worker 0.
pub(super) fn gather_names(
    worker: &mut Worker,
    traces: [NameTrace; 2],
    listed: BTreeSet<(ClassId, RacerId)>,
) -> BTreeMap<(ClassId, RacerId), CompactString> {
    let names = Rc::new(RefCell::new(BTreeMap::new()));
    let (sink, mut racers) = (Rc::clone(&names), InputHandle::new());
    let probe = worker.dataflow_named("Names", |scope| {
        racer_names(racers.to_stream(scope), traces)
            .exchange(|_| 0)
            .inspect(move |(racer, name)| {
                sink.borrow_mut().insert(*racer, name.text.clone());
            })
            .probe()
            .0
    });
    listed.into_iter().for_each(|racer| racers.send(racer));
    racers.close();
    worker.step_or_park_while(None, || !probe.done());
    names.take()
}
