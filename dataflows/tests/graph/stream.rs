//! Random streams with few racers, races and uuids, so that keys collide, events repeat, and samples are
//! late.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use velodrome_dataflows::{EVENT_LAG_MS_MAX, Rules, Sample, Tracking};

/// Short races, so that most rides end within a stream.
pub(crate) const RULES: Rules = Rules {
    cadence_offset: 35.0,
    resistance_offset: 65.0,
    divisor: 100.0,
    race_seconds: 10,
    grace_seconds: 3,
    excluded_racers: BTreeSet::new(),
    excluded_races: BTreeSet::new(),
    excluded_rides: BTreeSet::new(),
    corrected_racers: BTreeMap::new(),
    corrected_devices: BTreeMap::new(),
};

/// The events of one logical time, clocks ascending. Each has a number that chooses its worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tick {
    pub(crate) time: u64,
    pub(crate) samples: Vec<(usize, Sample)>,
    pub(crate) tracking: Vec<(usize, Tracking)>,
}

impl Tick {
    /// The same tick with every event sent twice in a row.
    pub(crate) fn twice(&self) -> Tick {
        let twice = |sample: &(usize, Sample)| [sample.clone(), sample.clone()];
        let twice_tracking = |event: &(usize, Tracking)| [event.clone(), event.clone()];
        Tick {
            time: self.time,
            samples: self.samples.iter().flat_map(twice).collect(),
            tracking: self.tracking.iter().flat_map(twice_tracking).collect(),
        }
    }
}

/// The same events in ticks that span at most half of the lag that a service allows.
pub(crate) fn split(ticks: &[Tick]) -> Vec<Tick> {
    let mut all: BTreeMap<u64, Tick> = BTreeMap::new();
    for tick in ticks {
        for (number, sample) in &tick.samples {
            let tick = all.entry(sample.clock / (EVENT_LAG_MS_MAX / 2)).or_default();
            tick.samples.push((*number, sample.clone()));
            tick.time = tick.time.max(sample.clock);
        }
        for (number, event) in &tick.tracking {
            let tick = all.entry(event.clock / (EVENT_LAG_MS_MAX / 2)).or_default();
            tick.tracking.push((*number, event.clone()));
            tick.time = tick.time.max(event.clock);
        }
    }
    all.into_values().collect()
}

/// An event without its clock.
#[derive(Clone, Debug)]
enum Event {
    Sample(Sample),
    Tracking(Tracking),
}

/// Streams of up to 30 ticks, with milliseconds, minutes, hours or days between events.
///
/// The third kind of step is close to an hour, the repair window.
pub(crate) fn ticks() -> impl Strategy<Value = Vec<Tick>> {
    let step = prop_oneof![
        20 => 1..2_000u64,
        3 => 60_000..1_200_000u64,
        2 => 3_590_000..3_640_000u64,
        1 => 80_000_000..700_000_000u64,
    ];
    let event = (step, any::<usize>(), prop_oneof![4 => sample(), 1 => tracking()]);
    let tick = prop::collection::vec(event, 0..12);
    prop::collection::vec(tick, 0..30).prop_map(|ticks| {
        let mut clock = 1_000_000;
        ticks.into_iter().map(|events| tick_of(events, &mut clock)).collect()
    })
}

/// The tick of some events, each with the step from the previous clock and its worker's number.
fn tick_of(events: Vec<(u64, usize, Event)>, clock: &mut u64) -> Tick {
    let mut tick = Tick::default();
    for (step, worker, event) in events {
        *clock += step;
        match event {
            Event::Sample(sample) => {
                tick.samples.push((worker, Sample { clock: *clock, ..sample }));
            }
            Event::Tracking(event) => {
                tick.tracking.push((worker, Tracking { clock: *clock, ..event }));
            }
        }
    }
    // Greater than every earlier time, and at least every clock so far.
    *clock += 1;
    tick.time = *clock;
    tick
}

fn sample() -> impl Strategy<Value = Event> {
    let name = prop::option::of(prop::sample::select(vec![
        "Ada",
        "Bea",
        "a name that is not stored inline",
    ]));
    // Some devices are ahead of the clock, up to and beyond the 10 minutes that count.
    let device_ms = prop_oneof![3 => 0..4u64, 1 => 0..4_000_000u64, 1 => Just((1 << 53) - 1)];
    let who = (1..3u16, 0..3u64, 0..4u32, 1..=RULES.race_seconds);
    (who, 0..5u8, 0..4u8, device_ms, name, prop::bool::weighted(0.2)).prop_map(
        |((class, race, racer, second), cadence, resistance, device_ms, name, is_final)| {
            Event::Sample(Sample {
                clock: 0,
                race,
                device_ms,
                cadence: f64::from(cadence) / 3.0,
                resistance: f64::from(resistance) / 7.0,
                name: name.map(Into::into),
                device_hash: 0,
                racer,
                class,
                second,
                is_final,
            })
        },
    )
}

fn tracking() -> impl Strategy<Value = Event> {
    (0..12u128, 0..3u8, 0..100u32, any::<bool>()).prop_map(
        |(uuid, project, duration_ms, is_view)| {
            Event::Tracking(Tracking {
                clock: 0,
                uuid: uuid << 64 | uuid,
                project: format!("project-{project}").into(),
                duration_ms,
                is_view,
            })
        },
    )
}
