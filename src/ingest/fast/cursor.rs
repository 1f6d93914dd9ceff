//! A cursor over the bytes of a line. Each method consumes one JSON token, or returns `None`.

use memchr::memchr;

use super::number::{POWERS, leading_digits, quotient};

/// The value of the field `event`.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Update,
    Final,
    View,
    Watch,
}

/// The rest of the line.
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    #[inline]
    pub(super) fn new(line: &'a [u8]) -> Self {
        Self(line)
    }

    /// The next byte, without consuming it.
    #[inline]
    pub(super) fn first(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The bytes that were not consumed.
    #[inline]
    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Consumes `expected`, if it comes next.
    #[inline]
    pub(super) fn eat<const N: usize>(&mut self, expected: &[u8; N]) -> bool {
        match self.0.split_first_chunk::<N>() {
            Some((start, rest)) if start == expected => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// The value of `event` and its closing quote.
    #[inline]
    pub(super) fn kind(&mut self) -> Option<Kind> {
        Some(match self.0.first()? {
            b'u' if self.eat(b"update\"") => Kind::Update,
            b'f' if self.eat(b"final\"") => Kind::Final,
            b'v' if self.eat(b"view\"") => Kind::View,
            b'w' if self.eat(b"watch\"") => Kind::Watch,
            _ => return None,
        })
    }

    /// Consumes digits and appends them to `value`. Returns the new value and the number of digits.
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
    pub(super) fn integer(&mut self) -> Option<u64> {
        let leading_zero = self.0.first() == Some(&b'0');
        let (value, count) = self.digits(0);
        let usual = (1..=16).contains(&count) && !(leading_zero && count > 1);
        usual.then_some(value)
    }

    /// A number without sign or exponent, correctly rounded.
    #[inline]
    pub(super) fn number(&mut self) -> Option<f64> {
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
        // More than 19 digits and the point may have overflowed.
        if length > 20 {
            return None;
        }
        quotient(digits, decimals)
    }

    /// The string up to its closing quote, if it is printable ASCII without escapes.
    #[inline]
    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let length = memchr(b'"', self.0)?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest.get(1..)?;
        is_plain(text).then_some(text)
    }
}

/// Whether all of the text is printable ASCII without escapes.
#[inline]
fn is_plain(text: &[u8]) -> bool {
    // Without an early exit this compiles to vector instructions.
    let odd = |byte: &u8| !matches!(byte, b' '..=b'~') | (*byte == b'\\');
    !text.iter().fold(false, |found, byte| found | odd(byte))
}
