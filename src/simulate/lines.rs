//! Writes events as lines: compact JSON, with the fields in the order of the golden data.

use super::event::{Event, Kind};
use super::parameters::RACE_SECONDS;
use super::race::Race;

/// The approximate maximum length of a line, used to reserve memory.
const LINE_BYTES: usize = 224;

/// Writes lines to a buffer.
pub(super) struct LineWriter {
    pub(super) text: Vec<u8>,
    integers: itoa::Buffer,
    floats: zmij::Buffer,
}

impl LineWriter {
    /// An empty buffer with capacity for `lines` lines.
    pub(super) fn with_capacity(lines: usize) -> Self {
        let text = Vec::with_capacity(lines * LINE_BYTES);
        Self { text, integers: itoa::Buffer::new(), floats: zmij::Buffer::new() }
    }

    /// Adds the line of an event of `race`.
    pub(super) fn push(&mut self, race: &Race<'_>, event: &Event) {
        match event.kind {
            Kind::Ride { rider, second } => self.ride(race, event, rider, second),
            Kind::View { project, viewer } => {
                self.bytes(br#"{"event":"view","uuid":""#);
                self.view(race, event, project, viewer, None);
            }
            Kind::Watch { project, viewer, duration_ms } => {
                self.bytes(br#"{"event":"watch","uuid":""#);
                self.view(race, event, project, viewer, Some(duration_ms));
            }
        }
    }

    fn ride(&mut self, race: &Race<'_>, event: &Event, rider: usize, second: u32) {
        let Some(rider) = race.riders.get(rider) else { return };
        self.bytes(if second == RACE_SECONDS {
            br#"{"event":"final","deviceTimestamp":"#
        } else {
            br#"{"event":"update","deviceTimestamp":"#
        });
        self.integer(race.start_ms + u64::from(event.device_ms));
        self.bytes(br#","second":"#);
        self.integer(second.into());
        self.bytes(&rider.fixed_fields);
        self.number(rider.cadence.at(second));
        self.bytes(br#","resistance":"#);
        self.number(rider.resistance.at(second));
        self.bytes(br#","uuid":""#);
        self.bytes(&event.uuid.text());
        self.bytes(b"\"}\n");
    }

    fn view(&mut self, race: &Race<'_>, event: &Event, project: u32, viewer: u32, ms: Option<u32>) {
        self.bytes(&event.uuid.text());
        self.bytes(br#"","projectId":"project-"#);
        self.integer(project.into());
        self.bytes(br#"","viewerId":"viewer-"#);
        self.integer(viewer.into());
        if let Some(duration_ms) = ms {
            self.bytes(br#"","durationMs":"#);
            self.integer(duration_ms.into());
            self.bytes(br#","deviceTimestamp":"#);
        } else {
            self.bytes(br#"","deviceTimestamp":"#);
        }
        self.integer(race.start_ms + u64::from(event.device_ms));
        self.bytes(b"}\n");
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(bytes);
    }

    fn integer(&mut self, integer: u64) {
        self.text.extend_from_slice(self.integers.format(integer).as_bytes());
    }

    /// Writes a number as JavaScript does: the shortest digits that parse to it, without `.0`.
    fn number(&mut self, number: f64) {
        let digits = self.floats.format_finite(number);
        self.text.extend_from_slice(digits.strip_suffix(".0").unwrap_or(digits).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::parameters::Parameters;
    use super::super::race::{Effort, Rider};
    use super::super::random::Random;
    use super::super::workload::Workload;
    use super::*;

    const UUID: &str = "00000000-0000-4000-8000-000000000000";

    /// The line of an event at `device_ms`, with a UUID of zeros.
    fn line(device_ms: u32, kind: Kind) -> String {
        let workload = Workload::new(Parameters::DEFAULT).unwrap();
        let mut race = workload.race(0);
        race.riders = vec![Rider {
            fixed_fields:
                br#","raceId":5400800,"name":"Vito","racerId":103,"classId":1,"cadence":"#[..]
                    .into(),
            cadence: Effort { start: 78, end: 80 },
            resistance: Effort { start: 78, end: 78 },
        }];
        let uuid = Random::new(1, 0, 0).uuid();
        let mut lines = LineWriter::with_capacity(1);
        lines.push(&race, &Event { device_ms, uuid, kind });
        let uuid = String::from_utf8(uuid.text().to_vec()).unwrap();
        String::from_utf8(lines.text).unwrap().replace(&uuid, UUID)
    }

    #[test]
    fn lines_of_riders_equal_the_golden_data_plus_a_uuid() {
        assert_eq!(
            line(1_114, Kind::Ride { rider: 0, second: 1 }),
            r#"{"event":"update","deviceTimestamp":1620240001114,"second":1,"raceId":5400800,"name":"Vito","racerId":103,"classId":1,"cadence":78.00666666666666,"resistance":78,"uuid":"00000000-0000-4000-8000-000000000000"}"#.to_owned() + "\n"
        );
        assert_eq!(
            line(300_064, Kind::Ride { rider: 0, second: 300 }),
            r#"{"event":"final","deviceTimestamp":1620240300064,"second":300,"raceId":5400800,"name":"Vito","racerId":103,"classId":1,"cadence":80,"resistance":78,"uuid":"00000000-0000-4000-8000-000000000000"}"#.to_owned() + "\n"
        );
    }

    #[test]
    fn only_lines_of_watch_events_have_a_duration() {
        assert_eq!(
            line(1_000, Kind::View { project: 17, viewer: 4 }),
            r#"{"event":"view","uuid":"00000000-0000-4000-8000-000000000000","projectId":"project-17","viewerId":"viewer-4","deviceTimestamp":1620240001000}"#.to_owned() + "\n"
        );
        assert_eq!(
            line(1_000, Kind::Watch { project: 17, viewer: 4, duration_ms: 5_000 }),
            r#"{"event":"watch","uuid":"00000000-0000-4000-8000-000000000000","projectId":"project-17","viewerId":"viewer-4","durationMs":5000,"deviceTimestamp":1620240001000}"#.to_owned() + "\n"
        );
    }
}
