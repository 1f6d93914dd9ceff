//! The last part of a comparison: writes the differences, and looks up the names that a summary needs.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use compact_str::CompactString;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::probe::Probe;
use timely::dataflow::operators::{Exchange, Inspect};
use velodrome_dataflows::{
    BoardDifferences, ClassId, ComparisonTraces, NameTrace, RacerId, board_differences, racer_names,
};

use super::run::{RunError, RunWorker};
use crate::compare::{ChangeCollector, ChangeFiles, ClassChanges, Ranks, encode_board};

/// Writes the differences of all workers to `changes`, which is present on worker 0 only. Returns
/// `changes`, and the changes on this worker's boards that a summary mentions.
///
/// # Errors
/// When the run has failed.
pub(super) fn write_differences(
    worker: &mut RunWorker<'_>,
    traces: [ComparisonTraces; 2],
    ranks: Ranks,
    changes: Option<ChangeFiles>,
) -> Result<(Option<ChangeFiles>, BTreeMap<ClassId, ClassChanges>), RunError> {
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
    worker.complete(&probe)?;
    Ok((changes.take(), collector.take().into_classes()))
}

/// The names of the racers that any worker lists, on worker 0.
///
/// # Errors
/// When the run has failed.
pub(super) fn gather_names(
    worker: &mut RunWorker<'_>,
    traces: [NameTrace; 2],
    listed: BTreeSet<(ClassId, RacerId)>,
) -> Result<BTreeMap<(ClassId, RacerId), CompactString>, RunError> {
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
    worker.complete(&probe)?;
    Ok(names.take())
}
