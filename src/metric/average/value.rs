//! The value of an Average or a MovingAverage.

use crate::format::scalar::Number;
use crate::metric::double_double::Sum;
use crate::metric::sample::{Reading, Sample, Sink};

/// Words of a slot's buffer: the count of the values, then their total as two floats.
pub(in crate::metric) const WORDS: usize = 3;

/// The value of an [`Average`](crate::Average) or a [`MovingAverage`](crate::MovingAverage), from one file or merged
/// over many.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AverageValue {
    pub(in crate::metric) count: u64,
    pub(in crate::metric) total: Sum,
}

impl AverageValue {
    #[inline(always)]
    pub(in crate::metric) fn from_words(words: [u64; WORDS]) -> AverageValue {
        AverageValue {
            count: words[0],
            total: Sum {
                high: f64::from_bits(words[1]),
                low: f64::from_bits(words[2]),
            },
        }
    }

    #[inline(always)]
    pub(in crate::metric) fn to_words(self) -> [u64; WORDS] {
        [
            self.count,
            self.total.high.to_bits(),
            self.total.low.to_bits(),
        ]
    }

    pub(in crate::metric) fn merge(&mut self, other: AverageValue) {
        self.count = self.count.saturating_add(other.count);
        self.total = self.total.plus_sum(other.total);
    }

    /// Returns what was recorded after `earlier`.
    pub(in crate::metric) fn since(self, earlier: AverageValue) -> AverageValue {
        match self.count.saturating_sub(earlier.count) {
            0 => AverageValue::default(),
            count => AverageValue {
                count,
                total: self.total.minus(earlier.total),
            },
        }
    }

    /// Returns how many values the average is of.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let mean = writer.average("mean").add()?;
    /// mean.record(1.5);
    /// assert_eq!(mean.value().count(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the average; `None` while nothing has been recorded.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let mean = writer.average("mean").add()?;
    /// assert_eq!(mean.value().average(), None);
    /// mean.record(1.5);
    /// mean.record(2.5);
    /// assert_eq!(mean.value().average(), Some(2.0));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn average(&self) -> Option<f64> {
        (self.count > 0).then(|| self.total.over(self.count as f64).value())
    }

    /// Calls `each` with the average, if there is one.
    pub(in crate::metric) fn samples(&self, unit: &str, each: &mut Sink<'_>) {
        if let Some(average) = self.average() {
            let average = Reading::Level(Number::Float(average));
            each(Sample::exported("", unit, average));
        }
    }
}
