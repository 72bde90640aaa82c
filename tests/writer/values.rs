//! Values: what is written is what is read.

use std::time::Duration;

use mmstats::{Counter, Gauge, MmStats, Percentile, Stopwatch, Text};
use proptest::prelude::*;

use super::models::{Pool, Web, snapshot};

#[test]
fn every_kind_is_read_back() {
    let root = tempfile::tempdir().unwrap();
    let web = Web::builder().path(root.path()).create().unwrap();
    web.requests.inc();
    web.requests.add(5);
    web.requests.set(7);
    web.requests.set(3); // a counter never decreases
    web.in_flight.inc();
    web.in_flight.dec();
    web.in_flight.add(-3);
    web.temperature.set(36.6);
    web.body_size.record(512);
    let timing = web.response_time.start();
    assert!(timing.stop() < Duration::from_secs(60));
    web.response_time.start().discard();
    web.response_time.record(Duration::from_millis(3));
    assert_eq!(web.response_time.time(|| 5), 5);
    drop(web.response_time.start());
    assert_eq!(web.response_time.count(), 4);
    web.pool.update(|p| {
        p.open += 1;
        p.waits += 1;
    });
    web.release.set("1.4.2");
    web.ready.set(true);
    web.db.queries.inc();
    web.handlers.group("index").response_ok.inc();
    assert_eq!(
        web.pool.get(),
        Pool {
            open: 1,
            idle: 0,
            waits: 1
        }
    );
    assert_eq!(
        (
            web.requests.get(),
            web.in_flight.get(),
            web.temperature.get()
        ),
        (7, -3, 36.6)
    );
    assert_eq!(
        (
            web.release.get().as_str(),
            web.ready.get(),
            *web.limit.get()
        ),
        ("1.4.2", true, 42)
    );

    let snapshot = snapshot(&root);
    let get = |label: &str| {
        snapshot
            .get("my-app", label)
            .unwrap_or_else(|| panic!("{label}"))
    };
    assert_eq!(get("requests").as_u64(), Some(7));
    assert_eq!(get("in_flight").as_i64(), Some(-3));
    assert_eq!(get("temperature").as_f64(), Some(36.6));
    assert_eq!(get("release").as_str(), Some("1.4.2"));
    assert_eq!(get("ready").as_bool(), Some(true));
    assert_eq!(get("limit").as_u64(), Some(42));
    assert_eq!(get("commit").as_str(), Some("abc123"));
    assert_eq!(get("db.queries").as_u64(), Some(1));
    assert_eq!(get("index.response_ok").as_u64(), Some(1));
    assert_eq!(get("timers.response.Count").as_u64(), Some(4));
    for value in [
        "Total",
        "Mean",
        "Min",
        "Max",
        "Last",
        "Median",
        "Percentile50th",
        "Percentile999th",
    ] {
        assert_eq!(
            get(&format!("body_size.{value}")).as_f64(),
            Some(512.0),
            "{value}"
        );
    }
    assert_eq!(get("body_size.StdDev").as_f64(), Some(0.0));
    assert_eq!(
        snapshot.compound::<Pool>("my-app", "pool").unwrap(),
        web.pool.get()
    );
}

#[test]
fn a_panic_in_an_update_publishes_nothing() {
    let web = Web::builder().anonymous().create().unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        web.pool.update(|p| {
            p.open = 9;
            panic!("in the middle");
        });
    }));
    assert!(panicked.is_err());
    assert_eq!(web.pool.get(), Pool::default());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        web.response_time.time(|| panic!("timed all the same"));
    }));
    assert!(panicked.is_err());
    assert_eq!(web.response_time.count(), 1);
}

#[test]
fn a_text_is_cut_between_characters() {
    #[derive(MmStats)]
    struct Texts {
        short: Text<5>,
    }
    let texts = Texts::builder().anonymous().create().unwrap();
    for (text, kept) in [
        ("", ""),
        ("abcde", "abcde"),
        ("abcdef", "abcde"),
        ("äöü", "äö"),
        ("ab€d", "ab€"),
        ("abc€", "abc"),
    ] {
        texts.short.set(text);
        assert_eq!(texts.short.get(), kept);
    }
}

#[test]
fn a_stopwatch_goes_to_another_thread() {
    let watch = Stopwatch::start();
    let there = std::thread::spawn(move || watch.elapsed()).join().unwrap();
    assert!(watch.elapsed() >= there || watch.elapsed() > Duration::ZERO);
}

/// Each type of a gauge at its limits.
#[test]
fn gauges_hold_the_whole_range_of_their_types() {
    macro_rules! check {
        ($($type:ident)*) => {$({
            #[derive(MmStats)]
            #[mmstats(name = "gauges")]
            struct One { level: Gauge<$type> }
            let root = tempfile::tempdir().unwrap();
            let one = One::builder().path(root.path()).create().unwrap();
            for value in [$type::MIN, $type::MAX, 0 as $type] {
                one.level.set(value);
                assert_eq!(one.level.get(), value);
                let snapshot = snapshot(&root);
                let read = snapshot.get("gauges", "level").unwrap();
                assert_eq!(read.as_f64(), Some(value as f64), "{}", stringify!($type));
            }
        })*};
    }
    check!(u8 u16 u32 u64 i8 i16 i32 i64 f32 f64);
}

#[derive(MmStats)]
struct Sizes {
    two: Percentile,
    #[mmstats(digits = 1)]
    one: Percentile,
    #[mmstats(digits = 3)]
    three: Percentile,
    n: Counter,
}

/// Returns the value at a percentile of a sorted vector, by nearest rank.
fn exact(sorted: &[u64], percent: f64) -> u64 {
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

fn any_size() -> impl Strategy<Value = u64> {
    // All orders of magnitude are equally frequent.
    (0u32..64, any::<u64>()).prop_map(|(bits, value)| value >> bits)
}

/// The buckets are those of HdrHistogram: a rebuilt histogram equals one that recorded the values itself.
#[cfg(feature = "hdrhistogram")]
#[test]
fn a_distribution_becomes_an_hdrhistogram() {
    let sizes = Sizes::builder().anonymous().create().unwrap();
    for (digits, percentile) in [(1, &sizes.one), (2, &sizes.two), (3, &sizes.three)] {
        let mut own = hdrhistogram::Histogram::<u64>::new_with_bounds(1, u64::MAX, digits).unwrap();
        for i in 0..10_000u64 {
            let value = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (i % 60);
            percentile.record(value);
            own.record(own.lowest_equivalent(value)).unwrap();
        }
        let rebuilt = percentile.distribution().to_hdrhistogram();
        assert_eq!(rebuilt, own, "{digits} digits");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn percentiles_agree_with_a_sorted_vector(values in prop::collection::vec(any_size(), 1..400)) {
        let root = tempfile::tempdir().unwrap();
        let sizes = Sizes::builder().path(root.path()).create().unwrap();
        for &value in &values {
            sizes.one.record(value);
            sizes.two.record(value);
            sizes.three.record(value);
        }
        let snapshot = snapshot(&root);
        let mut sorted = values.clone();
        sorted.sort_unstable();
        for (label, digits) in [("one", 1), ("two", 2), ("three", 3)] {
            let read = snapshot.get("Sizes", label).unwrap().as_distribution().unwrap().clone();
            prop_assert_eq!(read.count(), values.len() as u64);
            prop_assert_eq!(read.bucket_count(), values.len() as u64);
            prop_assert_eq!(read.min(), Some(sorted[0]));
            prop_assert_eq!(read.max(), sorted.last().copied());
            prop_assert_eq!(read.last(), values.last().copied());
            prop_assert_eq!(read.total(), values.iter().map(|&n| u128::from(n)).sum::<u128>());
            for percent in [0.0, 1.0, 25.0, 50.0, 75.0, 90.0, 99.0, 99.9, 100.0] {
                let (want, got) = (exact(&sorted, percent), read.percentile(percent).unwrap());
                let error = want.abs_diff(got) as f64;
                prop_assert!(error <= want as f64 * 10f64.powi(-digits), "{label} p{percent}: {got} for {want}");
            }
        }
    }

    #[test]
    fn moments_agree_with_two_passes(values in prop::collection::vec(0u64..1 << 40, 2..300), offset in 0u64..1 << 50) {
        let sizes = Sizes::builder().anonymous().create().unwrap();
        values.iter().for_each(|value| sizes.two.record(offset + value));
        let read = sizes.two.distribution();
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| v as f64).sum::<f64>() / n;
        let squares: f64 = values.iter().map(|&v| (v as f64 - mean).powi(2)).sum();
        let stddev = (squares / (n - 1.0)).sqrt();
        prop_assert!((read.mean().unwrap() - offset as f64 - mean).abs() <= 1e-9 * (offset as f64 + mean));
        prop_assert!((read.stddev().unwrap() - stddev).abs() <= 1e-9 * stddev.max(1.0));
    }

    /// Values are split at random over files with several digits: merged, they equal those of one file.
    #[test]
    fn merging_is_recording_in_one_file(values in prop::collection::vec((any_size(), 0usize..3), 1..300)) {
        let root = tempfile::tempdir().unwrap();
        let files: Vec<_> = (0..3).map(|_| Sizes::builder().path(root.path()).create().unwrap()).collect();
        let single = Sizes::builder().anonymous().create().unwrap();
        for &(value, file) in &values {
            files[file].two.record(value);
            files[file].n.add(value >> 10);
            single.two.record(value);
            single.n.add(value >> 10);
        }
        let snapshot = snapshot(&root);
        let (read, want) = (snapshot.get("Sizes", "two").unwrap().as_distribution().unwrap(), single.two.distribution());
        prop_assert_eq!((read.count(), read.total(), read.min(), read.max()), (want.count(), want.total(), want.min(), want.max()));
        prop_assert_eq!(read.stddev(), want.stddev());
        for percent in [0.0, 50.0, 99.0, 100.0] {
            prop_assert_eq!(read.percentile(percent), want.percentile(percent));
        }
        prop_assert_eq!(snapshot.get("Sizes", "n").unwrap().as_u64(), Some(single.n.get()));
    }
}
