//! The read side of `Percentile<f64>`: a distribution with moments and buckets.

use super::exemplars::{self, ByMagnitude, Exemplar};
use crate::metric::context::CopiedContexts;
use std::collections::BTreeMap;
use std::fmt;

use crate::format::float_histogram::{
    FloatLayout, OCTAVES, OCTAVES_OF_RANGE, RANGES, is_negative, middle, octave_at, range_bounds,
    rank,
};
use crate::metric::percentile::distribution::ranks;
use crate::metric::summary::value::SummaryValue;

/// A distribution of f64 values: moments from one publication, as exact as those of a [`SummaryValue`], and
/// counts in buckets with a known relative error.
///
/// The moments always describe the same values. The buckets may be one value ahead of them for each writer that
/// is recording at the time.
#[derive(Clone, PartialEq)]
pub struct FloatDistribution {
    /// Without times. The last value of merged distributions is a NaN: not known.
    moments: SummaryValue,
    layout: FloatLayout,
    /// Counts per bucket of the octaves that have space for buckets, by rank: in the order of their values.
    octaves: BTreeMap<u32, Box<[u64]>>,
    /// Counts of ranges of octaves, from when space for buckets was refused, likewise by rank.
    ranges: BTreeMap<u32, u64>,
    exemplars: ByMagnitude<f64>,
}

/// Without the counts: there may be half a million of them.
impl fmt::Debug for FloatDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FloatDistribution")
            .field("moments", &self.moments)
            .field("octaves", &self.octaves.len())
            .field("ranges", &self.ranges.len())
            .finish()
    }
}

/// Returns the position of a range among all in the order of their values, as [`rank`] does for an octave.
fn rank_of_range(range: usize) -> u32 {
    rank((range * OCTAVES_OF_RANGE) as u32) / OCTAVES_OF_RANGE as u32
}

impl FloatDistribution {
    /// Makes an empty distribution.
    pub(crate) fn new(layout: FloatLayout) -> FloatDistribution {
        FloatDistribution {
            moments: SummaryValue::default(),
            layout,
            octaves: BTreeMap::new(),
            ranges: BTreeMap::new(),
            exemplars: ByMagnitude::new(),
        }
    }

    /// Decodes the exemplars among the extents of its metric.
    pub(in crate::metric) fn set_exemplars(
        &mut self,
        extents: &[(u32, &[u64])],
        contexts: &CopiedContexts<'_>,
    ) {
        let value = |bits: u64| {
            let value = f64::from_bits(bits);
            value
                .is_finite()
                .then(|| (rank((bits >> 52) as u32), value))
        };
        self.exemplars = exemplars::decode(extents, contexts, value);
    }

    /// Returns the last value of each magnitude that was recorded with a context, sorted by value: see
    /// [`Percentile::record_with`](crate::Percentile::record_with).
    ///
    /// ```
    /// # let snapshot = mmstats::reader::Reader::open("tests/golden/exemplars.mmstats")?.snapshot()?;
    /// let ratio = snapshot.get("traced", "ratio").and_then(|value| value.as_float_distribution()).unwrap();
    /// assert_eq!(ratio.exemplars().count(), 3);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn exemplars(&self) -> impl Iterator<Item = &Exemplar<f64>> {
        self.exemplars.values()
    }

    /// Makes a distribution from its parts: moments, counts by range, and numbers and counts of the octaves
    /// that have buckets.
    pub(crate) fn of(
        layout: FloatLayout,
        moments: SummaryValue,
        ranges: &[u64],
        octaves: &[(u32, &[u64])],
    ) -> FloatDistribution {
        let mut decoded = FloatDistribution {
            moments,
            ..FloatDistribution::new(layout)
        };
        for (range, &count) in ranges.iter().enumerate().filter(|(_, count)| **count > 0) {
            decoded.ranges.insert(rank_of_range(range), count);
        }
        for &(octave, counts) in octaves {
            if counts.len() == layout.buckets() && (octave as usize) < OCTAVES {
                decoded.add_octave(rank(octave), counts);
            }
        }
        decoded
    }

    fn add_octave(&mut self, rank: u32, counts: &[u64]) {
        let sums = (self.octaves.entry(rank)).or_insert_with(|| vec![0; counts.len()].into());
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum = sum.saturating_add(*count);
        }
    }

    /// Adds another distribution. If their digits differ, the result has the fewer.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let ratio = writer.float_percentile("ratio").add()?;
    /// let other = writer.float_percentile("other").add()?;
    /// ratio.record(0.25);
    /// other.record(-0.5);
    /// let mut both = ratio.distribution();
    /// both.merge(other.distribution());
    /// assert_eq!((both.count(), both.min()), (2, Some(-0.5)));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn merge(&mut self, mut other: FloatDistribution) {
        self.align(&mut other);
        self.moments = self.moments.merged_without_time(other.moments);
        for (rank, counts) in &other.octaves {
            self.add_octave(*rank, counts);
        }
        for (rank, count) in other.ranges {
            let sum = self.ranges.entry(rank).or_default();
            *sum = sum.saturating_add(count);
        }
        exemplars::merge(&mut self.exemplars, other.exemplars);
    }

    /// Returns what was recorded since `earlier`, an earlier state of this distribution. Minimum and maximum
    /// are those of their buckets, clamped to the all-time ones.
    ///
    /// If `earlier` has more than this, it is not an earlier state, and the difference is taken as 0.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let ratio = writer.float_percentile("ratio").add()?;
    /// ratio.record(0.25);
    /// let earlier = ratio.distribution();
    /// ratio.record(0.5);
    /// assert_eq!(ratio.distribution().since(&earlier).count(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[must_use]
    pub fn since(&self, earlier: &FloatDistribution) -> FloatDistribution {
        let (mut delta, mut earlier) = (self.clone(), earlier.clone());
        delta.align(&mut earlier);
        let known = &earlier.exemplars;
        (delta.exemplars).retain(|magnitude, exemplar| known.get(magnitude) != Some(exemplar));
        for (rank, counts) in &mut delta.octaves {
            let before = earlier.octaves.get(rank).into_iter().flatten();
            for (count, before) in counts.iter_mut().zip(before) {
                *count = count.saturating_sub(*before);
            }
        }
        for (rank, count) in &mut delta.ranges {
            *count = count.saturating_sub(earlier.ranges.get(rank).copied().unwrap_or(0));
        }
        delta.ranges.retain(|_, count| *count > 0);
        let mut bounds = None;
        delta.each_bucket(|from, to, _| {
            let (low, _) = bounds.unwrap_or((from, to));
            bounds = Some((low, to));
        });
        let moments = self.moments.since(&earlier.moments);
        delta.moments = match bounds {
            Some((low, high)) => moments.with_extremes(self.held(low), self.held(high)),
            None => moments,
        };
        delta
    }

    /// Expresses both in the layout with fewer buckets.
    fn align(&mut self, other: &mut FloatDistribution) {
        let into = if self.layout.buckets() <= other.layout.buckets() {
            self.layout
        } else {
            other.layout
        };
        self.coarsen(into);
        other.coarsen(into);
    }

    /// Expresses the counts in a layout with fewer digits, whose buckets are unions of the finer ones.
    fn coarsen(&mut self, into: FloatLayout) {
        let finer = self.layout.buckets() / into.buckets();
        self.layout = into;
        if finer > 1 {
            for counts in self.octaves.values_mut() {
                let unions = counts.chunks(finer);
                *counts = unions
                    .map(|union| union.iter().fold(0u64, |sum, n| sum.saturating_add(*n)))
                    .collect();
            }
        }
    }

    /// Returns how many values were recorded.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let ratio = writer.float_percentile("ratio").add()?;
    /// ratio.record(0.25);
    /// assert_eq!(ratio.distribution().count(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn count(&self) -> u64 {
        self.moments.count()
    }

    /// Returns their sum.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let ratio = writer.float_percentile("ratio").add()?;
    /// ratio.record(0.25);
    /// ratio.record(0.5);
    /// assert_eq!(ratio.distribution().total(), 0.75);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn total(&self) -> f64 {
        self.moments.total()
    }

    /// Returns their mean; `None` while nothing has been recorded.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let ratio = writer.float_percentile("ratio").add()?;
    /// ratio.record(0.25);
    /// ratio.record(0.5);
    /// assert_eq!(ratio.distribution().mean(), Some(0.375));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn mean(&self) -> Option<f64> {
        self.moments.mean()
    }

    /// Returns their standard deviation as of a sample (n - 1); 0 for one value, `None` while nothing has been
    /// recorded.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let ratio = writer.float_percentile("ratio").add()?;
    /// [0.25, 0.5].map(|value| ratio.record(value));
    /// assert!(ratio.distribution().stddev() > Some(0.17));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn stddev(&self) -> Option<f64> {
        self.moments.stddev()
    }

    /// Returns the least value; `None` while nothing has been recorded.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let ratio = writer.float_percentile("ratio").add()?;
    /// ratio.record(0.25);
    /// ratio.record(-0.5);
    /// assert_eq!(ratio.distribution().min(), Some(-0.5));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn min(&self) -> Option<f64> {
        self.moments.min()
    }

    /// Returns the greatest value; `None` while nothing has been recorded.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let ratio = writer.float_percentile("ratio").add()?;
    /// assert_eq!(ratio.distribution().max(), None);
    /// ratio.record(0.25);
    /// assert_eq!(ratio.distribution().max(), Some(0.25));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn max(&self) -> Option<f64> {
        self.moments.max()
    }

    /// Returns the last value if one writer recorded all of them; `None` otherwise.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let ratio = writer.float_percentile("ratio").add()?;
    /// ratio.record(0.25);
    /// ratio.record(-0.5);
    /// assert_eq!(ratio.distribution().last(), Some(-0.5));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn last(&self) -> Option<f64> {
        self.moments.last().filter(|last| !last.is_nan())
    }

    /// Returns how many NaNs and infinities were rejected.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let ratio = writer.float_percentile("ratio").add()?;
    /// ratio.record(f64::NAN);
    /// assert_eq!((ratio.distribution().rejected(), ratio.distribution().count()), (1, 0));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn rejected(&self) -> u64 {
        self.moments.rejected()
    }

    /// Returns the number of values in the buckets: at rest the same as [`count`](Self::count).
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let ratio = writer.float_percentile("ratio").add()?;
    /// [0.25, 0.5].map(|value| ratio.record(value));
    /// assert_eq!(ratio.distribution().bucket_count(), 2);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn bucket_count(&self) -> u64 {
        let mut sum = 0u64;
        self.each_bucket(|_, _, count| sum = sum.saturating_add(count));
        sum
    }

    /// Returns the value at `percent` (0 to 100); `None` while nothing has been recorded.
    ///
    /// This is the nearest rank: the value is the middle of the bucket that contains the ⌈percent/100 · n⌉-th
    /// value (at least the first), clamped to minimum and maximum. The bucket that contains zero stands for
    /// zero.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let ratio = writer.float_percentile("ratio").add()?;
    /// ratio.record(0.25);
    /// assert_eq!(ratio.distribution().percentile(99.0), Some(0.25));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        self.percentiles(&[percent])[0]
    }

    /// Returns several [`percentile`](Self::percentile)s in one pass. The percents must ascend.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let ratio = writer.float_percentile("ratio").add()?;
    /// [0.25, 0.5].map(|value| ratio.record(value));
    /// let [median, p99] = ratio.distribution().percentiles(&[50.0, 99.0]);
    /// assert!(median < p99);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn percentiles<const N: usize>(&self, percents: &[f64; N]) -> [Option<f64>; N] {
        let mut values = [None; N];
        let n = self.bucket_count();
        if n == 0 {
            return values;
        }
        let ranks = ranks(percents, n);
        let (mut seen, mut next) = (0u64, 0);
        self.each_bucket(|low, high, count| {
            seen = seen.saturating_add(count);
            while next < N && seen >= ranks[next] {
                values[next] = Some(self.held(middle(low, high)));
                next += 1;
            }
        });
        values
    }

    /// Clamps a value to minimum and maximum. (A bucket that a writer has just entered may be outside.)
    fn held(&self, value: f64) -> f64 {
        match (self.min(), self.max()) {
            (Some(min), Some(max)) if min <= max => value.clamp(min, max),
            _ => value,
        }
    }

    /// Calls `each` with the least value, the greatest value and the count of every bucket that is not empty,
    /// in ascending order. (Where an octave had no space for buckets, a range of octaves is one bucket, which
    /// comes before those in it.)
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let ratio = writer.float_percentile("ratio").add()?;
    /// [0.25, 0.5].map(|value| ratio.record(value));
    /// ratio.distribution().each_bucket(|low, high, count| println!("{low} to {high}: {count}"));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn each_bucket(&self, mut each: impl FnMut(f64, f64, u64)) {
        let mut ranges = self.ranges.iter().peekable();
        let mut range = |each: &mut dyn FnMut(f64, f64, u64), up_to: u32| {
            while let Some((&rank, &count)) = ranges.next_if(|(rank, _)| **rank <= up_to) {
                let first = octave_at(rank * OCTAVES_OF_RANGE as u32) as usize;
                let (low, high) = range_bounds(first / OCTAVES_OF_RANGE);
                each(low, high, count);
            }
        };
        for (&rank, counts) in &self.octaves {
            range(&mut each, rank / OCTAVES_OF_RANGE as u32);
            let octave = octave_at(rank);
            for place in 0..counts.len() {
                let position = if is_negative(octave) {
                    counts.len() - 1 - place
                } else {
                    place
                };
                if counts[position] > 0 {
                    let (low, high) = self.layout.bounds(octave, Some(position));
                    each(low, high, counts[position]);
                }
            }
        }
        range(&mut each, RANGES as u32);
    }
}

#[cfg(test)]
mod tests;
