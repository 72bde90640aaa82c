//! Distributions as histogram points, with explicit bounds or exponential buckets.

use std::collections::BTreeMap;

use super::message::{Buckets, Exemplar, ExponentialPoint, HistogramPoint, KeyValue};
use crate::export::bounds;
use crate::export::native::{self, SCHEMA};
use crate::reader::Histogram;

/// The maximum number of buckets of an exponential histogram, for positive and for negative values each, as the
/// specification of the SDK says (`MaxSize`).
const BUCKETS_MOST: i32 = 160;

/// Returns a point with explicit bounds, which are the same for each distribution of a kind. Each count is exact.
pub fn explicit(histogram: &Histogram<'_>) -> HistogramPoint {
    let buckets = bounds::classic(histogram);
    let mut before = 0;
    let bucket_counts = buckets.iter().map(|&(_, count)| {
        let own = count - before;
        before = count;
        own
    });
    let bucket_counts: Vec<u64> = bucket_counts.collect();
    let bounds = buckets.iter().map(|&(bound, _)| bound);
    HistogramPoint {
        count: before,
        sum: sum(histogram),
        bucket_counts,
        // The last bound is infinite and not written.
        explicit_bounds: bounds.filter(|bound| bound.is_finite()).collect(),
        min: histogram.min(),
        max: histogram.max(),
        exemplars: exemplars(histogram),
    }
}

/// Returns a point with exponential buckets, as fine as the limit allows.
pub fn exponential(histogram: &Histogram<'_>) -> ExponentialPoint {
    let native::Exponential {
        positive,
        negative,
        zero,
    } = native::Exponential::of(histogram);
    // Each coarser scale has half the buckets.
    let shift = shift(&positive).max(shift(&negative));
    let (positive, negative) = (buckets(&positive, shift), buckets(&negative, shift));
    let all = positive.iter().chain(&negative);
    let counts = all.flat_map(|buckets| &buckets.bucket_counts);
    ExponentialPoint {
        count: counts.fold(zero, |sum, &count| sum.saturating_add(count)),
        sum: sum(histogram),
        scale: SCHEMA - shift,
        zero_count: zero,
        positive,
        negative,
        min: histogram.min(),
        max: histogram.max(),
        exemplars: exemplars(histogram),
    }
}

/// Returns the sum, or `None` if a value is negative, because receivers take the sum for a counter.
fn sum(histogram: &Histogram<'_>) -> Option<f64> {
    let has_negative = histogram.min().is_some_and(|min| min < 0.0);
    (!has_negative).then(|| histogram.sum())
}

/// The attribute of an exemplar whose context is not a trace id. The pages for Prometheus use the same name.
const CONTEXT: &str = "trace_id";

/// Returns the last values that were recorded with a context. A context that was cut or lost is useless and left out.
fn exemplars(histogram: &Histogram<'_>) -> Vec<Exemplar> {
    let mut all = Vec::new();
    histogram.each_exemplar(|value, time, context| {
        if context.is_cut() {
            return;
        }
        let text = context.text();
        let trace = trace_id(&text);
        let filtered_attributes = match trace {
            Some(_) => Vec::new(),
            None => vec![KeyValue::text(CONTEXT, text)],
        };
        all.push(Exemplar {
            time,
            value: Some(value),
            trace_id: trace.map(Vec::from).unwrap_or_default(),
            filtered_attributes,
        });
    });
    all
}

/// Returns the bytes of a trace id, which is 32 hex digits that are not all zero.
fn trace_id(text: &str) -> Option<[u8; 16]> {
    let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = u128::from_str_radix(text, 16).ok().filter(|_| is_hex)?;
    (id != 0).then(|| id.to_be_bytes())
}

/// Returns by how many scales the buckets have to be coarser.
fn shift(counts: &BTreeMap<i32, u64>) -> i32 {
    let (Some((&first, _)), Some((&last, _))) = (counts.first_key_value(), counts.last_key_value())
    else {
        return 0;
    };
    let mut shift = 0;
    while (index(last, shift) - index(first, shift)) >= BUCKETS_MOST {
        shift += 1;
    }
    shift
}

/// Returns OpenTelemetry's index for one of Prometheus' buckets, at a scale that is coarser by `shift`.
fn index(of: i32, shift: i32) -> i32 {
    // Rounds down, also below zero: buckets `2i` and `2i + 1` are bucket `i` of the next scale.
    (of - 1) >> shift
}

/// Returns all buckets from the first to the last nonempty one.
fn buckets(counts: &BTreeMap<i32, u64>, shift: i32) -> Option<Buckets> {
    let (&first, _) = counts.first_key_value()?;
    let offset = index(first, shift);
    let mut bucket_counts = Vec::new();
    for (&of, &count) in counts {
        // Ascending, and less than BUCKETS_MOST.
        let place = (index(of, shift) - offset) as usize;
        bucket_counts.resize(bucket_counts.len().max(place + 1), 0u64);
        bucket_counts[place] = bucket_counts[place].saturating_add(count);
    }
    Some(Buckets {
        offset,
        bucket_counts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_trace_has_32_hex_digits() {
        let id = trace_id("0af7651916cd43dd8448eb211c80319C").unwrap();
        assert_eq!((id[0], id[15]), (0x0a, 0x9c));
        let zero = "0".repeat(32);
        let signed = "+0af7651916cd43dd8448eb211c80319";
        for other in ["", "0af7651916cd43dd", "order 7", &zero, signed] {
            assert_eq!(trace_id(other), None, "{other}");
        }
    }

    #[test]
    fn buckets_are_dense_and_begin_at_their_offset() {
        // Values in (b^-1, b^0] and (b^2, b^3].
        let counts = BTreeMap::from([(0, 2), (3, 5)]);
        assert_eq!(shift(&counts), 0);
        let dense = buckets(&counts, 0).unwrap();
        assert_eq!(
            (dense.offset, &*dense.bucket_counts),
            (-1, &[2, 0, 0, 5][..])
        );
        assert_eq!(buckets(&BTreeMap::new(), 0), None);
    }

    #[test]
    fn too_many_buckets_are_merged_in_pairs() {
        // A nanosecond and an hour: 2^-30 to 2^12.
        let counts = BTreeMap::from([(-30 * 16, 1), (-30 * 16 + 1, 1), (12 * 16, 4)]);
        let shift = shift(&counts);
        let merged = buckets(&counts, shift).unwrap();
        assert!(merged.bucket_counts.len() <= 160, "{merged:?}");
        assert!(merged.bucket_counts.len() > 80, "{merged:?}");
        assert_eq!(merged.bucket_counts.iter().sum::<u64>(), 6);
        // 2^12 is the upper end of its bucket, at any scale.
        let scale = SCHEMA - shift;
        let last = merged.offset + merged.bucket_counts.len() as i32 - 1;
        assert_eq!(f64::from(last + 1) / 2f64.powi(scale), 12.0);
    }

    #[test]
    fn an_exponential_histogram_has_at_most_160_buckets_however_wide() {
        let counts = BTreeMap::from([(-1074 * 16, 1), (1024 * 16, 1)]);
        let merged = buckets(&counts, shift(&counts)).unwrap();
        assert!(merged.bucket_counts.len() <= 160);
    }
}
