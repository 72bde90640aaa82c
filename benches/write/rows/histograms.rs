//! Distributions of values, and other summaries of them. Each row makes a random value of its own.

use std::hint::black_box;

use crate::row::{Bound, Row, row, spread};

/// Values after which the exporter of `metrics` sorts those that it has put off.
const UPKEEP: u64 = 1 << 16;

pub fn rows() -> Vec<Row> {
    let mut rows = ours();
    rows.extend(peers());
    rows
}

fn ours() -> Vec<Row> {
    vec![
        row!("hdrhistogram, 2 digits", |s, i| s
            .hdr
            .record(spread(i))
            .expect("in range")),
        row!("Percentile::record", |s, i| s.stats.size.record(spread(i)))
            .bound(Bound::Most(2.4))
            .bound(Bound::Times(1.2, &["hdrhistogram, 2 digits"]))
            .bound(Bound::Faster(2.0, &["metriken histogram"]))
            .bound(Bound::Faster(8.0, &["prometheus histogram"])),
        row!("coarse clock", |_s, i| black_box((
            spread(i) as f64,
            coarse_clock()
        ))),
        row!("Summary::record", |s, i| s
            .stats
            .summary
            .record(spread(i) as f64))
        .bound(Bound::Beyond(3.0, "coarse clock")),
        row!("Summary::record, window", |s, i| s
            .stats
            .recent_summary
            .record(spread(i) as f64)),
        row!("Percentile::record, window", |s, i| s
            .stats
            .recent_size
            .record(spread(i))),
        row!("Average::record", |s, i| s
            .stats
            .average
            .record(spread(i) as f64)),
        row!("MovingAverage::record", |s, i| s
            .stats
            .moving
            .record(spread(i) as f64)),
        row!("SamplingCounter::inc", |s, _i| black_box(&s.stats.sampled)
            .inc()),
    ]
}

fn peers() -> Vec<Row> {
    vec![
        row!("histogram", |s, i| s
            .peers
            .histogram
            .increment(spread(i))
            .expect("in range")),
        row!("metriken histogram", |s, i| s
            .peers
            .metriken_histogram
            .increment(spread(i))
            .expect("in range")),
        row!("prometheus histogram", |s, i| s
            .peers
            .prometheus_histogram
            .observe(spread(i) as f64 / 1e5)),
        row!("prometheus-client histogram", |s, i| s
            .peers
            .prometheus_client_histogram
            .observe(spread(i) as f64 / 1e5)),
        row!("metrics histogram, with its upkeep", |s, i| {
            s.peers.metrics_histogram.record(spread(i) as f64);
            if i % UPKEEP == UPKEEP - 1 {
                s.peers.exporter.run_upkeep();
            }
        }),
        row!("opentelemetry histogram", |s, i| s
            .peers
            .opentelemetry_histogram
            .record(spread(i), &[])),
        row!("hornet histogram", |s, i| s
            .peers
            .hornet_histogram
            .record(spread(i))
            .expect("in range"))
        .slow(),
    ]
}

/// What a summary reads the time of its last value from.
fn coarse_clock() -> libc::timespec {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the place is valid for writing.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME_COARSE, &raw mut now) };
    now
}
