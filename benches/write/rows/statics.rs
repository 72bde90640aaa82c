//! Statics, and the facade `metrics` with our recorder, beside the facade's exporter for Prometheus.

use std::hint::black_box;

use metrics::with_local_recorder;
use mmstats::{SharedCounter, SharedGauge, SharedPercentile, SharedTimer};

use crate::row::{Bound, Row, row, spread};
use crate::setup::MANY;

static HITS: SharedCounter = SharedCounter::new("bench-statics", "hits");
static SIXTEEN: [SharedCounter; MANY] = {
    const NAMES: [&str; MANY] = [
        "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p",
    ];
    let mut all = [const { SharedCounter::new("bench-statics", "") }; MANY];
    let mut i = 0;
    while i < MANY {
        all[i] = SharedCounter::new("bench-statics", NAMES[i]);
        i += 1;
    }
    all
};
static LEVEL: SharedGauge<f64> = SharedGauge::new("bench-statics", "level");
static SIZE: SharedPercentile = SharedPercentile::new("bench-statics", "size");
static RATIO: SharedPercentile<f64> = SharedPercentile::new("bench-statics", "ratio");
static LOOKUP: SharedTimer = SharedTimer::new("bench-statics", "lookup");

pub fn rows() -> Vec<Row> {
    let mut rows = statics();
    rows.extend(facade());
    rows
}

fn statics() -> Vec<Row> {
    vec![
        row!("SharedCounter::inc", |_s, _i| {
            black_box(());
            HITS.inc();
        })
        .bound(Bound::Times(3.0, &["plain u64 += 1"])),
        row!("SharedCounter::inc, 16", |_s, i| {
            black_box(());
            SIXTEEN[i as usize % MANY].inc();
        })
        .bound(Bound::Times(3.0, &["plain u64 += 1, 16"])),
        row!("SharedGauge<f64>::set", |_s, i| {
            black_box(());
            LEVEL.set(f64::from(i as u32));
        }),
        row!("SharedGauge<f64>::add", |_s, _i| {
            black_box(());
            LEVEL.add(1.0);
        }),
        row!("SharedPercentile::record", |_s, i| SIZE.record(spread(i))),
        row!("SharedPercentile<f64>::record", |_s, i| RATIO
            .record(spread(i) as i64 as f64)),
        row!("SharedTimer::time", |_s, _i| LOOKUP.time(|| black_box(()))),
    ]
}

/// The macros look for the thread's recorder first, and fall back to the program's. So ours is found a little sooner
/// here.
fn facade() -> Vec<Row> {
    vec![
        row!("recorder, handle", |s, _i| black_box(&s.recorder.counter)
            .increment(1))
        .bound(Bound::Faster(1.5, &["metrics, handle"])),
        row!("recorder, gauge handle, set", |s, i| {
            black_box(&s.recorder.gauge).set(f64::from(i as u32));
        }),
        row!("recorder, histogram handle", |s, i| black_box(
            &s.recorder.histogram
        )
        .record(spread(i) as f64))
        .bound(Bound::Faster(4.0, &["metrics histogram, with its upkeep"])),
        Row::new("recorder, macro", |s, n| {
            with_local_recorder(&s.recorder.recorder, || {
                for _ in 0..n {
                    metrics::counter!("peer_macro").increment(1);
                }
            });
        })
        .bound(Bound::Faster(4.0, &["metrics, macro"])),
        Row::new("recorder, macro with two labels", |s, n| {
            with_local_recorder(&s.recorder.recorder, || {
                for _ in 0..n {
                    metrics::counter!("peer_macro", "a" => "1", "b" => "2").increment(1);
                }
            });
        })
        .bound(Bound::Faster(4.0, &["metrics, macro with two labels"])),
        row!("metrics, macro with two labels", |_s, _i| {
            metrics::counter!("peer_macro", "a" => "1", "b" => "2").increment(1);
        }),
    ]
}
