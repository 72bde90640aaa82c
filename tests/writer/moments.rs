//! Distributions and summaries, publication by publication: most of them are stored in a few words.

use mmstats::{MmStats, Percentile, Summary};
use proptest::prelude::*;

#[derive(MmStats)]
struct Sizes {
    two: Percentile,
    #[mmstats(buffers = 4)]
    four: Percentile,
    #[mmstats(buffers = 16)]
    sixteen: Percentile,
}

#[derive(MmStats)]
struct Measured {
    two: Summary,
    #[mmstats(buffers = 4)]
    four: Summary,
    #[mmstats(buffers = 16)]
    sixteen: Summary,
}

/// Runs of values of one order of magnitude: within a run the extremes soon stop changing; the next run changes them
/// or causes a carry in a sum.
fn runs() -> impl Strategy<Value = Vec<u64>> {
    let run = (0u32..64, prop::collection::vec(any::<u64>(), 1..60));
    let run = run.prop_map(|(bits, values)| values.into_iter().map(move |v| v >> bits));
    prop::collection::vec(run, 1..6).prop_map(|runs| runs.into_iter().flatten().collect())
}

/// Returns the sample deviation from Σ(x - m)², computed with exact sums; `None` if the squares do not fit.
fn deviation(values: &[u64]) -> Option<f64> {
    let n = values.len() as u128;
    let (mut total, mut squares) = (0u128, 0u128);
    for &value in values {
        total += u128::from(value);
        squares = squares.checked_add(u128::from(value).pow(2))?;
    }
    let (mean, rest) = (total / n, total % n);
    let sum = squares - n * mean * mean - 2 * mean * rest;
    let sum = sum as f64 - (rest as f64).powi(2) / n as f64;
    Some((sum.max(0.0) / (n - 1).max(1) as f64).sqrt())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_publication_has_all_of_its_moments(values in runs()) {
        let root = tempfile::tempdir().unwrap();
        let sizes = Sizes::builder().path(root.path()).create().unwrap();
        for n in 1..=values.len() {
            let (so_far, value) = (&values[..n], values[n - 1]);
            for percentile in [&sizes.two, &sizes.four, &sizes.sixteen] {
                percentile.record(value);
                let read = percentile.distribution();
                prop_assert_eq!(read.count(), n as u64);
                prop_assert_eq!(read.bucket_count(), n as u64);
                prop_assert_eq!(read.total(), so_far.iter().map(|&v| u128::from(v)).sum::<u128>());
                prop_assert_eq!(read.min(), so_far.iter().min().copied());
                prop_assert_eq!(read.max(), so_far.iter().max().copied());
                prop_assert_eq!(read.last(), Some(value));
                if let Some(want) = deviation(so_far) {
                    let got = read.stddev().unwrap();
                    prop_assert!((got - want).abs() <= 1e-9 * want, "{got} for {want}");
                }
            }
        }
    }

    #[test]
    fn each_publication_of_a_summary_has_all_of_its_words(values in runs()) {
        let root = tempfile::tempdir().unwrap();
        let measured = Measured::builder().path(root.path()).create().unwrap();
        // Integers of at most 24 bits: their sum, and the sum of their squares, are exact.
        let values: Vec<u64> = values.into_iter().map(|value| value >> (40 - value.leading_zeros().min(40))).collect();
        for n in 1..=values.len() {
            let (so_far, value) = (&values[..n], values[n - 1]);
            for summary in [&measured.two, &measured.four, &measured.sixteen] {
                summary.record(value as f64);
                let read = summary.value();
                prop_assert_eq!(read.count(), n as u64);
                prop_assert_eq!(read.total(), so_far.iter().sum::<u64>() as f64);
                prop_assert_eq!(read.min(), so_far.iter().min().map(|&v| v as f64));
                prop_assert_eq!(read.max(), so_far.iter().max().map(|&v| v as f64));
                prop_assert_eq!(read.last(), Some(value as f64));
                let (got, want) = (read.stddev().unwrap(), deviation(so_far).unwrap());
                prop_assert!((got - want).abs() <= 1e-9 * want, "{got} for {want}");
            }
        }
    }
}
