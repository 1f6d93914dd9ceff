//! Reproducible randomness: seeded generators and their draws.
//!
//! The draws are implemented here, because those of `rand` may change their values between its versions.

use rand::Rng;
use rand_pcg::Mcg128Xsl64;
use xxhash_rust::xxh3::xxh3_128;

/// A random UUID of version 4 (RFC 9562), as two halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Uuid(u64, u64);

impl Uuid {
    /// Its 36 characters, in lower case.
    pub(super) fn text(self) -> [u8; 36] {
        let [a, b] = [(self.0 >> 32) as u32, self.0 as u32].map(hex);
        let [c, d] = [(self.1 >> 32) as u32, self.1 as u32].map(hex);
        let [b0, b1, b2, b3, b4, b5, b6, b7] = b;
        let [c0, c1, c2, c3, c4, c5, c6, c7] = c;
        let middle = [
            b'-', b0, b1, b2, b3, b'-', b4, b5, b6, b7, b'-', c0, c1, c2, c3, b'-', c4, c5, c6, c7,
        ];
        let mut text = [0; 36];
        for (slot, byte) in text.iter_mut().zip(a.into_iter().chain(middle).chain(d)) {
            *slot = byte;
        }
        text
    }
}

/// Eight hexadecimal digits at once: each nibble moves to a byte, and 10 to 15 are raised to letters.
fn hex(bits: u32) -> [u8; 8] {
    let mut nibbles = u64::from(bits);
    nibbles = (nibbles | nibbles << 16) & 0x0000_ffff_0000_ffff;
    nibbles = (nibbles | nibbles << 8) & 0x00ff_00ff_00ff_00ff;
    nibbles = (nibbles | nibbles << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    let letters = (nibbles + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    (nibbles + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - b'9' - 1)).to_be_bytes()
}

/// A probability, 0 to 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probability(f64);

impl Probability {
    /// A probability of `value`, or 1 if it is larger.
    pub(super) fn new(value: f64) -> Self {
        Self(value.min(1.0))
    }

    /// Its value.
    pub(super) fn get(self) -> f64 {
        self.0
    }
}

/// The generator of one part of a workload.
pub(super) struct Random(Mcg128Xsl64);

impl Random {
    /// The generator of `part` of race `race`. All generators have unrelated states.
    pub(super) fn new(seed: u64, race: u64, part: u32) -> Self {
        let mut name = Vec::with_capacity(20);
        name.extend(seed.to_le_bytes());
        name.extend(race.to_le_bytes());
        name.extend(part.to_le_bytes());
        Self(Mcg128Xsl64::new(xxh3_128(&name)))
    }

    /// A number in `0..bound`; 0 if `bound` is 0.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        // The high half of the product; the bias is less than bound / 2^32 (Lemire, arXiv:1805.10941).
        (((self.0.next_u64() >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// A number from 0 to less than 1, in steps of 2^-53.
    pub(super) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with this probability.
    pub(super) fn happens(&mut self, probability: Probability) -> bool {
        self.unit() < probability.0
    }

    /// A UUID.
    pub(super) fn uuid(&mut self) -> Uuid {
        let (high, low) = (self.0.next_u64(), self.0.next_u64());
        Uuid(high & !0xf000 | 0x4000, low & !(0b11 << 62) | 0b10 << 62)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_lower_case_with_four_dashes() {
        let uuid = Uuid(0x0123_4567_89ab_4def, 0x8fed_cba9_8765_4320);
        assert_eq!(uuid.text(), *b"01234567-89ab-4def-8fed-cba987654320");
    }

    #[test]
    fn uuids_are_of_version_4() {
        let mut random = Random::new(1, 2, 3);
        for _ in 0..1000 {
            let text = random.uuid().text();
            assert_eq!(text[14], b'4');
            assert!(b"89ab".contains(&text[19]));
        }
    }

    #[test]
    fn every_seed_race_and_part_has_its_own_numbers() {
        let first = |seed, race, part| Random::new(seed, race, part).uuid();
        let all = [first(1, 0, 0), first(2, 0, 0), first(1, 1, 0), first(1, 0, 1)];
        for (index, uuid) in all.iter().enumerate() {
            assert_eq!(all.iter().position(|other| other == uuid), Some(index));
        }
    }
}
