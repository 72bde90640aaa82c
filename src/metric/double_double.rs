//! Sums of f64 values that keep what an addition rounds off.

/// A sum as two floats, together about 106 bits: the rounded sum, and what the rounding took off.
///
/// A value is added with Knuth's TwoSum, which gives the error of an addition exactly, whatever the order of
/// magnitude of its terms. The errors add up in `low` (Ogita, Rump, Oishi: *Accurate Sum and Dot Product*,
/// 2005, algorithm Sum2). The value of `n` terms is as good as if they had been added with twice the precision
/// and rounded once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    /// The sum, rounded at every step.
    pub high: f64,
    /// What has to be added to it.
    pub low: f64,
}

impl Sum {
    /// Returns the sum of one value.
    pub const fn of(value: f64) -> Sum {
        Sum {
            high: value,
            low: 0.0,
        }
    }

    /// Adds a value.
    #[inline(always)]
    pub fn plus(self, value: f64) -> Sum {
        let high = self.high + value;
        let of_value = high - self.high;
        let error = (self.high - (high - of_value)) + (value - of_value);
        Sum {
            high,
            low: self.low + error,
        }
    }

    /// Adds a value where neither is negative. With the larger one first, the error takes one subtraction less
    /// (Dekker's FastTwoSum).
    #[inline(always)]
    pub fn plus_positive(self, value: f64) -> Sum {
        let high = self.high + value;
        // Comparisons instead of `f64::max`, which checks for NaNs.
        let (large, small) = if self.high > value {
            (self.high, value)
        } else {
            (value, self.high)
        };
        Sum {
            high,
            low: self.low + (small - (high - large)),
        }
    }

    /// Adds another sum.
    pub fn plus_sum(self, other: Sum) -> Sum {
        let sum = self.plus(other.high);
        Sum {
            low: sum.low + other.low,
            ..sum
        }
        .normal()
    }

    /// Subtracts another sum.
    pub fn minus(self, other: Sum) -> Sum {
        self.plus_sum(Sum {
            high: -other.high,
            low: -other.low,
        })
    }

    /// Multiplies by a number.
    pub fn times(self, factor: f64) -> Sum {
        let high = self.high * factor;
        // The exact error of the product: a fused multiply-add rounds once.
        let error = self.high.mul_add(factor, -high);
        Sum {
            high,
            low: self.low * factor + error,
        }
        .normal()
    }

    /// Divides by a number.
    pub fn over(self, divisor: f64) -> Sum {
        let high = self.high / divisor;
        // The exact remainder of the division.
        let rest = (-high).mul_add(divisor, self.high);
        Sum {
            high,
            low: (rest + self.low) / divisor,
        }
        .normal()
    }

    /// Squares the sum.
    pub fn squared(self) -> Sum {
        let square = self.times(self.high);
        Sum {
            low: square.low + self.high * self.low,
            ..square
        }
        .normal()
    }

    /// Returns the sum as one float.
    pub fn value(self) -> f64 {
        // After an overflow the error is not a number.
        if self.is_finite() {
            self.high + self.low
        } else {
            self.high
        }
    }

    /// Returns whether the sum has not overflowed.
    pub fn is_finite(self) -> bool {
        self.high.is_finite() && self.low.is_finite()
    }

    /// Returns the same value, with as much of it in `high` as fits.
    fn normal(self) -> Sum {
        if self.is_finite() {
            Sum::of(self.high).plus(self.low)
        } else {
            self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_addition_rounds_off_is_kept() {
        let sum = [1e16, 1.0, -1e16, 0.5]
            .into_iter()
            .fold(Sum::default(), Sum::plus);
        assert_eq!(sum.value(), 1.5);
        // Each of the ten additions of 0.1 rounds.
        let tenths = (0..10).fold(Sum::default(), |sum, _| sum.plus(0.1));
        assert_eq!(tenths.value(), 1.0);
    }

    #[test]
    fn quotients_and_products_keep_twice_the_precision() {
        let third = Sum::of(1.0).over(3.0);
        assert!(third.low != 0.0);
        assert!(third.times(3.0).minus(Sum::of(1.0)).value().abs() < 1e-31);
        // (2^30 + 2^-30)² = 2^60 + 2 + 2^-60
        let two = Sum::of(2f64.powi(30)).plus(2f64.powi(-30));
        let rest = two.squared().minus(Sum::of(2f64.powi(60)));
        assert_eq!(rest.value(), 2.0);
    }

    #[test]
    fn an_overflow_stays_one_and_is_a_number() {
        let sum = Sum::of(f64::MAX).plus(f64::MAX).plus(-1.0);
        assert!(!sum.is_finite());
        assert_eq!(sum.value(), f64::INFINITY);
        assert_eq!(sum.over(2.0).value(), f64::INFINITY);
    }
}
