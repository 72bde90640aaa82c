//! Log-linear buckets of f64 values: the octave and the bucket that count a value.
//!
//! The bits of an f64 are its sign, its exponent and its mantissa, in this order. The *octave* of a value is
//! its sign and exponent, the 12 upper bits. The next bits divide it into `h` buckets, with the same `h` as
//! for integers ([`Layout`]): 128 with two digits. So a bucket is never wider than `1/h` of a value in it, ≤
//! 10⁻ᵈ. Zero and the subnormal numbers are in octave 0 (with a minus sign in 2048), whose buckets are
//! `2⁻¹⁰²²/h` wide; the first of them stands for zero. An exponent with all bits set is a NaN or an infinity,
//! so octaves 2047 and 4095 count nothing.
//!
//! If an octave has no space for its buckets, its values are counted in one of 64 *ranges*. The octaves of a
//! range agree in their upper six bits.

use super::histogram::Layout;

/// Number of octaves.
pub const OCTAVES: usize = 1 << 12;
/// Number of ranges of octaves.
pub const RANGES: usize = OCTAVES / OCTAVES_OF_RANGE;
/// Octaves of a range.
pub const OCTAVES_OF_RANGE: usize = 64;
/// Bits of a mantissa.
const MANTISSA: u32 = 52;
/// The octaves from this number on have negative values.
const NEGATIVE: u32 = 1 << 11;

/// The division of the f64 values into buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FloatLayout {
    /// How far the bits of a value are shifted to the right to have its bucket in the lowest bits.
    shift: u32,
}

impl FloatLayout {
    /// The layout for `digits` significant digits, if [`DIGITS`](super::histogram::DIGITS) allows them.
    pub const fn new(digits: u32) -> Option<FloatLayout> {
        match Layout::new(digits) {
            Some(layout) => Some(FloatLayout {
                shift: MANTISSA - layout.buckets().trailing_zeros(),
            }),
            None => None,
        }
    }

    /// Buckets of one octave.
    pub const fn buckets(self) -> usize {
        1 << (MANTISSA - self.shift)
    }

    /// The octave of a value, and the position of its bucket in it, to be taken modulo the number of
    /// [`buckets`](FloatLayout::buckets).
    #[inline(always)]
    pub fn place(self, value: f64) -> (u32, usize) {
        let bits = value.to_bits();
        ((bits >> MANTISSA) as u32, (bits >> self.shift) as usize)
    }

    /// The least and the greatest value of a bucket, or of the octave if `position` is `None`.
    pub fn bounds(self, octave: u32, position: Option<usize>) -> (f64, f64) {
        let first = u64::from(octave) << MANTISSA;
        let (first, width) = match position {
            Some(position) => (first | (position as u64) << self.shift, self.shift),
            None => (first, MANTISSA),
        };
        ascending(first, first | ((1 << width) - 1))
    }
}

/// The least and the greatest finite value of a range.
pub fn range_bounds(range: usize) -> (f64, f64) {
    let first = (range * OCTAVES_OF_RANGE) as u64;
    let last = first + OCTAVES_OF_RANGE as u64 - 1;
    // The last octave of each sign has no finite value.
    let last = if last as u32 & (NEGATIVE - 1) == NEGATIVE - 1 {
        last - 1
    } else {
        last
    };
    ascending(first << MANTISSA, last << MANTISSA | ((1 << MANTISSA) - 1))
}

/// Two values of the same sign, given by their bits, in ascending order.
fn ascending(first: u64, last: u64) -> (f64, f64) {
    let (first, last) = (f64::from_bits(first), f64::from_bits(last));
    if first.is_sign_negative() {
        (last, first)
    } else {
        (first, last)
    }
}

/// The middle of a bucket, an octave or a range, by the bits of its bounds. Within an octave values are
/// linear in their bits, so this is the mean of the bounds. A bucket that contains zero stands for zero.
pub fn middle(low: f64, high: f64) -> f64 {
    if low == 0.0 || high == 0.0 {
        return 0.0;
    }
    let (a, b) = (low.to_bits(), high.to_bits());
    f64::from_bits(a.min(b) + a.abs_diff(b) / 2)
}

/// The place of an octave among all octaves, in the order of their values.
pub const fn rank(octave: u32) -> u32 {
    if octave & NEGATIVE != 0 {
        OCTAVES as u32 - 1 - octave
    } else {
        octave | NEGATIVE
    }
}

/// The octave at a place: the inverse of [`rank`].
pub const fn octave_at(rank: u32) -> u32 {
    if rank & NEGATIVE != 0 {
        rank & !NEGATIVE
    } else {
        OCTAVES as u32 - 1 - rank
    }
}

/// Whether the values of an octave are negative. Its buckets are then in descending order.
pub const fn is_negative(octave: u32) -> bool {
    octave & NEGATIVE != 0
}

#[cfg(test)]
mod tests {
    use super::super::histogram::DIGITS;
    use super::*;

    /// The next value, with -0 before 0.
    fn after(value: f64) -> f64 {
        match value.to_bits() {
            0x8000_0000_0000_0000 => 0.0,
            _ => value.next_up(),
        }
    }

    #[test]
    fn buckets_tile_all_finite_values() {
        let layout = FloatLayout::new(1).unwrap();
        let mut next = f64::MIN;
        for rank in 0..OCTAVES as u32 {
            let octave = octave_at(rank);
            assert_eq!(super::rank(octave), rank);
            if octave & 2047 == 2047 {
                continue;
            }
            let mut positions: Vec<usize> = (0..layout.buckets()).collect();
            if is_negative(octave) {
                positions.reverse();
            }
            for position in positions {
                let (low, high) = layout.bounds(octave, Some(position));
                assert_eq!(low.total_cmp(&next), std::cmp::Ordering::Equal);
                for value in [low, high] {
                    let (found, place) = layout.place(value);
                    assert_eq!((found, place % layout.buckets()), (octave, position));
                }
                next = after(high);
            }
        }
        assert_eq!(next, f64::INFINITY);
    }

    #[test]
    fn the_error_is_what_the_digits_promise() {
        for digits in DIGITS {
            let layout = FloatLayout::new(digits).unwrap();
            let bound = 10f64.powi(-(digits as i32));
            for value in [
                1.0,
                -1.0,
                1e-300,
                0.1,
                -123.456,
                f64::MAX,
                f64::MIN_POSITIVE,
            ] {
                let (octave, position) = layout.place(value);
                let (low, high) = layout.bounds(octave, Some(position % layout.buckets()));
                assert!((low..=high).contains(&value));
                assert!(high - low <= bound * value.abs(), "{value} with {digits}");
                assert!((low..=high).contains(&middle(low, high)));
            }
        }
    }

    #[test]
    fn ranges_tile_all_finite_values() {
        let mut next = f64::MIN;
        for range in (RANGES / 2..RANGES).rev().chain(0..RANGES / 2) {
            let (low, high) = range_bounds(range);
            assert_eq!(low.total_cmp(&next), std::cmp::Ordering::Equal);
            next = after(high);
        }
        assert_eq!(next, f64::INFINITY);
    }

    #[test]
    fn a_middle_of_zero_is_zero() {
        let layout = FloatLayout::new(2).unwrap();
        for zero in [0.0, -0.0] {
            let (octave, position) = layout.place(zero);
            let (low, high) = layout.bounds(octave, Some(position % layout.buckets()));
            assert_eq!(middle(low, high).to_bits(), 0);
        }
        let below = 1.5f64.next_down();
        assert_eq!(middle(1.0, 2.0f64.next_down()), below);
        assert_eq!(middle(-(2.0f64.next_down()), -1.0), -below);
    }
}
