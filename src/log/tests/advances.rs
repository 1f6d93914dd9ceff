//! When the log delivers advances, and what they guarantee.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use super::*;
use crate::log::running_clock::SystemClocks;

fn next(delivered: &Receiver<Delivery<u64>>) -> Delivery<u64> {
    delivered.recv_timeout(TIMEOUT).unwrap()
}

#[test]
fn an_advance_follows_a_batch_as_soon_as_its_tick_is_over() {
    let root = tempfile::tempdir().unwrap();
    let (clock, time) = Clock::manual(START_MS);
    let (log, delivered) = start(root.path(), clock);
    assert_eq!(next(&delivered), Delivery::Advance(START_MS));
    for (arrival, end) in [(1, 11), (19, 21), (30, 31), (31, 41)] {
        time.set(START_MS + arrival);
        append(&log, arrival).unwrap();
        let at = START_MS + arrival;
        assert_eq!(
            next(&delivered),
            Delivery::Batch { first_arrival: at, last_arrival: at, payload: arrival }
        );
        time.set(START_MS + end - 1);
        time.set(START_MS + end);
        assert_eq!(next(&delivered), Delivery::Advance(START_MS + end));
    }
    log.close();
    assert_eq!(delivered.iter().collect::<Vec<_>>(), [Delivery::Advance(START_MS + 41)]);
}

#[test]
fn an_idle_log_advances_once_a_second() {
    let root = tempfile::tempdir().unwrap();
    let (clock, time) = Clock::manual(START_MS);
    let (log, delivered) = start(root.path(), clock);
    assert_eq!(next(&delivered), Delivery::Advance(START_MS));
    for passed in [1_000, 2_000] {
        time.set(START_MS + passed - 1);
        time.set(START_MS + passed);
        assert_eq!(next(&delivered), Delivery::Advance(START_MS + passed));
    }
    time.set(START_MS + 9_999);
    assert_eq!(next(&delivered), Delivery::Advance(START_MS + 9_999));
    log.close();
}

#[test]
fn under_steady_load_there_is_one_advance_per_tick_and_no_earlier_arrival_after_it() {
    let root = tempfile::tempdir().unwrap();
    let (clock, time) = Clock::manual(START_MS);
    let (log, delivered) = start(root.path(), clock);
    for passed in 0..200 {
        time.set(START_MS + passed);
        append(&log, passed).unwrap();
    }
    log.close();
    let (mut reached, mut advances) = (0, Vec::new());
    for delivery in delivered.iter() {
        match delivery {
            Delivery::Batch { last_arrival, .. } => assert!(last_arrival >= reached),
            Delivery::Advance(to) => {
                assert!(to >= reached);
                advances.push(to);
            }
        }
        reached = match delivery {
            Delivery::Batch { last_arrival: time, .. } | Delivery::Advance(time) => time,
        };
    }
    let ends = (0..=20).map(|tick| START_MS + tick * TICK_MS + u64::from(tick > 0));
    assert_eq!(advances, [vec![START_MS, START_MS + 1], ends.skip(1).collect()].concat());
}

#[test]
fn a_tick_ends_after_its_wall_time_even_if_the_clock_is_earlier_than_the_log() {
    let root = tempfile::tempdir().unwrap();
    let day_ms = 86_400_000;
    let (log, delivered) = start(root.path(), Clock::manual(Clock::system().now() + day_ms).0);
    append(&log, 0).unwrap();
    log.close();
    drop(delivered);

    let (log, delivered) = start(root.path(), Clock::system());
    let arrival = append(&log, 1).unwrap();
    let after = |delivery: &Delivery<u64>| matches!(delivery, Delivery::Advance(to) if *to > arrival.next_multiple_of(TICK_MS));
    while !after(&next(&delivered)) {}
    log.close();
}

/// The clocks of this machine, with a wall clock that is set forward and back.
#[derive(Clone, Debug, Default)]
struct SteppedClocks(Arc<AtomicI64>);

impl MachineClocks for SteppedClocks {
    fn wall_ms(&self) -> u64 {
        SystemClocks.wall_ms().saturating_add_signed(self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        SystemClocks.monotonic()
    }
}

#[test]
fn under_steady_load_ticks_end_and_arrivals_are_right_while_the_wall_clock_steps_by_days() {
    let root = tempfile::tempdir().unwrap();
    let clocks = SteppedClocks::default();
    let clock = Clock::on(Box::new(clocks.clone()), 0, 1.0);
    let (began, start) = (Instant::now(), clock.now());
    let (log, delivered) = super::start(root.path(), clock);
    let (mut arrivals, mut advances) = (Vec::new(), 0);
    for day in [1_i64, -1, -1, 1, 1, 1, -2].into_iter().cycle() {
        clocks.0.fetch_add(day * 86_400_000, Ordering::Relaxed);
        let number = arrivals.len() as u64;
        arrivals.push(append(&log, number).unwrap());
        let is_advance = |delivery: &Delivery<u64>| matches!(delivery, Delivery::Advance(_));
        advances += delivered.try_iter().filter(is_advance).count();
        if advances >= 20 {
            break;
        }
    }
    log.close();
    assert!(arrivals.is_sorted() && arrivals[0] >= start);
    let passed = began.elapsed().as_secs_f64() * 1_020.0;
    assert!(arrivals[arrivals.len() - 1] as f64 <= start as f64 + passed + TICK_MS as f64 + 1.0);
}

#[test]
fn under_steady_load_ticks_end_although_the_clock_is_earlier_than_the_log() {
    let root = tempfile::tempdir().unwrap();
    let day_ms = 86_400_000;
    let (log, _) = start(root.path(), Clock::manual(Clock::system().now() + day_ms).0);
    append(&log, 0).unwrap();
    log.close();

    let (log, delivered) = start(root.path(), Clock::system());
    next(&delivered);
    let is_advance = |delivery: Delivery<u64>| matches!(delivery, Delivery::Advance(_));
    while !delivered.try_iter().any(is_advance) {
        append(&log, 1).unwrap();
    }
    log.close();
}

#[test]
fn a_close_ends_the_open_tick() {
    let root = tempfile::tempdir().unwrap();
    let (log, delivered) = start(root.path(), Clock::manual(START_MS + 1).0);
    append(&log, 0).unwrap();
    log.close();
    assert_eq!(delivered.iter().last(), Some(Delivery::Advance(START_MS + 11)));
}

#[test]
fn an_idle_log_advances_with_the_source_of_its_clock() {
    let root = tempfile::tempdir().unwrap();
    let (clock, source) = Clock::system().following_source();
    source.advance_to(START_MS);
    let (log, delivered) = start(root.path(), clock);
    assert_eq!(next(&delivered), Delivery::Advance(START_MS));
    source.advance_to(START_MS + 60_000);
    assert_eq!(next(&delivered), Delivery::Advance(START_MS + 60_000));
    log.close();
}
