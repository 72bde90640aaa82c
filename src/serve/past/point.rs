//! A point of the past: a series at one time, in a few bytes.
//!
//! A point of a busy timer takes 15 to 50 bytes, one of a counter takes 3, and one without a change takes two. (An
//! hour of 1,000 counters, one point a second: 12 MB.) Percentiles are kept as the upper 16 bits of an `f32`, which
//! have 8 significant bits: as fine as our buckets.

use crate::Value;
use crate::reader::{Histogram, Reading};

/// The value of a series at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PastPoint {
    /// A level, or a total.
    pub value: f64,
    /// p50, p90 and p99 of the values recorded since the previous point, if any.
    pub percentiles: Option<[f32; 3]>,
    /// The octaves of these values, each with its count: see [`Octave`].
    pub octaves: Vec<(Octave, u64)>,
}

/// An octave of values, from a power of two to the next, or zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Octave(u64);

impl Octave {
    /// Beyond any exponent of an f64.
    const SHIFT: i32 = 1100;

    /// Returns the octave of a value.
    fn of(value: f64) -> Octave {
        if value == 0.0 {
            return Octave(0);
        }
        let exponent = (value.abs().log2().floor() as i32).clamp(1 - Octave::SHIFT, Octave::SHIFT);
        let sign = u64::from(value < 0.0);
        Octave(((exponent + Octave::SHIFT) as u64) << 1 | sign)
    }

    /// Returns its bound nearer to zero, divided by `divisor`.
    pub fn low(self, divisor: f64) -> f64 {
        match self.0 {
            0 => 0.0,
            code => {
                let low = 2f64.powi((code >> 1) as i32 - Octave::SHIFT) / divisor;
                if code & 1 == 1 { -low } else { low }
            }
        }
    }
}

/// Calls `each` for the parts of a value that the past keeps, with the name, whether it is a total, and the point
/// since `before`. The parts of a compound are its fields; otherwise the value itself is the only one.
pub fn points(value: &Value, before: Option<&Value>, mut each: impl FnMut(&str, bool, PastPoint)) {
    let mut whole = None;
    value.samples("", |sample| {
        if !sample.is_exported || sample.label.is_some() {
            return;
        }
        let (is_total, number) = match sample.reading {
            Reading::Cumulative(number) => (true, number.as_f64()),
            Reading::Sum(number) | Reading::Level(number) => (false, number.as_f64()),
            Reading::Flag(flag) => (false, f64::from(u8::from(flag))),
            Reading::Histogram(histogram) => (true, histogram.count() as f64),
            Reading::Summary { count, .. } => (true, count as f64),
            Reading::Text(_) => return,
        };
        if sample.is_whole() {
            whole = Some((is_total, number));
        } else if value.as_compound().is_some() {
            each(sample.part, is_total, PastPoint::of(number));
        }
    });
    // The number of all errors.
    if let Some(errors) = value.as_errors() {
        whole = Some((true, errors.all() as f64));
    }
    if let Some((is_total, number)) = whole {
        let mut point = PastPoint::of(number);
        if let Some(before) = before {
            point.add_distribution(value, before);
        }
        each("", is_total, point);
    }
}

impl PastPoint {
    fn of(value: f64) -> PastPoint {
        PastPoint {
            value,
            ..PastPoint::default()
        }
    }

    /// Adds what a distribution recorded since `before`.
    fn add_distribution(&mut self, now: &Value, before: &Value) {
        if now.count() == before.count() || now.kind() != before.kind() {
            return;
        }
        let Some(between) = now.counted_since(before) else {
            return;
        };
        between.samples("", |sample| {
            if let Reading::Histogram(histogram) = sample.reading {
                self.percentiles = percentiles(&histogram);
                self.octaves = octaves(&histogram);
            }
        });
    }

    /// Appends its bytes to `out`; `before` is the value of the previous point.
    pub fn encode(&self, before: f64, out: &mut Vec<u8>) {
        let rise = self.value - before;
        let is_whole = rise.fract() == 0.0 && (0.0..1e15).contains(&rise) && before.abs() < 1e15;
        let octaves = self.octaves.len().min(usize::from(u8::MAX >> 2));
        let has = u8::from(self.percentiles.is_some()) << 1;
        out.push((octaves as u8) << 2 | has | u8::from(is_whole));
        if is_whole {
            varint(rise as u64, out);
        } else {
            out.extend(self.value.to_le_bytes());
        }
        for percentile in self.percentiles.into_iter().flatten() {
            // Rounds to the bits that are kept.
            let bits = percentile.to_bits().saturating_add(0x8000);
            out.extend(((bits >> 16) as u16).to_le_bytes());
        }
        for &(octave, count) in &self.octaves[..octaves] {
            varint(octave.0, out);
            varint(count, out);
        }
    }

    /// Reads a point that [`encode`](Self::encode) wrote from the beginning of `bytes`, and advances `bytes` past it.
    pub fn decode(before: f64, bytes: &mut &[u8]) -> Option<PastPoint> {
        let head = *bytes.split_off_first()?;
        let value = match head & 1 {
            1 => before + unvarint(bytes)? as f64,
            _ => f64::from_le_bytes(*bytes.split_off(..8)?.first_chunk()?),
        };
        let mut point = PastPoint::of(value);
        if head & 2 != 0 {
            let mut percentiles = [0.0; 3];
            for percentile in &mut percentiles {
                let kept = u16::from_le_bytes(*bytes.split_off(..2)?.first_chunk()?);
                *percentile = f32::from_bits(u32::from(kept) << 16);
            }
            point.percentiles = Some(percentiles);
        }
        for _ in 0..head >> 2 {
            let octave = Octave(unvarint(bytes)?);
            point.octaves.push((octave, unvarint(bytes)?));
        }
        Some(point)
    }
}

/// Returns p50, p90 and p99: for each, the middle of the bucket that contains the value of that rank. `None` if there
/// are no values.
fn percentiles(histogram: &Histogram<'_>) -> Option<[f32; 3]> {
    let mut total: u64 = 0;
    histogram.each_bucket(|_, _, count| total = total.saturating_add(count));
    if total == 0 {
        return None;
    }
    let ranks = [0.5, 0.9, 0.99].map(|share| (share * total as f64).ceil().max(1.0) as u64);
    let mut found = [0.0; 3];
    let mut sum: u64 = 0;
    histogram.each_bucket(|low, high, count| {
        let before = sum;
        sum = sum.saturating_add(count);
        for (rank, found) in ranks.iter().zip(&mut found) {
            if (before + 1..=sum).contains(rank) {
                *found = (low + (high - low) / 2.0) as f32;
            }
        }
    });
    Some(found)
}

/// Returns the number of values in each octave, ascending.
fn octaves(histogram: &Histogram<'_>) -> Vec<(Octave, u64)> {
    let divisor = histogram.divisor().unwrap_or(1.0);
    let mut octaves: Vec<(Octave, u64)> = Vec::new();
    histogram.each_bucket(|low, high, count| {
        let middle = low + (high - low) / 2.0;
        let octave = Octave::of((middle * divisor).round_ties_even());
        let octave = match histogram.divisor() {
            Some(_) => octave,
            None => Octave::of(middle),
        };
        match octaves.last_mut().filter(|(last, _)| *last == octave) {
            Some((_, sum)) => *sum = sum.saturating_add(count),
            None => octaves.push((octave, count)),
        }
    });
    octaves
}

fn varint(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn unvarint(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first()?;
        n |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read_back() {
        let points = [
            PastPoint::of(0.0),
            PastPoint::of(7.0),
            PastPoint::of(7.0),
            PastPoint::of(-3.5),
            PastPoint::of(f64::MAX),
            PastPoint {
                value: 1e6,
                percentiles: Some([0.5, 2.0, 1024.0]),
                octaves: vec![
                    (Octave(0), 3),
                    (Octave::of(5.0), 1 << 40),
                    (Octave::of(-0.3), 1),
                ],
            },
        ];
        let mut bytes = Vec::new();
        let mut before = 0.0;
        for point in &points {
            point.encode(before, &mut bytes);
            before = point.value;
        }
        let (mut rest, mut before) = (&bytes[..], 0.0);
        for point in points {
            let read = PastPoint::decode(before, &mut rest).unwrap();
            before = read.value;
            assert_eq!(read, point);
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn octaves_begin_at_powers_of_two() {
        assert_eq!(Octave::of(0.0).low(1.0), 0.0);
        assert_eq!(Octave::of(1023.0).low(1.0), 512.0);
        assert_eq!(Octave::of(1024.0).low(1e9), 1024.0 / 1e9);
        assert_eq!(Octave::of(-0.3).low(1.0), -0.25);
    }
}
