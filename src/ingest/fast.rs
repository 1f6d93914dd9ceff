//! The fast path of decoding: one pass over a line in the form that devices and logs send.
//!
//! That form is compact JSON: no white space, strings of printable ASCII without escapes, numbers
//! without exponent, scalar values only. For any other form, and for every invalid event, the fast path
//! returns `None`, and the JSON library decides.

use compact_str::CompactString;
use memchr::memchr;
use velodrome_dataflows::{Sample, Tracking, device_hash};
use xxhash_rust::xxh3::xxh3_128;

use super::event::{
    Accepted, DURATION_MS_MAX, Event, ID_BYTES_MAX, INTEGER_MAX, Reading, UUID_BYTES_MAX,
};
use crate::rules::MEASURE_MAX;

/// Up to this value every integer is exact as a double.
const EXACT: u64 = 1 << 53;

/// All powers of ten that fit in 64 bits.
const POWERS: [u64; 20] = {
    let mut powers = [1; 20];
    let mut exponent = 1;
    while exponent < 20 {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Update,
    Final,
    View,
    Watch,
}

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

/// Decodes a line of the usual form. Samples are valid up to the second `race_seconds`.
#[inline]
pub(super) fn decode(line: &[u8], race_seconds: u16) -> Option<Event> {
    let fields = Fields::scan(line)?;
    let device_ms = fields.device_timestamp.filter(|ms| *ms <= INTEGER_MAX)?;
    let reading = match fields.arrival_timestamp {
        Some(ms) if ms <= INTEGER_MAX => Reading::Arrival(ms),
        Some(_) => return None,
        None => Reading::Device(device_ms),
    };
    let kind = fields.kind?;
    if matches!(kind, Kind::Update | Kind::Final) {
        let event = fields.sample(device_ms, kind == Kind::Final, race_seconds)?;
        Some(Event::Race(Accepted { event, reading }))
    } else {
        let event = fields.tracking(kind == Kind::View)?;
        Some(Event::Tracking(Accepted { event, reading }))
    }
}

impl<'a> Fields<'a> {
    fn scan(line: &'a [u8]) -> Option<Self> {
        let mut fields = Self::default();
        let mut at = Cursor(line.strip_prefix(b"{\"")?);
        loop {
            // The first byte of a name leaves one or a few candidates.
            match at.0.first()? {
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
            match at.0 {
                [b',', b'"', rest @ ..] => at.0 = rest,
                [b'}'] => return Some(fields),
                _ => return None,
            }
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
            name: self.name.map(CompactString::from_utf8).transpose().ok()?,
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
        Some(Tracking {
            clock: 0,
            uuid: xxh3_128(uuid),
            project: CompactString::from_utf8(self.project_id.filter(id)?).ok()?,
            duration_ms: duration_ms as u32,
            is_view,
        })
    }
}

/// Sets a field. Returns `None` if it was set before: the library rejects such a line.
#[inline]
fn set<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

/// The rest of the line.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    #[inline]
    fn eat<const N: usize>(&mut self, expected: &[u8; N]) -> bool {
        match self.0.split_first_chunk::<N>() {
            Some((start, rest)) if start == expected => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    #[inline]
    fn kind(&mut self) -> Option<Kind> {
        Some(match self.0.first()? {
            b'u' if self.eat(b"update\"") => Kind::Update,
            b'f' if self.eat(b"final\"") => Kind::Final,
            b'v' if self.eat(b"view\"") => Kind::View,
            b'w' if self.eat(b"watch\"") => Kind::Watch,
            _ => return None,
        })
    }

    /// Appends the next digits to the number `value`. Returns the new number and the count of digits.
    #[inline]
    fn digits(&mut self, mut value: u64) -> (u64, usize) {
        let mut count = 0;
        while let Some(ahead) = self.0.first_chunk() {
            let (digits, part) = leading_digits(*ahead);
            value = value.wrapping_mul(POWERS[digits]).wrapping_add(part);
            count += digits;
            self.0 = self.0.get(digits..).unwrap_or_default();
            if digits < 8 {
                return (value, count);
            }
        }
        while let Some((byte @ b'0'..=b'9', rest)) = self.0.split_first() {
            value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            count += 1;
            self.0 = rest;
        }
        (value, count)
    }

    /// An integer of at most 16 digits, without sign or leading zero.
    #[inline]
    fn integer(&mut self) -> Option<u64> {
        let leading_zero = self.0.first() == Some(&b'0');
        let (value, count) = self.digits(0);
        let usual = (1..=16).contains(&count) && !(leading_zero && count > 1);
        usual.then_some(value)
    }

    /// A number without sign and exponent, correctly rounded.
    #[inline]
    fn number(&mut self) -> Option<f64> {
        let text = self.0;
        let integer = self.integer()?;
        if self.0.first() != Some(&b'.') {
            return Some(integer as f64);
        }
        self.0 = self.0.get(1..)?;
        let (digits, decimals) = self.digits(integer);
        if decimals == 0 {
            return None;
        }
        let length = text.len() - self.0.len();
        // At most 19 digits and the point, so no digit overflowed.
        if length > 20 {
            return None;
        }
        quotient(digits, decimals)
    }

    /// The string up to its closing quote, if it is printable ASCII without escapes.
    #[inline]
    fn text(&mut self) -> Option<&'a [u8]> {
        let length = memchr(b'"', self.0)?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest.get(1..)?;
        is_plain(text).then_some(text)
    }
}

/// `digits / 10^decimals`, rounded once to the nearest double, ties to even.
#[inline]
fn quotient(digits: u64, decimals: usize) -> Option<f64> {
    let power = *POWERS.get(decimals)?;
    if digits <= EXACT && power <= EXACT {
        // Both are exact as doubles, so that only the division rounds (Clinger 1990).
        return Some(digits as f64 / power as f64);
    }
    // 2^64 times the quotient, with far more bits than a double has. Of the remainder it only matters
    // whether it is zero, so the last bit is set if it is not.
    let scaled = u128::from(digits) << 64;
    let whole = scaled / u128::from(power);
    let rest = u128::from(whole * u128::from(power) != scaled);
    (whole >= 1 << 60).then(|| (whole | rest) as f64 / (1u128 << 64) as f64)
}

/// The number of leading digits among the bytes, and their value.
#[inline]
fn leading_digits(bytes: [u8; 8]) -> (usize, u64) {
    let digits = u64::from_le_bytes(bytes) ^ 0x3030_3030_3030_3030;
    // Sets the high bit of bytes over 9. A carry only reaches bytes after the first of them.
    let others = (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080;
    let count = (others.trailing_zeros() / 8) as usize;
    if count == 0 {
        return (0, 0);
    }
    // Pads with leading zeros, then combines neighbours to pairs, fours and finally all eight.
    let eight = digits << (64 - 8 * count);
    let pairs = eight.wrapping_mul(10 * 256 + 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 * 65_536 + 1) >> 16 & 0x0000_ffff_0000_ffff;
    (count, fours.wrapping_mul(10_000 * 4_294_967_296 + 1) >> 32)
}

/// Whether all of the text is printable ASCII without escapes.
#[inline]
fn is_plain(text: &[u8]) -> bool {
    // Without an early exit this compiles to vector instructions.
    let odd = |byte: &u8| !matches!(byte, b' '..=b'~') | (*byte == b'\\');
    !text.iter().fold(false, |found, byte| found | odd(byte))
}
