//! Fuzz targets of the batch's own splitting and decoding.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target panics if its decoder is wrong"
)]

use std::io::Cursor;

use compact_str::CompactString;
use velodrome_dataflows::{Sample, device_hash};

use super::decode::decode;
use super::event::{Content, Line, Time};
use super::texts::{Text, Texts};
use crate::ingest::decode::decode_any;
use crate::ingest::event::{Event, EventTimestamp, tracking_hash};
use crate::ingest::fuzz::RACE_SECONDS;
use crate::ingest::objects::objects;

/// Both decoders accept the same lines, with the same fields, and reject the others for the same reason.
pub(crate) fn batch_event(line: &[u8]) {
    match (decode(line, RACE_SECONDS), decode_any(line, RACE_SECONDS)) {
        (Ok(batch), Ok(replay)) => assert_equal(batch, replay),
        (batch, replay) => assert_eq!(batch.err(), replay.err()),
    }
}

/// An input has the same texts in both, at the same lines.
pub(crate) fn batch_texts(input: &[u8]) {
    let mut texts = Texts::new(Box::new(Cursor::new(input.to_vec())));
    let lines = (1..).zip(input.split(|byte| *byte == b'\n'));
    let mut expected =
        lines.flat_map(|(number, line)| objects(line).map(move |text| (number, text)));
    while let Some((number, text)) = texts.next().unwrap() {
        let Text::Whole(text) = text else { return };
        assert_eq!(Some((number, text)), expected.next());
    }
    assert_eq!(expected.next(), None);
}

fn assert_equal(Line { time, content }: Line, event: Event) {
    let timestamp = match &event {
        Event::Race(race) => race.timestamp,
        Event::Tracking(tracking) => tracking.timestamp,
    };
    match (time, timestamp) {
        (Some(Time::Arrival(batch)), EventTimestamp::Arrival(replay)) => assert_eq!(batch, replay),
        (Some(Time::Device(batch, _)), EventTimestamp::Device { ms, .. }) => assert_eq!(batch, ms),
        times => panic!("{times:?}"),
    }
    match (content, event) {
        (Content::Race(batch), Event::Race(replay)) => {
            let expected = Sample {
                clock: 0,
                race: batch.race,
                device_ms: batch.device_ms,
                cadence: batch.cadence,
                resistance: batch.resistance,
                name: batch.name,
                device_hash: batch.device.map_or(0, |device| device_hash(device.as_bytes())),
                racer: batch.racer,
                class: batch.class,
                second: batch.second,
                is_final: batch.is_final,
            };
            assert_eq!(replay.event, expected);
        }
        (Content::Tracking(batch), Event::Tracking(replay)) => {
            let replay = replay.event;
            let hash = tracking_hash(batch.project.as_bytes(), batch.uuid.as_bytes());
            assert_eq!(replay.uuid, hash);
            let fields = (replay.project, u64::from(replay.duration_ms), replay.is_view);
            let expected: (CompactString, _, _) = (batch.project, batch.duration_ms, batch.is_view);
            assert_eq!(fields, expected);
        }
        (content, event) => panic!("{content:?} {event:?}"),
    }
}
