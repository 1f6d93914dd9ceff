//! The clock on sources whose true times are known.

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::EventClock;
use super::vote::STEP_MS;
use crate::ingest::event::EventTimestamp;

const START_MS: u64 = 1_620_240_000_000;
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

fn device(device: u32, ms: u64) -> Option<EventTimestamp> {
    Some(EventTimestamp::Device { ms, device })
}

/// The clock at each line.
fn clocks(lines: impl IntoIterator<Item = Option<EventTimestamp>>) -> Vec<u64> {
    let (mut clock, mut times) = (EventClock::default(), Vec::new());
    lines.into_iter().for_each(|line| clock.push(line, &mut times));
    clock.flush(&mut times);
    times
}

/// The clock at each line of a source without wrong device clocks: the running maximum.
fn maxima(lines: &[Option<EventTimestamp>]) -> Vec<u64> {
    let running = |max: &mut u64, line: &Option<EventTimestamp>| {
        if let Some(EventTimestamp::Device { ms, .. } | EventTimestamp::Arrival(ms)) = line {
            *max = (*max).max(*ms);
        }
        Some(*max)
    };
    lines.iter().scan(0, running).collect()
}

/// A line of a generated source.
struct Line {
    device: u32,
    ms: u64,
    is_right: bool,
}

/// Sessions of several devices with gaps of seconds to days between them. `wrong` devices with wrong
/// clocks are fewer than a fifth of all.
///
/// A wrong clock is fixed, or at a constant or a random distance from the true time: a minute to years,
/// ahead or behind.
fn source(seed: u64, right: u32, wrong: u32) -> Vec<Line> {
    let mut random = Pcg64::seed_from_u64(seed);
    let clocks: Vec<_> = (0..wrong)
        .map(|_| {
            let least = [1, 5, 120, 1440, 1_000_000][random.random_range(0..5)] * MINUTE_MS as i64;
            let distance = random.random_range(least..2 * least);
            let sign = if random.random() { 1 } else { -1 };
            (random.random_range(0..3), sign * distance)
        })
        .collect();
    let (mut now, mut ended, mut lines) = (START_MS, START_MS, Vec::new());
    for _ in 0..random.random_range(1..5) {
        // A wrong clock that shows a time in the gap after it, or just after the gap, cannot be distinguished
        // from a right clock there.
        lines.retain(|line: &Line| line.is_right || !(ended..now + MINUTE_MS).contains(&line.ms));
        let begin = lines.len();
        // Without wrong clocks, any two devices make a session. Otherwise all devices with right clocks
        // ride in each, so that the wrong ones are a minority there.
        let used = if wrong == 0 { random.random_range(2..=right) } else { right };
        let least = if wrong == 0 { 10 } else { used };
        for event in 0..random.random_range(least.max(10)..least + 80) {
            now += random.random_range(0..2000);
            let is_new = event < if wrong == 0 { 2 } else { used };
            let device = if is_new { event } else { random.random_range(0..used) };
            lines.push(Line { device, ms: now, is_right: true });
        }
        for _ in 0..if wrong == 0 { 0 } else { random.random_range(0..15) } {
            let device = random.random_range(0..wrong);
            let (kind, distance) = clocks[device as usize];
            let at = random.random_range(begin..=lines.len());
            let truth = lines.get(at).map_or(now, |line| line.ms);
            let ms = match kind {
                0 => START_MS.saturating_add_signed(distance),
                1 => truth.saturating_add_signed(distance),
                _ => START_MS.saturating_add_signed(
                    random.random_range(-1000 * distance.abs()..1000 * distance.abs()),
                ),
            };
            let device = right + device;
            lines.insert(at, Line { device, ms, is_right: false });
        }
        ended = now;
        now += [MINUTE_MS, 5 * MINUTE_MS, 8 * HOUR_MS, 50 * HOUR_MS][random.random_range(0..4)]
            * random.random_range(10..20)
            / 10;
    }
    lines
}

/// Checks the clock at the events with right clocks. It leads their running maximum by at most two steps,
/// and lags by at most three of them.
fn check(source: &[Line]) -> Result<(), String> {
    let seen = clocks(source.iter().map(|line| device(line.device, line.ms)));
    let mut maxima = vec![0; 4];
    for (line, seen) in source.iter().zip(seen).filter(|(line, _)| line.is_right) {
        maxima.push(line.ms.max(maxima[maxima.len() - 1]));
        let [earlier, .., max] = maxima[maxima.len() - 4..] else { unreachable!() };
        if seen + 2 * STEP_MS < earlier || seen > max + 2 * STEP_MS {
            return Err(format!("the clock {seen} is not {earlier} to {max}"));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn is_the_running_maximum_where_all_clocks_are_right(seed: u64, right in 2..20u32) {
        let lines: Vec<_> =
            source(seed, right, 0).iter().map(|line| device(line.device, line.ms)).collect();
        prop_assert_eq!(clocks(lines.clone()), maxima(&lines));
    }
}

/// With certain seeds, because rare coincidences of wrong clocks cannot be distinguished from right ones.
#[test]
fn a_minority_of_wrong_clocks_hardly_moves_it() {
    for seed in 0..4_000 {
        let right = 5 + (seed % 25) as u32;
        let wrong = 1 + (seed / 25) as u32 % ((right - 1) / 4);
        assert_eq!(check(&source(seed, right, wrong)), Ok(()), "seed {seed}");
    }
}

#[test]
fn the_order_of_two_devices_does_not_decide_which_is_right() {
    let (right, wrong) = (device(1, START_MS), device(2, START_MS + 1_000_000 * HOUR_MS));
    assert_eq!(clocks([right, wrong]), [START_MS; 2]);
    assert_eq!(clocks([wrong, right]), [START_MS; 2]);
}

#[test]
fn a_flood_from_one_device_neither_moves_nor_stops_it() {
    let second = |i: u64| device((i % 5) as u32, START_MS + i * 1000);
    let night = |i: u64| device((i % 5) as u32, START_MS + 8 * HOUR_MS + i * 1000);
    for wrong_ms in [0, START_MS + 4 * HOUR_MS, START_MS + 24 * HOUR_MS] {
        let flood = || (0..5000).map(move |i| device(9, wrong_ms + i * 10_000));
        let lines = (0..20).map(second).chain(flood()).chain((20..40).map(second));
        let lines = lines.chain((0..20).map(night)).chain(flood()).chain((20..40).map(night));
        let seen = clocks(lines);
        assert_eq!(seen[5020], START_MS + 20_000, "{wrong_ms}");
        assert_eq!(seen[5040], START_MS + 8 * HOUR_MS, "{wrong_ms}");
        assert_eq!(seen[10_060], START_MS + 8 * HOUR_MS + 20_000, "{wrong_ms}");
    }
}

#[test]
fn a_single_device_is_believed_where_it_agrees_with_itself() {
    let ride = |start: u64| (0..20).map(move |i| device(7, start + i * 1000));
    let night = START_MS + 8 * HOUR_MS;
    let wrong = device(7, START_MS + 1_000_000 * HOUR_MS);
    let lines: Vec<_> = ride(START_MS).chain([wrong]).chain(ride(night)).collect();
    let seen = clocks(lines);
    assert_eq!((seen[0], seen[19]), (START_MS, START_MS + 19_000));
    assert_eq!((seen[20], seen[21], seen[40]), (START_MS + 19_000, night, night + 19_000));
}

#[test]
fn a_rejected_line_has_no_vote_and_gets_the_clock_of_the_line_before() {
    let rejects = |count| std::iter::repeat_n(None, count);
    let night = START_MS + 8 * HOUR_MS;
    let lines = rejects(2).chain([device(1, START_MS), device(2, START_MS)]).chain(rejects(3));
    let lines = lines.chain((0..99).flat_map(|i| [device(i % 2, night), None]));
    let seen = clocks(lines);
    assert_eq!(seen[..7], [START_MS; 7]);
    assert!(seen[7..].iter().all(|&clock| clock == night));
    assert_eq!(clocks(rejects(20_000)), vec![0; 20_000]);
}

#[test]
fn an_arrival_is_always_right() {
    let arrival = |ms| Some(EventTimestamp::Arrival(ms));
    let lines = [device(1, 5), arrival(1 << 40), device(2, 7), arrival(3), device(3, 1 << 50)];
    assert_eq!(clocks(lines), [5, 1 << 40, 1 << 40, 1 << 40, 1 << 40]);
}

#[test]
fn times_that_fall_all_the_way_start_the_clock_at_their_least() {
    let lines = (0..40_000u64).map(|i| device(i as u32, START_MS - i * MINUTE_MS));
    let seen = clocks(lines);
    assert!(seen.is_sorted());
    assert_eq!(seen.len(), 40_000);
}

#[test]
fn a_small_session_after_a_night_outvotes_one_wrong_device() {
    let evening = (0..10).map(|i| device(i % 5, START_MS + u64::from(i) * 1000));
    let night = START_MS + 9 * HOUR_MS;
    for wrong_ms in [0, START_MS, START_MS + HOUR_MS, START_MS + 1000 * HOUR_MS] {
        for at in [0, 3, 10] {
            let mut lines: Vec<_> =
                (0..10).map(|i| device(10 + i % 2, night + u64::from(i) * 1000)).collect();
            lines.insert(at, device(99, wrong_ms));
            let seen = clocks(evening.clone().chain(lines));
            assert_eq!(seen[9], START_MS + 9000);
            assert_eq!(seen[20], night + 9000, "{wrong_ms} at {at}");
        }
    }
}

#[test]
fn a_burst_of_a_minority_of_many_devices_neither_moves_nor_starts_it() {
    let right = |i: u64| device((i % 200) as u32, START_MS + i * 10);
    let burst = || (0..40).map(|i| device(1000 + i, START_MS + 2 * HOUR_MS + u64::from(i)));
    for before in [0, 1, 500, 1999] {
        let lines = (0..before).map(right).chain(burst()).chain((before..2000).map(right));
        let seen = clocks(lines);
        for (line, clock) in seen.iter().enumerate() {
            assert!(
                *clock <= START_MS + 20_000 || before == 1999,
                "line {line} of {before}: {clock}"
            );
        }
    }
}

#[test]
fn a_wrong_device_in_a_later_session_does_not_change_the_start() {
    let first = (0..10).map(|i| device(i % 2, START_MS + u64::from(i) * 1000));
    let second = (0..50).map(|i| device(10 + i % 5, START_MS + 9 * HOUR_MS + u64::from(i) * 1000));
    for wrong_ms in [0, START_MS - 10 * MINUTE_MS] {
        let seen = clocks(first.clone().chain(second.clone()).chain([device(99, wrong_ms)]));
        assert_eq!((seen[0], seen[9]), (START_MS, START_MS + 9000), "{wrong_ms}");
    }
}

#[test]
fn a_sparse_session_after_a_night_is_crossed_in_spite_of_a_wrong_device() {
    let evening = (0..20).map(|i| device(i % 5, START_MS + u64::from(i) * 1000));
    let night = START_MS + 9 * HOUR_MS;
    let mut lines: Vec<_> =
        (0..40).map(|i| device(10 + i % 10, night + u64::from(i) * 31_000)).collect();
    lines.push(device(99, START_MS + HOUR_MS));
    let seen = clocks(evening.chain(lines));
    assert_eq!((seen[19], seen[20], seen[59]), (START_MS + 19_000, night, night + 39 * 31_000));
}
