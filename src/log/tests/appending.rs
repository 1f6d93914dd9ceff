//! Acknowledged events are in the log, in order, with arrivals that never decrease.

use std::thread;

use rand::SeedableRng;
use rand_pcg::Pcg64;

use super::*;
use crate::disk::tests::simulated::Disk;

#[test]
fn acknowledged_events_are_in_the_log_after_a_crash_and_after_a_close() {
    let root = tempfile::tempdir().unwrap();
    let (log, delivered) = start(root.path(), Clock::system());
    // Batch b has the events 3 b to 3 b + 2.
    let append_batch = |batch: u64| {
        let numbers = batch * 3..batch * 3 + 3;
        let result = log.append(lines(numbers.clone()), batch).unwrap();
        let arrival = result.blocking_recv().unwrap().unwrap().arrival_ms;
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

    let found = logged_events(root.path());
    assert_eq!(logged_events(crashed.path()), found);
    assert!(found.is_sorted_by_key(|(_, arrival)| arrival));
    let batches = delivered.iter().filter_map(|delivery| match delivery {
        Delivery::Batch { last_arrival, payload, .. } => Some((payload * 3, last_arrival)),
        Delivery::Advance(_) => None,
    });
    assert!(batches.eq(found.iter().copied().step_by(3)));
    let mut sorted = found;
    sorted.sort();
    assert_eq!(sorted, acknowledged);
}

#[test]
fn acknowledged_events_survive_a_loss_of_power() {
    for seed in 0..20 {
        let root = tempfile::tempdir().unwrap();
        let disk = Disk::mount(root.path());
        let (log, _delivered) = start(root.path(), Clock::manual(START_MS).0);
        (0..3).for_each(|number| _ = append(&log, number).unwrap());
        disk.plan(|plan| plan.has_crashed = true);
        log.close();
        disk.lose_power(&mut Pcg64::seed_from_u64(seed));
        let events = logged_events(root.path());
        disk.unmount();
        assert_eq!(events, [(0, START_MS), (1, START_MS), (2, START_MS)], "{seed}");
    }
}

#[test]
fn batches_queued_during_a_write_become_one_group() {
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
    let log: Log<u64> =
        open(root.path(), clock).unwrap().start(component(), AdmitAll, deliver).unwrap();
    let first = log.append(lines([0]), 0).unwrap();
    is_entered.recv_timeout(TIMEOUT).unwrap();
    time.set(START_MS + 5);
    let second = log.append(lines([1]), 1).unwrap();
    let third = log.append(lines([2]), 2).unwrap();
    time.set(START_MS + 6);
    leave.send(()).unwrap();
    let arrivals = [first, second, third].map(arrival);
    assert_eq!(arrivals, [Ok(START_MS), Ok(START_MS + 6), Ok(START_MS + 6)]);
    log.close();
}

#[test]
fn arrivals_never_decrease_when_the_clock_goes_back_or_after_a_restart() {
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
    assert_eq!(logged_events(root.path()), expected);
}

#[test]
fn positions_are_the_ends_of_the_groups_that_arrived_by_a_time() {
    let root = tempfile::tempdir().unwrap();
    let start = |clock: Clock| {
        let opened = open(root.path(), clock).unwrap();
        let positions = opened.positions();
        (opened.start(component(), AdmitAll, |_| ()).unwrap(), positions)
    };
    let end = |sequence| {
        let segment = segment::path(&root.path().join("log"), sequence);
        Some(LogPosition { sequence, bytes: fs::metadata(segment).unwrap().len() })
    };
    let (clock, time) = Clock::manual(START_MS);
    let (log, positions) = start(clock.clone());
    append(&log, 0).unwrap();
    let first = end(1);
    time.set(START_MS + 2_000);
    append(&log, 1).unwrap();
    assert_eq!(positions.take_until(START_MS - 1), None);
    assert_eq!(positions.take_until(START_MS + 1_999), first);
    assert_eq!(positions.take_until(START_MS + 2_000), end(1));
    log.close();
    // A start knows the end of the log, and continues in a new segment.
    let second = end(1);
    let (log, positions) = start(clock);
    time.set(START_MS + 4_000);
    append(&log, 2).unwrap();
    assert_eq!(positions.take_until(START_MS + 3_999), second);
    assert_eq!(positions.take_until(START_MS + 4_000), end(2));
    log.close();
}

#[test]
fn a_close_commits_the_queue_and_later_batches_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let (log, delivered) = start(root.path(), Clock::system());
    let other = log.clone();
    let results: Vec<_> =
        (0..100).map(|number| log.append(lines([number]), number).unwrap()).collect();
    log.close();
    assert!(results.into_iter().all(|result| result.blocking_recv().unwrap().is_ok()));
    assert_eq!(append(&other, 100), Err(AppendError::Closed));
    assert!(logged_events(root.path()).iter().map(|(number, _)| *number).eq(0..100));
    assert!(matches!(delivered.iter().last(), Some(Delivery::Advance(_))));
}

#[test]
fn a_log_ends_when_its_last_handle_is_dropped() {
    let root = tempfile::tempdir().unwrap();
    let (log, delivered) = start(root.path(), Clock::manual(START_MS).0);
    let result = log.append(lines([7]), 7).unwrap();
    drop(log);
    assert_eq!(arrival(result), Ok(START_MS));
    while delivered.recv_timeout(TIMEOUT) != Err(mpsc::RecvTimeoutError::Disconnected) {}
}

#[test]
fn a_panic_in_a_delivery_poisons_the_log_and_ends_all_waits() {
    let root = tempfile::tempdir().unwrap();
    let deliver = |delivery| assert!(matches!(delivery, Delivery::Advance(_)), "an intended panic");
    let log: Log<u64> =
        open(root.path(), Clock::system()).unwrap().start(component(), AdmitAll, deliver).unwrap();
    assert!(log.append(lines([0]), 0).unwrap().blocking_recv().is_err());
    // The reply is dropped before the log is poisoned, so join the writer first.
    let other = log.clone();
    log.close();
    let reason = "the writer panicked".to_owned();
    assert_eq!(append(&other, 1), Err(AppendError::Poisoned(reason.clone())));
    assert_eq!(other.health(), LogHealth::Poisoned(reason));
}

#[test]
fn recorded_arrivals_are_kept_unless_the_log_has_passed_them() {
    let root = tempfile::tempdir().unwrap();
    let (clock, source) = Clock::system().following_source();
    let (log, delivered) = start(root.path(), clock);
    let append_at = |arrivals: &[u64]| {
        let mut lines = LogLines::new();
        for ms in arrivals {
            lines.push_arrived(format!("{{\"number\":{ms}}}").as_bytes(), START_MS + ms);
        }
        arrival(log.append(lines, arrivals[0]).unwrap())
    };
    assert_eq!(append_at(&[1_000, 1_500, 1_400]), Ok(START_MS + 1_500));
    // The tick may have ended by now.
    let late = append_at(&[200, 5_000]);
    assert_eq!(late, Ok(START_MS + 5_000));
    // Lines without a recorded arrival get the log's time, which has advanced to the latest recorded
    // arrival.
    assert!(append(&log, 1).unwrap() - (START_MS + 5_000) <= TICK_MS + 1);
    source.advance_to(START_MS + 9_000);
    assert_eq!(append(&log, 2), Ok(START_MS + 9_000));
    log.close();

    let found = logged_events(root.path());
    assert!(found.is_sorted_by_key(|(_, arrival)| arrival), "{found:?}");
    let passed = |at: usize| found[at].1 - START_MS;
    assert_eq!([0, 1, 2, 4, 6].map(passed), [1_000, 1_500, 1_500, 5_000, 9_000]);
    assert!((1_500..=1_511).contains(&passed(3)), "{found:?}");
    let batches = delivered.iter().filter_map(|delivery| match delivery {
        Delivery::Batch { first_arrival, last_arrival, .. } => {
            Some((first_arrival - START_MS, last_arrival - START_MS))
        }
        Delivery::Advance(_) => None,
    });
    let spans = [(1_000, 1_500), (passed(3), 5_000), (passed(5), passed(5)), (9_000, 9_000)];
    assert_eq!(batches.collect::<Vec<_>>(), spans);
}
