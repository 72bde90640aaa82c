//! How distributions are merged, and what one has beyond an earlier state.

use std::collections::btree_map::Entry;

use super::Distribution;
use crate::format::histogram::Layout;
use crate::metric::percentile::exemplars;
use crate::metric::percentile::moments::Moments;

impl Distribution {
    /// Adds another distribution. If their digits differ, the result has the fewer.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let size = writer.percentile("size").add()?;
    /// let other = writer.percentile("other").add()?;
    /// size.record(3);
    /// other.record(5);
    /// let mut both = size.distribution();
    /// both.merge(other.distribution());
    /// assert_eq!((both.count(), both.max()), (2, Some(5)));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn merge(&mut self, other: Distribution) {
        let into = if self.layout.buckets() <= other.layout.buckets() {
            self.layout
        } else {
            other.layout
        };
        self.coarsen(into);
        let mut other = other;
        other.coarsen(into);
        // The last value has no time, so of two writers' values neither is known to be the last.
        self.last = match (self.count(), other.count()) {
            (_, 0) => self.last,
            (0, _) => other.last,
            _ => None,
        };
        self.moments = self.moments.merge(other.moments);
        for (octave, counts) in &other.octaves {
            self.add_octave(*octave, counts);
        }
        for (octave, count) in other.coarse {
            let sum = self.coarse.entry(octave).or_default();
            *sum = sum.saturating_add(count);
        }
        exemplars::merge(&mut self.exemplars, other.exemplars);
    }

    /// Returns what was recorded since `earlier`, an earlier state of this distribution. Counts and sums are
    /// exact. Minimum and maximum are those of their buckets, clamped to the all-time ones.
    ///
    /// If `earlier` has more than this, it is not an earlier state, and the difference is taken as 0.
    ///
    /// ```
    /// # let writer = mmstats::Writer::builder("web").anonymous().create()?;
    /// let size = writer.percentile("size").add()?;
    /// size.record(3);
    /// let earlier = size.distribution();
    /// size.record(5);
    /// let since = size.distribution().since(&earlier);
    /// assert_eq!((since.count(), since.total()), (1, 5));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[must_use]
    pub fn since(&self, earlier: &Distribution) -> Distribution {
        let (mut since, mut earlier) = (self.clone(), earlier.clone());
        let into = if self.layout.buckets() <= earlier.layout.buckets() {
            self.layout
        } else {
            earlier.layout
        };
        since.coarsen(into);
        earlier.coarsen(into);
        let known = &earlier.exemplars;
        (since.exemplars).retain(|magnitude, exemplar| known.get(magnitude) != Some(exemplar));
        for (octave, counts) in &mut since.octaves {
            for (count, before) in counts
                .iter_mut()
                .zip(earlier.octaves.get(octave).into_iter().flatten())
            {
                *count = count.saturating_sub(*before);
            }
        }
        for (octave, count) in &mut since.coarse {
            *count = count.saturating_sub(earlier.coarse.get(octave).copied().unwrap_or(0));
        }
        since.coarse.retain(|_, count| *count > 0);
        let (now, before) = (self.moments, earlier.moments);
        let (mut low, mut high) = (u64::MAX, 0);
        since.each_bucket(|from, to, _| (low, high) = (low.min(from), high.max(to)));
        let count = now.count.saturating_sub(before.count);
        since.moments = Moments {
            count,
            total: now.total.saturating_sub(before.total),
            // Sums that did not fit have no difference: the buckets are used then.
            squares: if now.squares == u128::MAX {
                u128::MAX
            } else {
                now.squares.saturating_sub(before.squares)
            },
            not_min: !self.held(low.min(high)),
            max: self.held(high),
            last: now.last,
        };
        since.last = since.last.filter(|_| count > 0);
        since
    }

    /// Expresses the counts in a layout with fewer digits, whose buckets are unions of the finer ones.
    fn coarsen(&mut self, into: Layout) {
        if into == self.layout {
            return;
        }
        let from = std::mem::replace(&mut self.layout, into);
        let place = |low: u64| {
            let (top, position) = into.place(low);
            (into.octave(top) as u32, position % into.buckets())
        };
        for (octave, counts) in std::mem::take(&mut self.octaves) {
            for (position, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                let (to, position) = place(from.bounds(octave as usize, Some(position)).0);
                let sums = self
                    .octaves
                    .entry(to)
                    .or_insert_with(|| vec![0; into.buckets()].into_boxed_slice());
                sums[position] = sums[position].saturating_add(count);
            }
        }
        // Octave 0 of the finer layout spans several of the coarser one: its coarse count goes to the octave of
        // its middle. The others are octaves of the coarser layout, too.
        for (octave, count) in std::mem::take(&mut self.coarse) {
            let (low, high) = from.bounds(octave as usize, None);
            let sum = self
                .coarse
                .entry(place(low + (high - low) / 2).0)
                .or_default();
            *sum = sum.saturating_add(count);
        }
    }

    pub(super) fn add_octave(&mut self, octave: u32, counts: &[u64]) {
        match self.octaves.entry(octave) {
            Entry::Vacant(none) => drop(none.insert(counts.into())),
            Entry::Occupied(sums) => {
                for (sum, count) in sums.into_mut().iter_mut().zip(counts) {
                    *sum = sum.saturating_add(*count);
                }
            }
        }
    }
}
