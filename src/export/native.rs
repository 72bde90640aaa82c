//! The exponential histogram of Prometheus (native) and OpenTelemetry: buckets whose bounds are the powers of
//! `b = 2^(2^-s)`.
//!
//! The schema `s` is fixed at 4, so `b` is 1.0443. The count of each of our buckets goes into the exponential bucket
//! that contains its middle `x̂`. With two digits, each value `x` is within `x/256` of the middle of its bucket, and
//! the order of values is kept. So the bucket that contains a quantile has a bound within
//! `[(1 - 2⁻⁸)/b, (1 + 2⁻⁸)·b]` times the true quantile: an error of at most 4.9 %. The count of a single exponential
//! bucket is not exact; the total count is.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::reader::Histogram;

/// The schema.
pub const SCHEMA: i32 = 4;
/// Buckets per power of two.
const BUCKETS: i32 = 1 << SCHEMA;

/// The upper bounds of the buckets from a half to one, except the last bound, which is one: `2^(i/16 - 1)`, i = 0, 1,
/// …
static BOUNDS: LazyLock<[f64; BUCKETS as usize]> =
    LazyLock::new(|| std::array::from_fn(|i| 2f64.powf(i as f64 / f64::from(BUCKETS) - 1.0)));

/// A distribution in exponential buckets: index and count of each nonempty bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exponential {
    /// Bucket `i` counts the values above `b^(i-1)` and up to `b^i`. (OpenTelemetry's index is one less.)
    pub positive: BTreeMap<i32, u64>,
    /// The same for the absolute values of negative values.
    pub negative: BTreeMap<i32, u64>,
    /// Zeros, and values too small to be distinguished from zero.
    pub zero: u64,
}

impl Exponential {
    /// Converts a histogram.
    pub fn of(histogram: &Histogram<'_>) -> Exponential {
        let mut all = Exponential::default();
        histogram.each_bucket(|low, high, count| {
            let middle = middle(low, high);
            let counts = match middle {
                0.0 => &mut all.zero,
                x if x > 0.0 => all.positive.entry(index(x)).or_default(),
                x => all.negative.entry(index(-x)).or_default(),
            };
            *counts = counts.saturating_add(count);
        });
        all
    }
}

/// Returns the middle of a bucket. A bucket of subnormal numbers that contains zero stands for zero.
fn middle(low: f64, high: f64) -> f64 {
    if low.abs() < f64::MIN_POSITIVE && high.abs() < f64::MIN_POSITIVE && low * high <= 0.0 {
        return 0.0;
    }
    // Halved first: the sum of the two greatest values is infinite.
    low / 2.0 + high / 2.0
}

/// Returns the bucket of a positive, finite value: the least `i` with `x ≤ b^i`.
fn index(x: f64) -> i32 {
    let (fraction, exponent) = fraction(x);
    // Found by comparison, not by a logarithm, whose last digit may be wrong at a bound.
    let place = BOUNDS.partition_point(|&bound| bound < fraction);
    place as i32 + (exponent - 1) * BUCKETS
}

/// Returns `f` and `e` with `x = f·2^e` and `f` from a half to below one.
fn fraction(x: f64) -> (f64, i32) {
    const MANTISSA: u32 = 52;
    let bits = x.to_bits();
    match (bits >> MANTISSA) as i32 {
        // Subnormal; 2⁵⁴ times the value is not.
        0 => {
            let (fraction, exponent) = fraction(x * 2f64.powi(54));
            (fraction, exponent - 54)
        }
        biased => {
            let mantissa = bits & ((1 << MANTISSA) - 1);
            (f64::from_bits(mantissa | 1022 << MANTISSA), biased - 1022)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn powers_of_two_are_upper_bounds() {
        assert_eq!(index(1.0), 0);
        assert_eq!(index(2.0), 16);
        assert_eq!(index(0.5), -16);
        assert_eq!(index(1.0f64.next_up()), 1);
        assert_eq!(index(f64::MIN_POSITIVE), -1022 * 16);
        assert_eq!(index(5e-324), -1074 * 16);
    }

    proptest! {
        #[test]
        fn a_value_lies_within_its_bucket(x in f64::MIN_POSITIVE..1e300) {
            let bound = |i: i32| 2f64.powf(f64::from(i) / 16.0);
            let i = index(x);
            prop_assert!(x <= bound(i) * (1.0 + 1e-12), "{x} {i}");
            prop_assert!(x > bound(i - 1) * (1.0 - 1e-12), "{x} {i}");
        }
    }
}
