//! Log-linear buckets: the octave and the bucket that count a value.
//!
//! With `d` significant digits, `2^k` is the least power of two that is at least `2·10^d`, and `h = 2^(k-1)`.
//! Octave 0 has a bucket for each value below `h`; octave `o ≥ 1` has `h` buckets of width `2^(o-1)` for the
//! values from `h·2^(o-1)` to `h·2^o - 1`. So a bucket is never wider than `1/h` of a value in it: ≤ 10⁻ᵈ.
//! The buckets are those of HdrHistogram (G. Tene) with lowest discernible value 1, so each can be converted
//! to the other.

use std::num::NonZero;

/// Number of digits that a histogram may have.
pub const DIGITS: core::ops::RangeInclusive<u32> = 1..=5;
/// Number of digits of a histogram that states none.
pub const DEFAULT_DIGITS: u32 = 2;

/// The division of the u64 values into buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// h = 2^half_bits buckets to an octave.
    half_bits: u32,
    /// h - 1, precomputed for [`place`](Layout::place).
    least: NonZero<u64>,
}

impl Layout {
    /// The layout for `digits` significant digits, if [`DIGITS`] allows them.
    pub const fn new(digits: u32) -> Option<Layout> {
        if digits < *DIGITS.start() || digits > *DIGITS.end() {
            return None;
        }
        let whole = (2 * 10u64.pow(digits)).next_power_of_two();
        let half_bits = whole.trailing_zeros() - 1;
        match NonZero::new((1 << half_bits) - 1) {
            Some(least) => Some(Layout { half_bits, least }),
            None => None,
        }
    }

    /// Buckets of one octave.
    pub const fn buckets(self) -> usize {
        1 << self.half_bits
    }

    /// The significant digits.
    pub const fn digits(self) -> u32 {
        // 2^half_bits is the least power of two ≥ 10^digits, so ⌊log10⌋ returns the digits.
        (1u64 << self.half_bits).ilog10()
    }

    /// Number of octaves, for values with up to 64 bits.
    pub const fn octaves(self) -> usize {
        65 - self.half_bits as usize
    }

    /// The top bit that stands for the octave of a value ([`octave`](Layout::octave)), and the position of
    /// its bucket in the octave, to be taken modulo the number of [`buckets`](Layout::buckets).
    #[inline(always)]
    pub fn place(self, value: u64) -> (u32, usize) {
        // Every value of octave 0 is treated as if its top bit were the one below h.
        let top = (self.least | value).ilog2();
        let shift = top.saturating_sub(self.half_bits);
        (top, (value >> shift) as usize)
    }

    /// The octave of a top bit that [`place`](Layout::place) returned.
    pub const fn octave(self, top: u32) -> usize {
        (top + 1 - self.half_bits) as usize
    }

    /// The top bit of an octave: the inverse of [`octave`](Layout::octave).
    pub const fn top(self, octave: usize) -> u32 {
        octave as u32 + self.half_bits - 1
    }

    /// The least and the greatest value of a bucket, or of the octave if `position` is `None`, which is what
    /// a coarse count covers.
    pub const fn bounds(self, octave: usize, position: Option<usize>) -> (u64, u64) {
        let h = 1u64 << self.half_bits;
        let shift = if octave == 0 { 0 } else { octave as u32 - 1 };
        let base = if octave == 0 { 0 } else { h };
        let (first, last) = match position {
            Some(position) => (base + position as u64, base + position as u64),
            None => (base, base + h - 1),
        };
        // No u128 is needed: base + position < 2h = 2^(half_bits + 1), and shift ≤ 63 - half_bits.
        let low = first << shift;
        (low, (last << shift) + ((1u64 << shift) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layouts() -> impl Iterator<Item = Layout> {
        DIGITS.map(|digits| Layout::new(digits).unwrap())
    }

    #[test]
    fn buckets_tile_the_whole_range() {
        for layout in layouts() {
            let place = |value| {
                let (top, position) = layout.place(value);
                assert_eq!(layout.top(layout.octave(top)), top);
                (layout.octave(top), position % layout.buckets())
            };
            let mut next = Some(0u64);
            for octave in 0..layout.octaves() {
                assert_eq!(Some(layout.bounds(octave, None).0), next);
                for position in 0..layout.buckets() {
                    let (low, high) = layout.bounds(octave, Some(position));
                    assert_eq!(Some(low), next);
                    assert_eq!(place(low), (octave, position));
                    assert_eq!(place(high), (octave, position));
                    assert!(high - low < low.max(1), "finer than the value itself");
                    next = high.checked_add(1);
                }
                assert_eq!(
                    layout.bounds(octave, None).1,
                    next.map_or(u64::MAX, |n| n - 1)
                );
            }
            assert_eq!(next, None, "the last bucket ends at u64::MAX");
        }
    }

    #[test]
    fn the_sizes_are_those_of_hdrhistogram() {
        let two = Layout::new(2).unwrap();
        assert_eq!((two.buckets(), two.octaves()), (128, 58));
        assert_eq!(two.buckets() * two.octaves() * 8, 59_392);
        assert_eq!(Layout::new(3).unwrap().buckets(), 1024);
        assert_eq!(Layout::new(0), None);
        assert_eq!(Layout::new(6), None);
    }

    #[test]
    fn the_error_is_what_the_digits_promise() {
        for (digits, layout) in DIGITS.zip(layouts()) {
            let bound = 10f64.powi(-(digits as i32));
            for octave in 1..layout.octaves() {
                let (low, high) = layout.bounds(octave, Some(0));
                assert!((high - low) as f64 <= bound * low as f64);
            }
        }
    }
}
