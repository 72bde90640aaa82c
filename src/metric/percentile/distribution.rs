//! The read side of Timer and Percentile: a distribution with moments and buckets.

mod merge;

use super::exemplars::{self, ByMagnitude, Exemplar};
use crate::metric::context::CopiedContexts;
use std::collections::BTreeMap;

use crate::format::histogram::Layout;
use crate::metric::percentile::moments::Moments;

/// The percentiles that are exposed and printed: percent, and the name of the label.
pub const PERCENTILES: [(f64, &str); 6] = [
    (50.0, "Percentile50th"),
    (75.0, "Percentile75th"),
    (90.0, "Percentile90th"),
    (95.0, "Percentile95th"),
    (99.0, "Percentile99th"),
    (99.9, "Percentile999th"),
];

/// Returns the ranks of percents among `n` values, counted from 1: ⌈percent/100 · n⌉, at least 1.
pub(in crate::metric) fn ranks<const N: usize>(percents: &[f64; N], n: u64) -> [u64; N] {
    // In integers, by millionths of a percent: as floats, 99.9 / 100.0 * 1000.0 is more than 999.
    percents.map(|percent| {
        let millionths = (percent * 1e6).round() as u128;
        ((millionths * u128::from(n)).div_ceil(100_000_000) as u64).clamp(1, n)
    })
}

/// Returns `total / count`, rounded once. (Rounding both first can be off by one in the last place.)
fn quotient(total: u128, count: u64) -> f64 {
    // With the total's highest bit in place 127, the quotient has at least 63 bits, more than a double keeps.
    // The lowest is set if there is a remainder, so that the number that is rounded is on the right side of a
    // middle.
    let shift = total.leading_zeros().min(127);
    let (shifted, count) = (total << shift, u128::from(count));
    let sticky = u128::from(shifted % count != 0);
    // A power of two in the range of doubles, so neither it nor the division by it is rounded.
    ((shifted / count) | sticky) as f64 / (1u128 << shift) as f64
}

/// A distribution of u64 values: exact moments from one publication, and counts in buckets with a known
/// relative error.
///
/// The moments always describe the same values. The buckets may be one value ahead of them for each writer that
/// is recording at the time.
#[derive(Clone, PartialEq)]
pub struct Distribution {
    moments: Moments,
    /// The last value, if it is known.
    last: Option<u64>,
    layout: Layout,
    /// Counts per bucket of the octaves that have space for buckets.
    octaves: BTreeMap<u32, Box<[u64]>>,
    /// Counts of whole octaves, from when there was no space for buckets.
    coarse: BTreeMap<u32, u64>,
    exemplars: ByMagnitude<u64>,
}

impl Distribution {
    /// Makes an empty distribution.
    pub(crate) fn new(layout: Layout) -> Distribution {
        Distribution {
            moments: Moments::default(),
            last: None,
            layout,
            octaves: BTreeMap::new(),
            coarse: BTreeMap::new(),
            exemplars: ByMagnitude::new(),
        }
    }

    /// Decodes the exemplars among the extents of its metric.
    pub(in crate::metric) fn set_exemplars(
        &mut self,
        extents: &[(u32, &[u64])],
        contexts: &CopiedContexts<'_>,
    ) {
        // By the highest bit and not by the octave: with other digits the octaves are others.
        let value = |bits: u64| Some((u64::BITS - bits.leading_zeros(), bits));
        self.exemplars = exemplars::decode(extents, contexts, value);
    }

    /// Returns the last value of each magnitude that was recorded with a context, sorted by value: see
    /// [`Timer::record_with`](crate::Timer::record_with).
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/exemplars.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let times = snapshot.get("traced", "time").and_then(|value| value.as_distribution()).unwrap();
    /// let traces = times.exemplars().filter_map(|exemplar| exemplar.context());
    /// assert!(traces.into_iter().any(|trace| trace.text() == "slow"));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn exemplars(&self) -> impl Iterator<Item = &Exemplar<u64>> {
        self.exemplars.values()
    }

    /// Makes a distribution from its parts: moments, coarse counts by octave, and numbers and counts of the
    /// octaves that have buckets.
    pub(crate) fn of(
        layout: Layout,
        moments: Moments,
        coarse: &[u64],
        octaves: &[(u32, &[u64])],
    ) -> Distribution {
        let known = (!moments.not_min..=moments.max).contains(&moments.last);
        let mut decoded = Distribution {
            moments,
            last: (moments.count > 0 && known).then_some(moments.last),
            ..Distribution::new(layout)
        };
        for (octave, &count) in (0..).zip(coarse) {
            if count > 0 {
                decoded.coarse.insert(octave, count);
            }
        }
        for &(octave, counts) in octaves {
            // There may be two records for one octave: no writer makes them, but a file may contain them.
            if counts.len() == layout.buckets() && (octave as usize) < layout.octaves() {
                decoded.add_octave(octave, counts);
            }
        }
        decoded
    }

    /// Returns the same distribution, with its last value not known.
    pub(crate) fn without_last(mut self) -> Distribution {
        self.last = None;
        self
    }

    /// Returns how many values were recorded.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let size = writer.percentile("size").add()?;
    /// [3, 5].map(|value| size.record(value));
    /// assert_eq!(size.distribution().count(), 2);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn count(&self) -> u64 {
        self.moments.count
    }

    /// Returns their sum.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let size = writer.percentile("size").add()?;
    /// [3, 5].map(|value| size.record(value));
    /// assert_eq!(size.distribution().total(), 8);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn total(&self) -> u128 {
        self.moments.total
    }

    /// Returns their mean, correctly rounded; `None` while nothing has been recorded.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let size = writer.percentile("size").add()?;
    /// assert_eq!(size.distribution().mean(), None);
    /// size.record(3);
    /// size.record(4);
    /// assert_eq!(size.distribution().mean(), Some(3.5));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn mean(&self) -> Option<f64> {
        (self.moments.count > 0).then(|| quotient(self.moments.total, self.moments.count))
    }

    /// Returns their standard deviation as of a sample (n - 1); 0 for one value, `None` while nothing has been
    /// recorded.
    ///
    /// The relative error is below 10⁻¹⁵ (from integer sums), unless the sum of squares does not fit into 128
    /// bits. Then the deviation is computed from the buckets.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let size = writer.percentile("size").add()?;
    /// [1, 2, 3].map(|value| size.record(value));
    /// assert_eq!(size.distribution().stddev(), Some(1.0)); // of a sample
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn stddev(&self) -> Option<f64> {
        let n = self.moments.count;
        match n {
            0 => return None,
            1 => return Some(0.0),
            _ => {}
        }
        if self.moments.squares == u128::MAX {
            return self.stddev_of_buckets();
        }
        // With the integer q next to the mean and r = Σx - n·q, |r| ≤ n/2:
        //     Σ(x - q)² = Σx² - q·(Σx + r)      an integer below 2¹²⁸, exactly
        //     Σ(x - m)² = Σ(x - q)² - r²/n      at least half of it, since Σ(x - q)² ≥ |r| and r²/n ≤ |r|/2
        // so no digits cancel when r²/n, which is rounded, is subtracted.
        let n_wide = u128::from(n);
        let (total, rest) = (self.moments.total, self.moments.total % n_wide);
        let (floor, is_above) = (total / n_wide, rest > n_wide / 2);
        let (q, r) = if is_above {
            (floor + 1, n_wide - rest)
        } else {
            (floor, rest)
        };
        let total_and_r = if is_above {
            total.checked_sub(r)
        } else {
            total.checked_add(r)
        };
        let taken = total_and_r.and_then(|sum| sum.checked_mul(q));
        // It does not fit, or is negative: no values have such moments, but a file may contain them.
        let sum = match taken.and_then(|taken| self.moments.squares.checked_sub(taken)) {
            Some(around) => around as f64 - r as f64 * (r as f64 / n as f64),
            None => 0.0,
        };
        Some((sum.max(0.0) / (n - 1) as f64).sqrt())
    }

    fn stddev_of_buckets(&self) -> Option<f64> {
        let mean = self.mean()?;
        let (mut n, mut sum) = (0.0, 0.0);
        self.each_bucket(|low, high, count| {
            let middle = (low as f64 + high as f64) / 2.0;
            n += count as f64;
            sum += count as f64 * (middle - mean) * (middle - mean);
        });
        Some(if n > 1.0 {
            (sum / (n - 1.0)).sqrt()
        } else {
            0.0
        })
    }

    /// Returns the least value; `None` while nothing has been recorded.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let size = writer.percentile("size").add()?;
    /// assert_eq!(size.distribution().min(), None);
    /// [3, 5].map(|value| size.record(value));
    /// assert_eq!(size.distribution().min(), Some(3));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn min(&self) -> Option<u64> {
        (self.moments.count > 0).then_some(!self.moments.not_min)
    }

    /// Returns the greatest value; `None` while nothing has been recorded.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let size = writer.percentile("size").add()?;
    /// [3, 5].map(|value| size.record(value));
    /// assert_eq!(size.distribution().max(), Some(5));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn max(&self) -> Option<u64> {
        (self.moments.count > 0).then_some(self.moments.max)
    }

    /// Returns the last value if one writer recorded all of them; `None` otherwise, and for folded files.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let size = writer.percentile("size").add()?;
    /// [3, 5].map(|value| size.record(value));
    /// assert_eq!(size.distribution().last(), Some(5));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    /// Returns the number of values in the buckets: at rest the same as [`count`](Self::count).
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let size = writer.percentile("size").add()?;
    /// [3, 5].map(|value| size.record(value));
    /// assert_eq!(size.distribution().bucket_count(), 2);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn bucket_count(&self) -> u64 {
        let mut sum = 0u64;
        self.each_bucket(|_, _, count| sum = sum.saturating_add(count));
        sum
    }

    /// Returns the value at `percent` (0 to 100); `None` while nothing has been recorded.
    ///
    /// This is the nearest rank: the value is the middle, `low + (high - low) / 2`, of the bucket that contains
    /// the ⌈percent/100 · n⌉-th value (at least the first), clamped to minimum and maximum.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let size = writer.percentile("size").add()?;
    /// (1..=100).for_each(|value| size.record(value));
    /// assert_eq!(size.distribution().percentile(99.0), Some(99));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn percentile(&self, percent: f64) -> Option<u64> {
        self.percentiles(&[percent])[0]
    }

    /// Returns several [`percentile`](Self::percentile)s in one pass. The percents must ascend.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let size = writer.percentile("size").add()?;
    /// (1..=100).for_each(|value| size.record(value));
    /// assert_eq!(size.distribution().percentiles(&[50.0, 99.0]), [Some(50), Some(99)]);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn percentiles<const N: usize>(&self, percents: &[f64; N]) -> [Option<u64>; N] {
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
                let middle = low + (high - low) / 2;
                values[next] = Some(self.held(middle));
                next += 1;
            }
        });
        values
    }

    /// Clamps a value to minimum and maximum. (A bucket that a writer has just entered may be outside.)
    fn held(&self, value: u64) -> u64 {
        match (self.min(), self.max()) {
            (Some(min), Some(max)) if min <= max => value.clamp(min, max),
            _ => value,
        }
    }

    /// Calls `each` with the least value, the greatest value and the count of every bucket that is not empty,
    /// in ascending order.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let size = writer.percentile("size").add()?;
    /// size.record(3);
    /// size.record(3);
    /// size.distribution().each_bucket(|low, high, count| assert_eq!((low, high, count), (3, 3, 2)));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn each_bucket(&self, mut each: impl FnMut(u64, u64, u64)) {
        for octave in 0..self.layout.octaves() as u32 {
            // The coarse count first: an arbitrary but stated order.
            if let Some(&count) = self.coarse.get(&octave) {
                let (low, high) = self.layout.bounds(octave as usize, None);
                each(low, high, count);
            }
            for (position, &count) in self.octaves.get(&octave).into_iter().flatten().enumerate() {
                if count > 0 {
                    let (low, high) = self.layout.bounds(octave as usize, Some(position));
                    each(low, high, count);
                }
            }
        }
    }

    /// Returns the same distribution as an HdrHistogram, each bucket entered at its least value.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let size = writer.percentile("size").add()?;
    /// size.record(3);
    /// assert_eq!(size.distribution().to_hdrhistogram().max(), 3);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[cfg(feature = "hdrhistogram")]
    pub fn to_hdrhistogram(&self) -> hdrhistogram::Histogram<u64> {
        let digits = self.layout.digits() as u8;
        let mut histogram = hdrhistogram::Histogram::new_with_bounds(1, u64::MAX, digits)
            .expect("bounds and digits that HdrHistogram allows");
        self.each_bucket(|low, _, count| histogram.saturating_record_n(low, count));
        histogram
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
