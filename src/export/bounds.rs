//! The classic histogram: the number of values that are at most `le`, for a fixed list of bounds.
//!
//! Each bound is the upper end of one of our own buckets, for any number of digits that the metric has: `2^k - 1` and
//! `1.5·2^k - 1` for integers. (A bucket of the octave from `2^k` on is `2^k/h` wide, with `h ≥ 16` a power of two,
//! so half an octave is a whole number of buckets.) So a count is exactly the number of recorded values that are at
//! most the bound, as long as the metric has space for the buckets; values that an octave counts without buckets are
//! counted at its end.
//!
//! With `m` bounds for each octave, a server's estimate between two bounds differs from the true quantile by a factor
//! of at most `1 + 1/m`: 1.5 for integers and timers, 2 for floats.

use std::sync::LazyLock;

use crate::reader::Histogram;

/// The bounds of timers, in nanoseconds: 1 µs to 69 s.
static NANOSECONDS: LazyLock<Vec<u64>> = LazyLock::new(|| integers(10, 36));
/// The bounds of integers: 0 to 2³² - 1.
static INTEGERS: LazyLock<Vec<u64>> = LazyLock::new(|| integers(0, 32));
/// The bounds of floats: 0, and the last value before a power of two, 2⁻²⁰ to 2³³.
static FLOATS: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let powers = (-20..=33).map(|k| 2f64.powi(k).next_down());
    std::iter::once(0.0).chain(powers).collect()
});

/// Returns the bounds `2^k - 1`, and `1.5·2^k - 1` between two of them.
fn integers(first: u32, last: u32) -> Vec<u64> {
    let mut bounds = Vec::new();
    for k in first..=last {
        bounds.push((1 << k) - 1);
        // 1.5·2^0 is not an integer.
        if k > 0 && k < last {
            bounds.push((3 << (k - 1)) - 1);
        }
    }
    bounds
}

/// Returns the upper bounds, ascending, each with the count of values up to it. The last bound is infinite, and its
/// count is the sum of all buckets.
pub fn classic(histogram: &Histogram<'_>) -> Vec<(f64, u64)> {
    let mut counts: Vec<(f64, u64)> = match histogram.divisor() {
        None => FLOATS.iter().map(|&bound| (bound, 0)).collect(),
        Some(divisor) => {
            let bounds = if divisor == 1.0 {
                &INTEGERS
            } else {
                &NANOSECONDS
            };
            // Divided in the same way as the values of buckets, so that a bound equals the end of its bucket.
            let divided = bounds.iter().map(|&bound| (bound as f64 / divisor, 0));
            divided.collect()
        }
    };
    counts.push((f64::INFINITY, 0));
    let mut at = 0;
    histogram.each_bucket(|low, high, count| {
        // The bucket that contains zero stands for zero.
        let high = if low == 0.0 && histogram.divisor().is_none() {
            0.0
        } else {
            high
        };
        // A coarse count may end before the bucket before it.
        while at > 0 && high <= counts[at - 1].0 {
            at -= 1;
        }
        while high > counts[at].0 {
            at += 1;
        }
        counts[at].1 = counts[at].1.saturating_add(count);
    });
    let mut sum: u64 = 0;
    for (_, count) in &mut counts {
        sum = sum.saturating_add(*count);
        *count = sum;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::float_histogram::FloatLayout;
    use crate::format::histogram::{DIGITS, Layout};

    #[test]
    fn every_bound_is_the_end_of_a_bucket_whatever_the_digits() {
        for digits in DIGITS {
            let layout = Layout::new(digits).unwrap();
            for &bound in INTEGERS.iter().chain(&*NANOSECONDS) {
                let (top, position) = layout.place(bound);
                let octave = layout.octave(top);
                let (_, high) = layout.bounds(octave, Some(position % layout.buckets()));
                assert_eq!(high, bound, "{digits} digits");
            }
            let layout = FloatLayout::new(digits).unwrap();
            for &bound in &FLOATS[1..] {
                let (octave, position) = layout.place(bound);
                let (_, high) = layout.bounds(octave, Some(position % layout.buckets()));
                assert_eq!(high, bound, "{digits} digits");
            }
        }
    }

    #[test]
    fn bounds_ascend() {
        assert!(INTEGERS.is_sorted_by(|a, b| a < b) && NANOSECONDS.is_sorted_by(|a, b| a < b));
        assert!(FLOATS.is_sorted_by(|a, b| a < b));
        assert_eq!(INTEGERS[..7], [0, 1, 2, 3, 5, 7, 11]);
        assert_eq!((NANOSECONDS[0], NANOSECONDS.len()), (1023, 53));
    }
}
