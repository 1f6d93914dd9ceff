//! Computes the results of events: rides, records, leaderboard and views.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::HashMap;
use velodrome_dataflows::{
    BestFinal, ClassId, Curve, EventTime, ExcludedRace, ExcludedRide, Output, RaceId, RacerId,
    Rules, name_time,
};

use super::event::{Content, Sample};
use super::ride::Ride;
use super::views::Views;
use crate::ingest::rejection::Rejection;
use crate::results::Results;

/// The results of the events so far.
#[derive(Debug)]
pub(super) struct Aggregates {
    rules: Rules,
    /// The maximum number of open rides.
    open_max: usize,
    rides: HashMap<(ClassId, RaceId, RacerId), Ride>,
    /// The times until which rides are open, least first.
    open: BinaryHeap<Reverse<EventTime>>,
    /// Record curves from late samples. `into_results` adds the curves of the rides that have ended.
    records: HashMap<(ClassId, RacerId), Curve>,
    leaderboard: HashMap<(ClassId, RacerId), BestFinal>,
    views: Views,
    late: u64,
}

impl Aggregates {
    pub(super) fn new(rules: Rules, open_max: usize) -> Self {
        Self {
            rules,
            open_max,
            rides: HashMap::new(),
            open: BinaryHeap::new(),
            records: HashMap::new(),
            leaderboard: HashMap::new(),
            views: Views::default(),
            late: 0,
        }
    }

    /// Adds an event at its time on the event clock. Times must not decrease.
    pub(super) fn add(&mut self, clock: EventTime, content: Content) {
        match content {
            Content::Tracking(view) => self.views.add(clock, view),
            Content::Race(mut sample) => {
                sample.device_ms = name_time(sample.device_ms, clock);
                let Some(output) = output_of(&self.rules, &sample) else { return };
                self.add_final(clock, &sample, output);
                let ride = self.rides.entry(key(&sample)).or_insert_with(|| {
                    let ride = Ride::new(&self.rules, clock, sample.second);
                    self.open.push(Reverse(ride.open_until()));
                    ride
                });
                if ride.is_open(clock) {
                    return ride.add(sample, output);
                }
                self.late += 1;
                let record = self.records.entry((sample.class, sample.racer)).or_default();
                record.raise(sample.second, output);
            }
            Content::Opening(..) | Content::Rejected(_) | Content::Damaged(_) => {}
        }
    }

    /// Whether the ride of a sample has started.
    pub(super) fn has_ride(&self, sample: &Sample) -> bool {
        self.rides.contains_key(&key(sample))
    }

    /// Whether a sample would start one more ride than can be open at `clock`.
    pub(super) fn exceeds_bound(&mut self, clock: EventTime, sample: &Sample) -> bool {
        while self.open.peek().is_some_and(|Reverse(until)| *until < clock) {
            self.open.pop();
        }
        let starts = !self.has_ride(sample) && output_of(&self.rules, sample).is_some();
        starts && self.open.len() >= self.open_max
    }

    /// Why an event is rejected at the bound on open rides.
    pub(super) fn rejection(&self) -> Rejection {
        Rejection::TooManyRides(self.open_max)
    }

    /// Number of samples that arrived after the repair window of their ride.
    pub(super) fn late(&self) -> u64 {
        self.late
    }

    /// Updates the leaderboard if the sample is final, even if its ride has already ended.
    fn add_final(&mut self, clock: EventTime, sample: &Sample, output: f64) {
        let key = (sample.class, sample.racer);
        if sample.is_final {
            let new = BestFinal { output: Output(output), race: sample.race, at: clock };
            let best = self.leaderboard.entry(key).or_insert(new);
            let is_earlier = new.output == best.output && new.race < best.race;
            if new.output > best.output || is_earlier {
                *best = new;
            }
        }
    }

    /// The results as of `until`, in the order of the result files.
    ///
    /// A ride that has not ended by then has neither result nor records.
    pub(super) fn into_results(mut self, until: EventTime) -> Results {
        let mut results = Results::default();
        self.rides.retain(|_, ride| ride.has_ended(until));
        for ((class, _, racer), ride) in &self.rides {
            self.records.entry((*class, *racer)).or_default().raise_all(ride.curve());
        }
        for ((class, racer), curve) in self.records {
            results.records.entry(class).or_default().push((racer, curve.into()));
        }
        for curves in results.records.values_mut() {
            curves.sort_unstable_by_key(|(racer, _)| *racer);
        }
        for ((class, racer), best) in self.leaderboard {
            results.leaderboard.entry(class).or_default().insert(racer, best);
        }
        results.rides =
            self.rides.into_iter().map(|(key, ride)| (key, ride.into_result())).collect();
        results.rides.sort_unstable_by_key(|(key, _)| *key);
        let counts = self.views.into_counts();
        results.views = counts.map(|(project, count)| (project.into_string(), count)).collect();
        results
    }
}

fn key(sample: &Sample) -> (ClassId, RaceId, RacerId) {
    (sample.class, sample.race, sample.racer)
}

/// The output of a sample under `rules`, or `None` if the rules exclude it.
fn output_of(rules: &Rules, sample: &Sample) -> Option<f64> {
    let Sample { class: class_id, race: race_id, racer: racer_id, .. } = *sample;
    if rules.excluded_racers.contains(&racer_id)
        || rules.excluded_races.contains(&ExcludedRace { class_id, race_id })
        || rules.excluded_rides.contains(&ExcludedRide { class_id, race_id, racer_id })
    {
        return None;
    }
    let (mut cadence, mut resistance) = (sample.cadence, sample.resistance);
    if let Some(device) = &sample.device
        && let Some(correction) = rules.corrected_devices.get(device)
    {
        cadence *= correction.cadence;
        resistance *= correction.resistance;
    }
    if let Some(correction) = rules.corrected_racers.get(&racer_id) {
        cadence *= correction.cadence;
        resistance *= correction.resistance;
    }
    Some(rules.output(cadence, resistance))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    const SAMPLE: Sample = Sample {
        device_ms: 0,
        class: 1,
        race: 7,
        racer: 5,
        second: 1,
        cadence: 65.0,
        resistance: 0.0,
        name: None,
        device: None,
        is_final: false,
    };

    /// Aggregates samples at the given times, which are also their device times. Returns the results
    /// and the number of late samples.
    fn aggregate(samples: Vec<(EventTime, Sample)>) -> (Results, u64) {
        let mut aggregates = Aggregates::new(Rules::default(), usize::MAX);
        for (clock, sample) in samples {
            aggregates.add(clock, Content::Race(Sample { device_ms: clock, ..sample }));
        }
        let late = aggregates.late();
        (aggregates.into_results(EventTime::MAX), late)
    }

    #[test]
    fn counts_a_sample_as_late_only_after_the_repair_window() {
        let due = 1_000 + (300 - 1 + 60) * 1000;
        const LAST: Sample = Sample { second: 2, cadence: 165.0, is_final: true, ..SAMPLE };
        for (clock, late, seconds) in [(due + HOUR_MS, 0, 2), (due + HOUR_MS + 1, 1, 1)] {
            let named = Sample { name: Some("late".into()), ..LAST };
            let (results, counted) = aggregate(vec![(1_000, SAMPLE), (clock, named)]);
            let ride = &results.rides[0].1;
            assert_eq!((counted, ride.seconds), (late, seconds));
            assert_eq!(ride.final_output.is_none(), late == 1);
            assert_eq!(ride.name.is_none(), late == 1);
            assert_eq!(results.leaderboard[&1][&5].output.0, 130.0);
            assert_eq!(results.records[&1][0].1.get(2), Some(130.0));
        }
    }

    #[test]
    fn a_tied_best_final_goes_to_the_smaller_race_id_and_then_to_the_first_event() {
        let at = |(clock, race)| (clock, Sample { race, is_final: true, ..SAMPLE });
        for races in [[(1, 7), (2, 9), (3, 7)], [(0, 9), (1, 7), (2, 7)]] {
            let best = aggregate(races.map(at).into()).0.leaderboard[&1][&5];
            assert_eq!((best.race, best.at), (7, 1));
        }
    }

    #[test]
    fn returns_rides_and_racers_in_order() {
        let at = |i: u32| (0, Sample { race: (i / 10).into(), racer: i * 7 % 10, ..SAMPLE });
        let results = aggregate((0..50).map(at).collect()).0;
        let rides: Vec<_> =
            results.rides.iter().map(|((_, race, racer), _)| (*race, *racer)).collect();
        let expected: Vec<_> = (0..5).flat_map(|race| (0..10).map(move |r| (race, r))).collect();
        assert_eq!(rides, expected);
        let racers: Vec<_> = results.records[&1].iter().map(|(racer, _)| *racer).collect();
        assert_eq!(racers, (0..10).collect::<Vec<_>>());
    }
}
