//! What is acknowledged is there, in order, with arrivals that never go back.

use std::thread;

use super::*;

#[test]
fn what_eight_threads_were_told_is_durable_is_there_after_a_crash_and_after_a_close() {
    let root = tempfile::tempdir().unwrap();
    let (log, delivered) = start(root.path(), Clock::system());
    // Batch b is the events 3 b to 3 b + 2.
    let append_batch = |batch: u64| {
        let numbers = batch * 3..batch * 3 + 3;
        let answer = log.append(lines(numbers.clone()), batch).unwrap();
        let arrival = answer.blocking_recv().unwrap().unwrap();
        numbers.map(move |number| (number, arrival))
    };
    let acknowledged = thread::scope(|scope| {
        let append = |first| (first..first + 50).flat_map(append_batch).collect::<Vec<_>>();
        let threads =
            [0, 50, 100, 150, 200, 250, 300, 350].map(|first| scope.spawn(move || append(first)));
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let crashed = copy(root.path());
    log.close();

    let found = recovered(root.path());
    assert_eq!(recovered(crashed.path()), found);
    assert!(found.is_sorted_by_key(|(_, arrival)| arrival));
    let batches = delivered.iter().filter_map(|delivery| match delivery {
        Delivery::Batch { arrival, payload, .. } => Some((payload * 3, arrival)),
        Delivery::Advance(_) => None,
    });
    assert!(batches.eq(found.iter().copied().step_by(3)));
    let mut sorted = found;
    sorted.sort();
    assert_eq!(sorted, acknowledged);
}

#[test]
fn batches_that_come_while_one_is_written_are_one_group() {
    let root = tempfile::tempdir().unwrap();
    let (clock, time) = Clock::manual(START_MS);
    let (entered, is_entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel();
    let deliver = move |delivery| {
        if let Delivery::Batch { payload: 0, .. } = delivery {
            entered.send(()).unwrap();
            may_leave.recv().unwrap();
        }
    };
    let log: Log<u64> = open(root.path(), clock).unwrap().start(part(), deliver).unwrap();
    let first = log.append(lines([0]), 0).unwrap();
    is_entered.recv_timeout(PATIENCE).unwrap();
    time.set(START_MS + 5);
    let second = log.append(lines([1]), 1).unwrap();
    let third = log.append(lines([2]), 2).unwrap();
    time.set(START_MS + 6);
    leave.send(()).unwrap();
    let arrivals = [first, second, third].map(|answer| answer.blocking_recv().unwrap());
    assert_eq!(arrivals, [Ok(START_MS), Ok(START_MS + 6), Ok(START_MS + 6)]);
    log.close();
}

#[test]
fn arrivals_never_go_back_when_the_clock_does_nor_after_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let (clock, time) = Clock::manual(START_MS);
    let (log, _delivered) = start(root.path(), clock);
    assert_eq!(append(&log, 0), Ok(START_MS));
    time.set(START_MS + 3);
    assert_eq!(append(&log, 1), Ok(START_MS + 3));
    time.set(START_MS - 3_600_000);
    assert_eq!(append(&log, 2), Ok(START_MS + 3));
    log.close();

    let clock = Clock::manual(START_MS - 3_600_000).0;
    assert_eq!(open(root.path(), clock.clone()).unwrap().last_arrival(), Some(START_MS + 3));
    let (log, _delivered) = start(root.path(), clock);
    assert_eq!(append(&log, 3), Ok(START_MS + 3));
    log.close();
    let expected = [(0, START_MS), (1, START_MS + 3), (2, START_MS + 3), (3, START_MS + 3)];
    assert_eq!(recovered(root.path()), expected);
}

#[test]
fn a_closed_log_has_committed_what_was_queued_and_takes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (log, delivered) = start(root.path(), Clock::system());
    let other = log.clone();
    let answers: Vec<_> =
        (0..100).map(|number| log.append(lines([number]), number).unwrap()).collect();
    log.close();
    assert!(answers.into_iter().all(|answer| answer.blocking_recv().unwrap().is_ok()));
    assert_eq!(append(&other, 100), Err(AppendError::Closed));
    assert!(recovered(root.path()).iter().map(|(number, _)| *number).eq(0..100));
    assert!(matches!(delivered.iter().last(), Some(Delivery::Advance(_))));
}

#[test]
fn a_log_without_handles_ends() {
    let root = tempfile::tempdir().unwrap();
    let (log, delivered) = start(root.path(), Clock::manual(START_MS).0);
    let answer = log.append(lines([7]), 7).unwrap();
    drop(log);
    assert_eq!(answer.blocking_recv().unwrap(), Ok(START_MS));
    while delivered.recv_timeout(PATIENCE) != Err(mpsc::RecvTimeoutError::Disconnected) {}
}

#[test]
fn a_delivery_that_panics_poisons_the_log_and_leaves_nobody_waiting() {
    let root = tempfile::tempdir().unwrap();
    let deliver = |delivery| assert!(matches!(delivery, Delivery::Advance(_)), "as it is to");
    let log: Log<u64> = open(root.path(), Clock::system()).unwrap().start(part(), deliver).unwrap();
    assert!(log.append(lines([0]), 0).unwrap().blocking_recv().is_err());
    // The answer is gone just before the log is poisoned: joining the writer is what tells.
    let other = log.clone();
    log.close();
    let reason = "the writer panicked".to_owned();
    assert_eq!(append(&other, 1), Err(AppendError::Poisoned(reason.clone())));
    assert_eq!(other.health(), Health::Poisoned(reason));
}

#[test]
fn lines_keep_arrivals_of_their_own_unless_the_log_is_past_them() {
    let root = tempfile::tempdir().unwrap();
    let (clock, source) = Clock::system().followed();
    let (log, delivered) = start(root.path(), clock);
    let append_at = |arrivals: &[u64]| {
        let mut lines = Lines::new();
        for ms in arrivals {
            lines.push_at(format!("{{\"number\":{ms}}}").as_bytes(), START_MS + ms);
        }
        log.append(lines, arrivals[0]).unwrap().blocking_recv().unwrap()
    };
    assert_eq!(append_at(&[1_000, 1_500, 1_400]), Ok(START_MS + 1_500));
    // The end of a tick may have been told by then.
    let late = append_at(&[200, 5_000]);
    assert_eq!(late, Ok(START_MS + 5_000));
    // What arrives here arrives when the log is there, the source or not.
    assert!(append(&log, 1).unwrap() - (START_MS + 5_000) <= TICK_MS + 1);
    source.reach(START_MS + 9_000);
    assert_eq!(append(&log, 2), Ok(START_MS + 9_000));
    log.close();

    let found = recovered(root.path());
    assert!(found.is_sorted_by_key(|(_, arrival)| arrival), "{found:?}");
    let passed = |at: usize| found[at].1 - START_MS;
    assert_eq!([0, 1, 2, 4, 6].map(passed), [1_000, 1_500, 1_500, 5_000, 9_000]);
    assert!((1_500..=1_511).contains(&passed(3)), "{found:?}");
    let batches = delivered.iter().filter_map(|delivery| match delivery {
        Delivery::Batch { from, arrival, .. } => Some((from - START_MS, arrival - START_MS)),
        Delivery::Advance(_) => None,
    });
    let spans = [(1_000, 1_500), (passed(3), 5_000), (passed(5), passed(5)), (9_000, 9_000)];
    assert_eq!(batches.collect::<Vec<_>>(), spans);
}
