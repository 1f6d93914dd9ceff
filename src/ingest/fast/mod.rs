//! The fast path of decoding: one pass over a line in the form that devices and logs send.
//!
//! That form is compact JSON: no white space, strings of printable ASCII without escapes, numbers
//! without exponent, scalar values only. For any other form, and for every invalid event, the fast path
//! returns `None`, and the JSON library decides.

mod cursor;
mod number;

use compact_str::CompactString;
use velodrome_dataflows::{Sample, Tracking, device_hash};

use super::event::{
    Accepted, DURATION_MS_MAX, Event, EventTimestamp, ID_BYTES_MAX, INTEGER_MAX, UUID_BYTES_MAX,
    kept_name, racer_device, tracking_hash, viewer_device,
};
use crate::rules::MEASURE_MAX;
use cursor::{Cursor, Kind};

/// The fields found in a line.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<Kind>,
    race_id: Option<u64>,
    class_id: Option<u64>,
    racer_id: Option<u64>,
    second: Option<u64>,
    cadence: Option<f64>,
    resistance: Option<f64>,
    device_timestamp: Option<u64>,
    arrival_timestamp: Option<u64>,
    uuid: Option<&'a [u8]>,
    name: Option<&'a [u8]>,
    project_id: Option<&'a [u8]>,
    viewer_id: Option<&'a [u8]>,
    duration_ms: Option<u64>,
}

/// Decodes an event of the usual form at the start of `bytes`. Returns it and the bytes after it. A
/// sample's second may be at most `race_seconds`.
#[inline]
pub(super) fn decode_first(bytes: &[u8], race_seconds: u16) -> Option<(Event, &[u8])> {
    let (fields, rest) = Fields::scan(bytes)?;
    Some((fields.event(race_seconds)?, rest))
}

impl<'a> Fields<'a> {
    /// The fields of the object at the start of `bytes`, and the bytes after it.
    fn scan(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut fields = Self::default();
        let mut at = Cursor::new(bytes.strip_prefix(b"{\"")?);
        loop {
            // The first byte narrows a name to one or a few candidates.
            match at.first()? {
                b'e' if at.eat(b"event\":\"") => set(&mut fields.kind, at.kind()?)?,
                b'd' if at.eat(b"deviceTimestamp\":") => {
                    set(&mut fields.device_timestamp, at.integer()?)?;
                }
                b's' if at.eat(b"second\":") => set(&mut fields.second, at.integer()?)?,
                b'r' if at.eat(b"raceId\":") => set(&mut fields.race_id, at.integer()?)?,
                b'n' if at.eat(b"name\":\"") => set(&mut fields.name, at.text()?)?,
                b'r' if at.eat(b"racerId\":") => set(&mut fields.racer_id, at.integer()?)?,
                b'c' if at.eat(b"classId\":") => set(&mut fields.class_id, at.integer()?)?,
                b'c' if at.eat(b"cadence\":") => set(&mut fields.cadence, at.number()?)?,
                b'r' if at.eat(b"resistance\":") => set(&mut fields.resistance, at.number()?)?,
                b'u' if at.eat(b"uuid\":\"") => set(&mut fields.uuid, at.text()?)?,
                b'a' if at.eat(b"arrivalTimestamp\":") => {
                    set(&mut fields.arrival_timestamp, at.integer()?)?;
                }
                b'p' if at.eat(b"projectId\":\"") => set(&mut fields.project_id, at.text()?)?,
                b'v' if at.eat(b"viewerId\":\"") => set(&mut fields.viewer_id, at.text()?)?,
                b'd' if at.eat(b"durationMs\":") => set(&mut fields.duration_ms, at.integer()?)?,
                b'o' if at.eat(b"output\":") => drop(at.number()?),
                _ => return None,
            }
            if !at.eat(b",\"") {
                return at.eat(b"}").then(|| (fields, at.rest()));
            }
        }
    }

    #[inline]
    fn event(self, race_seconds: u16) -> Option<Event> {
        let device_ms = self.device_timestamp.filter(|ms| *ms <= INTEGER_MAX)?;
        let arrival_ms = self.arrival_timestamp;
        if arrival_ms.is_some_and(|ms| ms > INTEGER_MAX) {
            return None;
        }
        let timestamp = |device| match arrival_ms {
            Some(ms) => EventTimestamp::Arrival(ms),
            None => EventTimestamp::Device { ms: device_ms, device },
        };
        let kind = self.kind?;
        if matches!(kind, Kind::Update | Kind::Final) {
            let timestamp = timestamp(racer_device(u32::try_from(self.racer_id?).ok()?));
            let device_ms = timestamp.confirmed(device_ms);
            let event = self.sample(device_ms, kind == Kind::Final, race_seconds)?;
            Some(Event::Race(Accepted { event, timestamp }))
        } else {
            let viewer = self.viewer_id;
            let event = self.tracking(kind == Kind::View)?;
            Some(Event::Tracking(Accepted { event, timestamp: timestamp(viewer_device(viewer)) }))
        }
    }

    #[inline]
    fn sample(self, device_ms: u64, is_final: bool, race_seconds: u16) -> Option<Sample> {
        let measure = |value: Option<f64>| value.filter(|value| *value <= MEASURE_MAX);
        Some(Sample {
            clock: 0,
            race: self.race_id.filter(|id| *id <= INTEGER_MAX)?,
            device_ms,
            cadence: measure(self.cadence)?,
            resistance: measure(self.resistance)?,
            name: self
                .name
                .map(str::from_utf8)
                .transpose()
                .ok()?
                .map(|name| kept_name(name).into()),
            device_hash: self.uuid.map_or(0, device_hash),
            racer: u32::try_from(self.racer_id?).ok()?,
            class: u16::try_from(self.class_id?).ok().filter(|id| *id > 0)?,
            second: u16::try_from(self.second?)
                .ok()
                .filter(|second| (1..=race_seconds).contains(second))?,
            is_final,
        })
    }

    #[inline]
    fn tracking(self, is_view: bool) -> Option<Tracking> {
        let id = |id: &&[u8]| (1..=ID_BYTES_MAX).contains(&id.len());
        let uuid = self.uuid.filter(|uuid| (1..=UUID_BYTES_MAX).contains(&uuid.len()))?;
        let viewer_bytes = self.viewer_id.map_or(0, <[u8]>::len);
        let duration_ms = self.duration_ms.unwrap_or(0);
        (viewer_bytes <= ID_BYTES_MAX && duration_ms <= DURATION_MS_MAX).then_some(())?;
        let project = self.project_id.filter(id)?;
        Some(Tracking {
            clock: 0,
            uuid: tracking_hash(project, uuid),
            project: CompactString::from_utf8(project).ok()?,
            duration_ms: duration_ms as u32,
            is_view,
        })
    }
}

/// Sets a field. Returns `None` if it was set before, because the library rejects duplicate fields.
#[inline]
fn set<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}
