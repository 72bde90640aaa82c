//! The numbers of a Summary: how a value is added to them, and how those of two files are merged.

use crate::metric::double_double::Sum;
use crate::sync::{AtomicU64, Ordering};

/// Words of a slot's buffer:
///
/// ```text
/// 0 count   1 shift   2,3 total   4,5 squares   6 minimum   7 maximum   8 last   9 its time
/// ```
pub(in crate::metric) const WORDS: usize = 10;

/// Returns whether the next value gets a new shift: the first one does, and one after a power of two.
#[inline(always)]
fn takes_shift(count: u64) -> bool {
    count & count.wrapping_sub(1) == 0
}

/// The value of a [`Summary`](crate::Summary), of one file or merged over many.
///
/// # How exact it is
/// The total has twice the precision of an f64. The squares that are summed, with the same precision, are not
/// those of the values, but those of their differences from a *shift*. The shift is the first value, and
/// whenever the count is a power of two, it moves to the mean of the values so far. So no digits cancel when
/// the mean is subtracted at the end, whatever the values are: if `n` values whose mean is the shift `k` are
/// followed by `j ≤ n` values with the mean `m`, then `j²/(n+j)·(m-k)²` is subtracted, and at least
/// `n·j/(n+j)·(m-k)²` remains. Mean and deviation have a relative error of some 10⁻¹⁵. So have those of merged
/// files, whose squares about a common mean are computed as by Chan, Golub and LeVeque (*Updating Formulae and
/// a Pairwise Algorithm for Computing Sample Variances*, 1979).
///
/// If a total exceeds 1.8·10³⁰⁸, total and mean are infinite. If values are more than 10¹⁵⁴ apart, their
/// squares are infinite, and so is the deviation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SummaryValue {
    count: u64,
    /// The value that differences are taken from.
    shift: f64,
    total: Sum,
    /// The sum of the squares of the differences.
    squares: Sum,
    /// NaN, as is `max`, where it is not known: for an interval.
    min: f64,
    max: f64,
    last: f64,
    /// The time of the last value, in nanoseconds since 1970-01-01 UTC.
    last_time: u64,
    rejected: u64,
}

impl SummaryValue {
    #[inline(always)]
    pub(in crate::metric) fn from_words(words: [u64; WORDS]) -> SummaryValue {
        let float = |i: usize| f64::from_bits(words[i]);
        let sum = |i: usize| Sum {
            high: float(i),
            low: float(i + 1),
        };
        SummaryValue {
            count: words[0],
            shift: float(1),
            total: sum(2),
            squares: sum(4),
            min: float(6),
            max: float(7),
            last: float(8),
            last_time: words[9],
            rejected: 0,
        }
    }

    /// Loads what this thread, the only writer, has published in a buffer.
    #[inline(always)]
    pub(in crate::metric) fn load(buffer: &[AtomicU64]) -> SummaryValue {
        // Relaxed: as the only writer, this thread reads its own stores.
        SummaryValue::from_words(std::array::from_fn(|i| buffer[i].load(Ordering::Relaxed)))
    }

    /// Returns the words of a slot: everything but the number of rejected values.
    #[inline(always)]
    pub(in crate::metric) fn to_words(self) -> [u64; WORDS] {
        [
            self.count,
            self.shift.to_bits(),
            self.total.high.to_bits(),
            self.total.low.to_bits(),
            self.squares.high.to_bits(),
            self.squares.low.to_bits(),
            self.min.to_bits(),
            self.max.to_bits(),
            self.last.to_bits(),
            self.last_time,
        ]
    }

    /// Sets the number of rejected values, which is not part of a publication.
    pub(in crate::metric) fn with_rejected(self, rejected: u64) -> SummaryValue {
        SummaryValue { rejected, ..self }
    }

    /// The words that [`often`](Self::often) leaves as they are: the shift and the extremes.
    pub(in crate::metric) const SELDOM: [usize; 3] = [1, 6, 7];

    /// Returns the words that one more value usually changes, with what [`with`](Self::with) makes of them.
    /// `None` if it changes others as well.
    #[inline(always)]
    pub(in crate::metric) fn often(
        before: &[AtomicU64],
        value: f64,
        now: u64,
    ) -> Option<[(usize, u64); 7]> {
        let [a, b, c, d, e, f] = SummaryValue::often_without_time(before, value)?;
        Some([a, b, c, d, e, f, (9, now)])
    }

    /// Like [`often`](Self::often), without the time.
    #[inline(always)]
    pub(in crate::metric) fn often_without_time(
        before: &[AtomicU64],
        value: f64,
    ) -> Option<[(usize, u64); 6]> {
        // Relaxed: as in `load`. One by one: to load all ten at once, some of them unneeded, cost 1.5 ns.
        let word = |i: usize| before[i].load(Ordering::Relaxed);
        let float = |i: usize| f64::from_bits(word(i));
        let sum = |i: usize| Sum {
            high: float(i),
            low: float(i + 1),
        };
        let count = word(0);
        if takes_shift(count) || value < float(6) || value > float(7) {
            return None;
        }
        let difference = value - float(1);
        let total = sum(2).plus(value);
        let squares = sum(4).plus_positive(difference * difference);
        Some([
            (0, count.wrapping_add(1)),
            (2, total.high.to_bits()),
            (3, total.low.to_bits()),
            (4, squares.high.to_bits()),
            (5, squares.low.to_bits()),
            (8, value.to_bits()),
        ])
    }

    /// Adds a value, which is finite.
    #[inline(always)]
    pub(in crate::metric) fn with(mut self, value: f64, now: u64) -> SummaryValue {
        if takes_shift(self.count) {
            self = self.shifted(value);
        }
        let difference = value - self.shift;
        SummaryValue {
            count: self.count.wrapping_add(1),
            shift: self.shift,
            total: self.total.plus(value),
            squares: self.squares.plus_positive(difference * difference),
            // Comparisons and not `f64::min`, which tests for NaNs: none comes here.
            min: if value < self.min { value } else { self.min },
            max: if value > self.max { value } else { self.max },
            last: value,
            last_time: now,
            rejected: self.rejected,
        }
    }

    /// Returns the summary of one finite value, recorded this many times, without a time.
    #[cfg(feature = "metrics")]
    pub(in crate::metric) fn same(value: f64, times: u64) -> SummaryValue {
        SummaryValue {
            count: times,
            total: Sum::of(value).times(times as f64),
            ..SummaryValue::default().with(value, 0)
        }
    }

    /// Moves the shift to the mean or, if there is no value yet, to the first one.
    #[cold]
    #[inline(never)]
    fn shifted(self, first: f64) -> SummaryValue {
        match self.center() {
            None => SummaryValue {
                shift: first,
                min: first,
                max: first,
                ..self
            },
            Some((mean, squares)) => self.about(mean, squares),
        }
    }

    /// Returns the mean, and the sum of the squared differences from it; `None` while there are no values.
    fn center(&self) -> Option<(Sum, Sum)> {
        if self.count == 0 {
            return None;
        }
        let count = self.count as f64;
        let mean = self.total.over(count);
        if !self.squares.is_finite() {
            // They overflowed. What would be subtracted overflowed as well, and the difference would be a NaN.
            return Some((mean, Sum::of(f64::INFINITY)));
        }
        // Σ(x - m)² = Σ(x - k)² - n·(m - k)²
        let shift = mean.minus(Sum::of(self.shift)).squared().times(count);
        Some((mean, self.squares.minus(shift)))
    }

    /// Moves the shift to the float next to the mean, and expresses the sum of squares about the mean by it.
    /// Changes nothing if either is not finite.
    fn about(self, mean: Sum, squares: Sum) -> SummaryValue {
        let around = mean.high;
        let squares = squares.plus_sum(Sum::of(mean.low).squared().times(self.count as f64));
        if !around.is_finite() || !squares.is_finite() {
            return self;
        }
        SummaryValue {
            shift: around,
            squares,
            ..self
        }
    }

    /// Adds another summary. If the times are equal, the other's last value counts.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let tasks = writer.summary("tasks").add()?;
    /// tasks.record(1.5);
    /// let mut both = tasks.value();
    /// both.merge(tasks.value());
    /// assert_eq!((both.count(), both.total()), (2, 3.0));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn merge(&mut self, other: SummaryValue) {
        let rejected = self.rejected.saturating_add(other.rejected);
        *self = match (self.center(), other.center()) {
            (_, None) => *self,
            (None, _) => other,
            (Some((a, a_squares)), Some((b, b_squares))) => {
                let (a_count, b_count) = (self.count as f64, other.count as f64);
                let between = b.minus(a).squared().times(a_count);
                let between = between.times(b_count).over(a_count + b_count);
                let squares = a_squares.plus_sum(b_squares).plus_sum(between);
                let last = if other.last_time >= self.last_time {
                    other
                } else {
                    *self
                };
                let merged = SummaryValue {
                    count: self.count.saturating_add(other.count),
                    total: self.total.plus_sum(other.total),
                    // Stays as it is if numbers have overflowed.
                    squares,
                    min: known(self.min, other.min, f64::min),
                    max: known(self.max, other.max, f64::max),
                    last: last.last,
                    last_time: last.last_time,
                    ..*self
                };
                let mean = merged.total.over(merged.count as f64);
                merged.about(mean, squares)
            }
        };
        self.rejected = rejected;
    }

    /// Returns what was recorded after `earlier`, an earlier state of this summary: the reverse of
    /// [`merge`](Self::merge). The larger the interval's squares are among all, the more exact is the
    /// deviation. The last value is the current one. Least and greatest value of an interval are not known,
    /// unless it is everything that was ever recorded.
    pub(in crate::metric) fn since(&self, earlier: &SummaryValue) -> SummaryValue {
        let rejected = self.rejected.saturating_sub(earlier.rejected);
        let count = self.count.saturating_sub(earlier.count);
        let since = match (self.center(), earlier.center()) {
            _ if count == 0 => SummaryValue::default(),
            (Some((_, squares)), Some((before, squares_before))) => {
                let total = self.total.minus(earlier.total);
                let (a_count, b_count) = (earlier.count as f64, count as f64);
                let mean = total.over(b_count);
                let between = mean.minus(before).squared().times(a_count);
                let between = between.times(b_count).over(a_count + b_count);
                let squares = squares.minus(squares_before).minus(between);
                let since = SummaryValue {
                    count,
                    total,
                    squares,
                    min: f64::NAN,
                    max: f64::NAN,
                    ..*self
                };
                since.about(mean, squares)
            }
            _ => *self,
        };
        SummaryValue { rejected, ..since }
    }

    /// Merges another one; their moments have no time. Which of two writers' last values is the later one is
    /// not known, so the last value becomes a NaN.
    pub(in crate::metric) fn merged_without_time(mut self, other: SummaryValue) -> SummaryValue {
        let both = self.count > 0 && other.count > 0;
        self.merge(other);
        if both {
            self.last = f64::NAN;
        }
        self
    }

    /// Sets the extremes, if there are any values.
    pub(in crate::metric) fn with_extremes(self, min: f64, max: f64) -> SummaryValue {
        match self.count {
            0 => self,
            _ => SummaryValue { min, max, ..self },
        }
    }

    /// Returns how many values were recorded.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let tasks = writer.summary("tasks").add()?;
    /// tasks.record(1.5);
    /// assert_eq!(tasks.value().count(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns their sum.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let tasks = writer.summary("tasks").add()?;
    /// tasks.record(1.5);
    /// tasks.record(2.5);
    /// assert_eq!(tasks.value().total(), 4.0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn total(&self) -> f64 {
        self.total.value()
    }

    /// Returns their mean; `None` while nothing has been recorded.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let tasks = writer.summary("tasks").add()?;
    /// assert_eq!(tasks.value().mean(), None);
    /// tasks.record(1.5);
    /// tasks.record(2.5);
    /// assert_eq!(tasks.value().mean(), Some(2.0));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn mean(&self) -> Option<f64> {
        Some(self.center()?.0.value())
    }

    /// Returns their standard deviation as of a sample (n - 1); 0 for one value, `None` while nothing has been
    /// recorded.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let tasks = writer.summary("tasks").add()?;
    /// [1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0].map(|value| tasks.record(value));
    /// assert_eq!(tasks.value().stddev(), Some(1.0)); // of a sample
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn stddev(&self) -> Option<f64> {
        let (_, squares) = self.center()?;
        // Negative only in a file that was tampered with; a NaN stays one.
        let squares = if squares.high < 0.0 {
            0.0
        } else {
            squares.value()
        };
        Some(match self.count {
            1 => 0.0,
            n => (squares / (n - 1) as f64).sqrt(),
        })
    }

    /// Returns the least value; `None` while nothing has been recorded, and for an interval where it is not
    /// known.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let tasks = writer.summary("tasks").add()?;
    /// tasks.record(1.5);
    /// tasks.record(-2.5);
    /// assert_eq!(tasks.value().min(), Some(-2.5));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn min(&self) -> Option<f64> {
        (self.count > 0 && !self.min.is_nan()).then_some(self.min)
    }

    /// Returns the greatest value; `None` while nothing has been recorded, and for an interval where it is not
    /// known.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let tasks = writer.summary("tasks").add()?;
    /// tasks.record(1.5);
    /// tasks.record(-2.5);
    /// assert_eq!(tasks.value().max(), Some(1.5));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn max(&self) -> Option<f64> {
        (self.count > 0 && !self.max.is_nan()).then_some(self.max)
    }

    /// Returns the value recorded last, by the coarse clocks of its writers; `None` while nothing has been
    /// recorded.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let tasks = writer.summary("tasks").add()?;
    /// tasks.record(1.5);
    /// tasks.record(-2.5);
    /// assert_eq!(tasks.value().last(), Some(-2.5));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn last(&self) -> Option<f64> {
        (self.count > 0).then_some(self.last)
    }

    /// Returns when the last value was recorded, in seconds since 1970-01-01 UTC, exact to a few milliseconds;
    /// `None` while nothing has been recorded.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let tasks = writer.summary("tasks").add()?;
    /// assert_eq!(tasks.value().last_time(), None);
    /// tasks.record(1.5);
    /// assert!(tasks.value().last_time() > Some(1.7e9));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn last_time(&self) -> Option<f64> {
        (self.count > 0).then_some(self.last_time as f64 / 1e9)
    }

    /// Returns how many NaNs and infinities were rejected.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let tasks = writer.summary("tasks").add()?;
    /// tasks.record(f64::INFINITY);
    /// assert_eq!((tasks.value().rejected(), tasks.value().count()), (1, 0));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn rejected(&self) -> u64 {
        self.rejected
    }
}

/// Chooses one of two extremes. If one of them is not known, neither is the result.
fn known(a: f64, b: f64, chosen: fn(f64, f64) -> f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        chosen(a, b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> SummaryValue {
        let nothing = SummaryValue::default();
        (values.iter()).fold(nothing, |summary, &value| summary.with(value, 1))
    }

    #[test]
    fn an_interval_has_the_numbers_of_its_values() {
        let values: Vec<f64> = (0..500).map(|n| 1e3 + f64::from(n % 37)).collect();
        let new = [3.5, -1.0, 4.25];
        let earlier = of(&values);
        let now = new.iter().fold(earlier, |all, &value| all.with(value, 2));
        let (interval, direct) = (now.since(&earlier), of(&new));
        assert_eq!((interval.count(), interval.total()), (3, 6.75));
        assert_eq!(interval.mean(), direct.mean());
        let (a, b) = (interval.stddev().unwrap(), direct.stddev().unwrap());
        assert!((a - b).abs() < 1e-6 * b, "{a} and {b}");
        assert_eq!(interval.last(), Some(4.25));
        // Also merged with one that has extremes.
        let mut both = interval;
        both.merge(direct);
        for summary in [interval, both] {
            assert_eq!((summary.min(), summary.max()), (None, None));
        }
        assert_eq!(now.since(&now), SummaryValue::default());
        assert_eq!(direct.since(&SummaryValue::default()), direct);
    }
}
