//! The events that the simulated clients send.

use rand::RngExt;
use rand_pcg::Pcg64;

/// A batch of up to `count` events, which differ from all other events by their numbers.
///
/// `period` is the number of the current race. Some events are of older races, some are no events, and
/// the uuids of views repeat.
pub(super) fn batch(
    random: &mut Pcg64,
    count: usize,
    period: u64,
    number: &mut u64,
) -> Vec<String> {
    let event = |_| {
        *number += 1;
        event(random, period, *number)
    };
    (0..count).map(event).collect()
}

fn event(random: &mut Pcg64, period: u64, number: u64) -> String {
    match random.random_range(0..10) {
        0 => format!(r#"{{"event":"update","n":{number},"second":"no event"}}"#),
        1 | 2 => {
            let uuid: u64 = random.random_range(0..60);
            // The uuid identifies the event, so it determines everything else.
            let (kind, project) = (["view", "watch"][uuid as usize % 2], uuid % 3);
            let ms = uuid * 7;
            format!(
                r#"{{"event":"{kind}","n":{number},"uuid":"{uuid}","projectId":"p{project}","durationMs":{ms},"deviceTimestamp":1620240000000}}"#
            )
        }
        _ => {
            let kind = if random.random_bool(0.2) { "final" } else { "update" };
            let race = period.saturating_sub(random.random_range(0..4)).max(1);
            let (class, racer) = (random.random_range(1..3), random.random_range(1..7));
            let second = random.random_range(1..6);
            let (cadence, resistance) = (random.random_range(50..120), random.random_range(10..90));
            format!(
                r#"{{"event":"{kind}","n":{number},"raceId":{race},"classId":{class},"racerId":{racer},"name":"racer-{racer}","second":{second},"cadence":{cadence},"resistance":{resistance}.5,"deviceTimestamp":1620240000000}}"#
            )
        }
    }
}
