//! The last minutes of a label: its rate or value, and for a distribution also how its values were
//! spread.

use std::collections::VecDeque;

use mmstats::Distribution;

/// The number of points that are kept: four minutes at one a second.
pub const POINTS: usize = 240;

/// The last points of one label, newest last.
#[derive(Clone, Debug, Default)]
pub struct History {
    points: VecDeque<f32>,
    /// For a distribution: the nonzero counts of each interval by power of two.
    heat: VecDeque<Box<[(u8, u32)]>>,
}

impl History {
    pub fn push(&mut self, point: f64) {
        if self.points.len() == POINTS {
            self.points.pop_front();
        }
        self.points.push_back(point as f32);
    }

    /// Adds the distribution of an interval.
    pub fn push_heat(&mut self, interval: Option<&Distribution>) {
        let mut counts = [0u32; 64];
        if let Some(interval) = interval {
            interval.each_bucket(|low, _, count| {
                let sum = &mut counts[low.max(1).ilog2() as usize];
                *sum = sum.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
            });
        }
        if self.heat.len() == POINTS {
            self.heat.pop_front();
        }
        let counts = (0u8..).zip(counts).filter(|(_, count)| *count > 0);
        self.heat.push_back(counts.collect());
    }

    /// Returns the last `width` points, each from 0 to `steps`, where `steps` stands for the
    /// greatest of them.
    pub fn levels(&self, width: usize, steps: usize) -> Vec<usize> {
        let points = self
            .points
            .iter()
            .skip(self.points.len().saturating_sub(width));
        let greatest = points
            .clone()
            .copied()
            .filter(|point| point.is_finite())
            .fold(0.0, f32::max);
        let level = |point: &f32| {
            if greatest > 0.0 && *point > 0.0 {
                // Any positive value is visible, however small.
                ((point / greatest * steps as f32).round() as usize).clamp(1, steps)
            } else {
                0
            }
        };
        points.map(level).collect()
    }

    /// Returns a map of the last `width` intervals, newest last: for each power of two, from the
    /// highest and as far as `rows` allow, its exponent and the counts.
    pub fn heat(&self, width: usize, rows: usize) -> Vec<(u8, Vec<u32>)> {
        let columns = self.heat.iter().skip(self.heat.len().saturating_sub(width));
        let exponents = columns.clone().flatten().map(|(exponent, _)| *exponent);
        let Some(highest) = exponents.clone().max() else {
            return Vec::new();
        };
        let lowest = exponents.min().unwrap_or(highest);
        let lowest = lowest.max((highest + 1).saturating_sub(rows as u8));
        let row = |exponent: u8| {
            let of = |(at, _): &&(u8, u32)| *at == exponent;
            let counts = columns.clone().map(|column| column.iter().find(of));
            let counts = counts.map(|found| found.map_or(0, |(_, count)| *count));
            (exponent, counts.collect())
        };
        (lowest..=highest).rev().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_relative_and_what_is_little_is_seen() {
        let mut history = History::default();
        for point in [0.0, 1.0, 50.0, 100.0, f64::NAN, -1.0] {
            history.push(point);
        }
        assert_eq!(history.levels(10, 8), [0, 1, 4, 8, 0, 0]);
        assert_eq!(history.levels(3, 8), [8, 0, 0]);
        for _ in 0..POINTS {
            history.push(0.0);
        }
        assert_eq!(history.levels(POINTS, 8), [0; POINTS]);
        assert_eq!(History::default().heat(10, 5), []);
    }
}
