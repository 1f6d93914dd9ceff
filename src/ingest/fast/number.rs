//! Numbers from decimal digits, with the same rounding as serde_json.

/// Up to this value every integer is exact as a double.
const EXACT: u64 = 1 << 53;

/// All powers of ten that fit in 64 bits.
pub(super) const POWERS: [u64; 20] = {
    let mut powers = [1; 20];
    let mut exponent = 1;
    while exponent < 20 {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// `digits / 10^decimals`, rounded once to the nearest double, ties to even.
#[inline]
pub(super) fn quotient(digits: u64, decimals: usize) -> Option<f64> {
    let power = *POWERS.get(decimals)?;
    if digits <= EXACT && power <= EXACT {
        // Both are exact as doubles, so only the division rounds (Clinger 1990).
        return Some(digits as f64 / power as f64);
    }
    // 2^64 times the quotient, which has far more bits than a double. Rounding depends on the remainder
    // only by whether it is zero, so a remainder sets the last bit.
    let scaled = u128::from(digits) << 64;
    let whole = scaled / u128::from(power);
    let rest = u128::from(whole * u128::from(power) != scaled);
    (whole >= 1 << 60).then(|| (whole | rest) as f64 / (1u128 << 64) as f64)
}

/// The number of leading digits among the bytes, and their value.
#[inline]
pub(super) fn leading_digits(bytes: [u8; 8]) -> (usize, u64) {
    let digits = u64::from_le_bytes(bytes) ^ 0x3030_3030_3030_3030;
    // Sets the high bit of each byte over 9. A carry can only reach bytes after the first such byte.
    let others = (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080;
    let count = (others.trailing_zeros() / 8) as usize;
    if count == 0 {
        return (0, 0);
    }
    // Pads with leading zeros, then combines adjacent digits into pairs, fours and finally all eight.
    let eight = digits << (64 - 8 * count);
    let pairs = eight.wrapping_mul(10 * 256 + 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 * 65_536 + 1) >> 16 & 0x0000_ffff_0000_ffff;
    (count, fours.wrapping_mul(10_000 * 4_294_967_296 + 1) >> 32)
}
