//! Merging the numbers of several files.

use crate::format::scalar::Number;
use crate::format::schema::Merge;

/// Merges the number of one more file, created later, into the merged number of `files` files.
pub(in crate::metric) fn merge_numbers(
    merged: Number,
    next: Number,
    rule: Merge,
    files: u64,
) -> Number {
    match (rule, merged, next) {
        (Merge::Latest, ..) => next,
        // A running mean, m + (x - m)/n, needs only the count.
        (Merge::Mean, ..) => {
            let mean = merged.as_f64();
            Number::Float(mean + (next.as_f64() - mean) / (files + 1) as f64)
        }
        (Merge::Sum, Number::Int(a), Number::Int(b)) => Number::Int(a.saturating_add(b)),
        (Merge::Sum, ..) => Number::Float(merged.as_f64() + next.as_f64()),
        (Merge::Max, Number::Int(a), Number::Int(b)) => Number::Int(a.max(b)),
        (Merge::Max, ..) => Number::Float(merged.as_f64().max(next.as_f64())),
        (Merge::Min, Number::Int(a), Number::Int(b)) => Number::Int(a.min(b)),
        (Merge::Min, ..) => Number::Float(merged.as_f64().min(next.as_f64())),
    }
}
