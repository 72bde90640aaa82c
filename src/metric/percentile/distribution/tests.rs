//! Tests that deviations lose no digits.

use super::*;

/// Returns the deviation of this many equal values and one other value.
fn all_but_one(equal: u64, times: u64, other: u64) -> f64 {
    let wide = |n: u64| u128::from(n);
    let moments = Moments {
        count: times + 1,
        total: wide(equal) * wide(times) + wide(other),
        squares: wide(equal) * wide(equal) * wide(times) + wide(other) * wide(other),
        not_min: !equal.min(other),
        max: equal.max(other),
        last: other,
    };
    let distribution = Distribution::of(Layout::new(2).unwrap(), moments, &[], &[]);
    distribution.stddev().unwrap()
}

/// The squares about the mean are (other - equal)²·n/(n + 1): nearly all of the sums cancels.
#[test]
fn deviations_keep_their_digits_whatever_the_mean_is() {
    for times in [1, 2, 3, 1_000, 999_999_999, (1 << 40) - 1, 1 << 52] {
        for (equal, other) in [
            (0, 1),
            (1, 0),
            (999_999_999, 1_000_000_000),
            (1 << 37, (1 << 37) - 7),
        ] {
            let apart = u64::abs_diff(equal, other) as f64;
            // times/(times + 1), and then by times: of a sample.
            let expected = apart / ((times + 1) as f64).sqrt();
            let found = all_but_one(equal, times, other);
            let error = (found - expected).abs() / expected;
            assert!(
                error < 1e-15,
                "{equal} {times} times, and {other}: off by {error}"
            );
        }
    }
}

#[test]
fn deviations_of_moments_that_cannot_be_are_zero() {
    let moments = |count, total, squares| Moments {
        count,
        total,
        squares,
        ..Moments::default()
    };
    for moments in [
        moments(2, u128::MAX, 74),
        moments(3, 12, 0),
        moments(2, 12, 71),
        moments(u64::MAX, u128::MAX, u128::MAX - 1),
    ] {
        let distribution = Distribution::of(Layout::new(2).unwrap(), moments, &[], &[]);
        assert_eq!(distribution.stddev(), Some(0.0), "{moments:?}");
    }
}
