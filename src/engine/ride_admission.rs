//! The admission of a service's log: stamps the events of a batch, and applies the bound on open rides.

use std::mem;
use std::sync::Arc;

use metrics::{counter, gauge};
use tokio::sync::watch;
use tracing::warn;
use velodrome_dataflows::{Change, EventTime, RideKey, Sample, SavedRide, Scoring};

use super::command::Events;
use crate::ingest::rejection::Rejection;
use crate::log::{Admission, LogLines};
use crate::open_rides::{Decision, OpenRides};

/// Rejections are reported in the service's log again after so long without one.
const WARN_EVERY_MS: u64 = 60_000;

/// Decides which events of a service may open a ride.
pub struct RideAdmission {
    rides: OpenRides,
    rules: watch::Receiver<Arc<Scoring>>,
    /// The rides that were opened, and the number of events that were rejected, since the last group of
    /// batches became durable.
    opened: Vec<RideKey>,
    rejected: u64,
    last_rejected: EventTime,
}

impl RideAdmission {
    /// An admission that decides under the rules that `rules` has at that time.
    pub fn new(rides: OpenRides, rules: watch::Receiver<Arc<Scoring>>) -> Self {
        Self { rides, rules, opened: Vec::new(), rejected: 0, last_rejected: 0 }
    }

    /// Adds the rides that a checkpoint saved.
    pub fn restore(&mut self, changes: &[Change]) {
        for change in changes {
            let (ride, closes_at) = match change {
                Change::Saved(ride, SavedRide::Finished(saved)) => (ride, saved.closes_at),
                Change::Saved(ride, SavedRide::Retired(saved)) => (ride, saved.closes_at),
                _ => continue,
            };
            self.rides.restore(*ride, closes_at);
        }
    }

    /// Adds the rides of samples that the log accepted before, in its order.
    pub fn replay(&mut self, samples: &[Sample]) {
        let rules = Arc::clone(&self.rules.borrow());
        for sample in samples {
            let closes_at = || closes_at(&rules, sample);
            // The bound may be lower now than when the sample was accepted.
            if self.rides.admit(ride(sample), sample.clock, closes_at) == Decision::Rejected {
                closes_at().into_iter().for_each(|at| self.rides.restore(ride(sample), at));
            }
        }
    }

    /// Decides on a sample that arrived at its clock.
    fn is_accepted(&mut self, sample: &Sample, rules: &Scoring) -> bool {
        let closes_at = || closes_at(rules, sample);
        match self.rides.admit(ride(sample), sample.clock, closes_at) {
            Decision::OpensNothing => true,
            Decision::Opened => {
                self.opened.push(ride(sample));
                true
            }
            Decision::Rejected => {
                self.rejected += 1;
                if sample.clock > self.last_rejected + WARN_EVERY_MS {
                    let open = self.rides.count();
                    warn!(
                        open,
                        "rides are rejected, because the maximum is open; raise --open-rides"
                    );
                }
                self.last_rejected = sample.clock;
                false
            }
        }
    }
}

impl Admission<Events> for RideAdmission {
    fn admit(&mut self, lines: &LogLines, events: &mut Events) -> Vec<(usize, Rejection)> {
        for event in &mut events.tracking {
            event.clock = lines.arrival(event.clock as usize);
        }
        let rules = Arc::clone(&self.rules.borrow());
        let mut rejected = Vec::new();
        events.samples.retain_mut(|sample| {
            let line = sample.clock as usize;
            sample.clock = lines.arrival(line);
            let is_accepted = self.is_accepted(sample, &rules);
            if !is_accepted {
                rejected.push((line, self.rides.rejection()));
            }
            is_accepted
        });
        rejected
    }

    fn confirm(&mut self) {
        self.opened.clear();
        if self.rejected > 0 {
            counter!("velodrome_rides_rejected_total").increment(mem::take(&mut self.rejected));
        }
        gauge!("velodrome_open_rides").set(self.rides.count() as f64);
    }

    fn revoke(&mut self) {
        self.rejected = 0;
        self.opened.drain(..).for_each(|ride| self.rides.revoke(&ride));
    }

    fn advance_to(&mut self, now_ms: u64) {
        self.rides.advance_to(now_ms);
        gauge!("velodrome_open_rides").set(self.rides.count() as f64);
    }
}

fn ride(sample: &Sample) -> RideKey {
    (sample.class, sample.race, sample.racer)
}

/// When the ride that the sample opens closes; `None` if the rules exclude the sample.
fn closes_at(rules: &Scoring, sample: &Sample) -> Option<EventTime> {
    let counts = rules.counts(ride(sample), sample.second);
    counts.then(|| rules.rules().closes_at(sample.clock, sample.second))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use velodrome_dataflows::{
        FinishedRide, Mode, Output, REPAIR_WINDOW_MS, RaceId, Record, RetiredRide, RideResult,
        Rules,
    };

    use super::super::command::Command;
    use super::super::fanout::Fanout;
    use super::super::standby_feed::StandbyFeed;
    use super::super::test_support::{engine, view};
    use super::*;
    use crate::health::Health;
    use crate::log;
    use crate::store;

    const START_MS: u64 = 1_620_240_001_000;

    /// An admission with at most `max` open rides.
    fn admission(max: usize) -> RideAdmission {
        let rules = Rules { excluded_racers: [9].into(), ..Rules::default() };
        RideAdmission::new(
            OpenRides::new(Mode::Service, max),
            engine().0.with_rules(rules).watch_rules(),
        )
    }

    /// A sample of a race, on the first line of its batch.
    fn sample(race: RaceId) -> Sample {
        Sample { class: 1, race, racer: 5, second: 1, ..Sample::default() }
    }

    /// Asks for the admission of samples. Returns the races of those that are accepted, and the lines of the
    /// others.
    fn admit(admission: &mut RideAdmission, races: &[RaceId]) -> (Vec<RaceId>, Vec<usize>) {
        let (mut lines, mut events) = (LogLines::new(), Events::default());
        for (line, race) in (0..).zip(races) {
            lines.push_arrived(br#"{"a":1}"#, START_MS);
            events.samples.push(Sample { clock: line, ..sample(*race) });
        }
        lines.stamp_recorded();
        let rejected = admission.admit(&lines, &mut events);
        assert!(rejected.iter().all(|(_, reason)| *reason == admission.rides.rejection()));
        let accepted = events.samples.iter().map(|sample| sample.race).collect();
        (accepted, rejected.into_iter().map(|(line, _)| line).collect())
    }

    #[test]
    fn rides_that_a_failed_group_opened_are_not_open() {
        let mut admission = admission(2);
        assert_eq!(admit(&mut admission, &[1, 1]), (vec![1, 1], vec![]));
        admission.confirm();
        assert_eq!(admit(&mut admission, &[2, 3, 2, 1]), (vec![2, 2, 1], vec![1]));
        admission.revoke();
        assert_eq!(admit(&mut admission, &[3, 4, 3]), (vec![3, 3], vec![1]));
        admission.confirm();
        let closes_at = Rules::default().closes_at(START_MS, 1);
        admission.advance_to(closes_at + REPAIR_WINDOW_MS);
        assert_eq!(admission.rides.count(), 2);
        admission.advance_to(closes_at + REPAIR_WINDOW_MS + 1);
        assert_eq!(admission.rides.count(), 0);
    }

    #[test]
    fn rides_of_a_checkpoint_and_of_the_log_are_open_beyond_the_bound() {
        let mut admission = admission(1);
        let (closes_at, started_at) = (START_MS + 300_000, START_MS);
        let record = Record::default();
        let finished =
            FinishedRide { closes_at, started_at, record, final_output: None, name: None };
        let best = Output(1.0);
        let result =
            Arc::new(RideResult { name: None, final_output: None, best, total: best, seconds: 1 });
        let retired = RetiredRide { closes_at, started_at, result };
        admission.restore(&[
            Change::Saved((1, 1, 5), SavedRide::Finished(finished)),
            Change::Saved((1, 2, 5), SavedRide::Retired(retired)),
            Change::Saved((1, 3, 5), SavedRide::Expired),
        ]);
        assert_eq!(admission.rides.count(), 2);
        let at = |race| Sample { clock: START_MS, ..sample(race) };
        admission.replay(&[at(2), at(4), at(4), Sample { racer: 9, ..at(5) }]);
        assert_eq!(admission.rides.count(), 3);
        assert_eq!(admit(&mut admission, &[1, 2, 3, 4]), (vec![1, 2, 4], vec![2]));
    }

    #[test]
    fn clocks_of_events_equal_the_arrivals_of_their_lines_in_the_log() {
        let root = tempfile::tempdir().unwrap();
        let archive = Arc::new(store::Directory::new(root.path().join("archive")));
        let (engine, commands) = engine();
        let admission =
            RideAdmission::new(OpenRides::new(Mode::Service, usize::MAX), engine.watch_rules());
        let mut fanout = Fanout::new(engine, &StandbyFeed::default());
        let (clock, source) = log::Clock::system().following_source();
        source.advance_to(START_MS);
        let log = log::open(root.path(), archive, clock, false).unwrap();
        let component = Health::default().component("archive");
        let log =
            log.start(component, admission, move |delivery| fanout.deliver(delivery)).unwrap();
        // Batches with recorded arrivals, without, and with recorded arrivals that are late.
        for recorded in [Some([50, 30, 90]), None, Some([10, 4_000, 200]), Some([1, 2, 3]), None] {
            let (mut lines, mut events) = (LogLines::new(), Events::default());
            for number in 0..3 {
                match recorded {
                    Some(recorded) => {
                        _ = lines.push_arrived(br#"{"a":1}"#, START_MS + recorded[number]);
                    }
                    None => lines.push(br#"{"a":1}"#),
                }
                events.tracking.push(view(number as u64));
            }
            log.append(lines, events).unwrap().blocking_recv().unwrap().unwrap();
        }
        log.close();

        let mut clocks = Vec::new();
        while let Ok(command) = commands.try_recv() {
            if let Command::Events(time, events) = command {
                assert!(events.tracking.iter().all(|event| event.clock <= time));
                clocks.extend(events.tracking.iter().map(|event| event.clock));
            }
        }
        let segment = root.path().join("log/00000000000000000001.jsonl");
        let text = fs::read_to_string(segment).unwrap();
        let arrival = |line: &str| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["arrivalTimestamp"].as_u64().unwrap()
        };
        assert_eq!(clocks, text.lines().map(arrival).collect::<Vec<_>>());
        assert_eq!(clocks[..3], [50, 50, 90].map(|ms| START_MS + ms));
    }
}
