//! Lines that the admission rejects are not in the log, and its decisions are revoked if the write fails.

use std::io::ErrorKind;
use std::sync::{Mutex, PoisonError};

use super::faults::Disk;
use super::*;
use crate::ingest::rejection::Rejection;

/// Rejects odd numbers. Records its calls.
#[derive(Clone, Default)]
struct EvenOnly(Arc<Mutex<Vec<String>>>);

impl EvenOnly {
    fn record(&self, call: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Admission<Vec<u64>> for EvenOnly {
    fn admit(&mut self, lines: &LogLines, numbers: &mut Vec<u64>) -> Vec<(usize, Rejection)> {
        self.record(format!("admit {numbers:?} at {}", lines.arrival(0) - START_MS));
        let is_odd = |at: &usize| numbers[*at] % 2 == 1;
        let odd: Vec<_> = (0..lines.len()).filter(is_odd).collect();
        numbers.retain(|number| number % 2 == 0);
        odd.into_iter().map(|at| (at, Rejection::TooManyRides(7))).collect()
    }

    fn confirm(&mut self) {
        self.record("confirm".to_owned());
    }

    fn revoke(&mut self) {
        self.record("revoke".to_owned());
    }

    fn advance_to(&mut self, _: u64) {}
}

type Sent = oneshot::Receiver<Result<Appended, AppendError>>;

fn send(log: &Log<Vec<u64>>, numbers: &[u64]) -> Sent {
    log.append(lines(numbers.iter().copied()), numbers.to_vec()).unwrap()
}

#[test]
fn rejected_lines_are_returned_and_neither_written_nor_delivered() {
    let root = tempfile::tempdir().unwrap();
    let (sender, delivered) = mpsc::channel();
    let (admission, opened) =
        (EvenOnly::default(), open(root.path(), Clock::manual(START_MS).0).unwrap());
    let deliver = move |delivery| _ = sender.send(delivery);
    let log = opened.start(component(), admission.clone(), deliver).unwrap();
    for (numbers, even, odd) in [
        (&[1, 2, 3, 4][..], &[2, 4][..], &[(0, 1), (2, 3)][..]),
        (&[5], &[], &[(0, 5)]),
        (&[6], &[6], &[]),
    ] {
        let appended = send(&log, numbers).blocking_recv().unwrap().unwrap();
        let rejected = odd.iter().map(|(index, number)| RejectedLine {
            index: *index,
            text: format!("{{\"number\":{number}}}").into_bytes(),
            reason: Rejection::TooManyRides(7),
        });
        assert_eq!(appended, Appended { arrival_ms: START_MS, rejected: rejected.collect() });
        let payload = even.to_vec();
        let batch = Delivery::Batch { first_arrival: START_MS, last_arrival: START_MS, payload };
        let is_advance = |delivery: &_| matches!(delivery, Delivery::Advance(_));
        assert_eq!(delivered.iter().find(|delivery| !is_advance(delivery)), Some(batch));
        assert_eq!(admission.calls(), [format!("admit {numbers:?} at 0"), "confirm".to_owned()]);
    }
    log.close();
    assert_eq!(logged_events(root.path()), [2, 4, 6].map(|number| (number, START_MS)));
}

#[test]
fn a_batch_without_accepted_lines_creates_no_segment() {
    let root = tempfile::tempdir().unwrap();
    let opened = open(root.path(), Clock::manual(START_MS).0).unwrap();
    let log = opened.start(component(), EvenOnly::default(), |_| ()).unwrap();
    assert_eq!(send(&log, &[1, 3]).blocking_recv().unwrap().unwrap().rejected.len(), 2);
    log.close();
    assert_eq!(files(&root.path().join("log")), Vec::<PathBuf>::new());
}

#[test]
fn a_failed_write_revokes_what_its_group_was_admitted() {
    let root = tempfile::tempdir().unwrap();
    let admission = EvenOnly::default();
    let opened = open(root.path(), Clock::manual(START_MS).0).unwrap();
    let create = Disk::new([0], ErrorKind::StorageFull).create();
    let log = opened.start_on(create, component(), admission.clone(), |_| ()).unwrap();
    assert_eq!(
        send(&log, &[2, 3]).blocking_recv().unwrap(),
        Err(AppendError::Unavailable(Obstacle::DiskFull))
    );
    assert_eq!(admission.calls(), ["admit [2, 3] at 0", "revoke"]);
    send(&log, &[2, 3]).blocking_recv().unwrap().unwrap();
    assert_eq!(admission.calls(), ["admit [2, 3] at 0", "confirm"]);
    log.close();
    assert_eq!(logged_events(root.path()), [(2, START_MS)]);
}

#[test]
fn a_checkpoint_does_not_cover_a_segment_that_has_no_events() {
    let root = tempfile::tempdir().unwrap();
    let opened = open(root.path(), Clock::manual(START_MS).0).unwrap();
    let positions = opened.positions();
    // The disk is full after the segment was created. The next start removes the segment.
    let create = Disk::new([1], ErrorKind::StorageFull).create();
    let log = opened.start_on(create, component(), EvenOnly::default(), |_| ()).unwrap();
    send(&log, &[2]).blocking_recv().unwrap().unwrap_err();
    send(&log, &[1, 3]).blocking_recv().unwrap().unwrap();
    assert_eq!(positions.take_until(u64::MAX), None);
    log.close();
}
