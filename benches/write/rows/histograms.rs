//! Distributions of values, and other summaries of them. Each row generates its own random values.

use std::hint::black_box;

use crate::peers::UPKEEP;
use crate::row::{Bound, Row, Twins, row, spread, twins};

pub fn rows() -> Vec<Row> {
    let mut rows = Twins::rows(ours());
    rows.extend(ours_alone());
    rows.extend(Twins::rows(peers()));
    rows.push(
        row!("hornet histogram", |s, i| s
            .peers
            .histograms
            .hornet
            .record(spread(i))
            .expect("in range"))
        .slow(),
    );
    rows
}

fn ours() -> Vec<Twins> {
    vec![
        twins!(
            "hdrhistogram, 2 digits",
            |s, i| s.peers.histograms.hdrhistogram,
            |size| size.record(spread(i)).expect("in range")
        ),
        twins!(
            "Percentile::record",
            |s, i| (s.stats.size, s.fields.sizes),
            |size| size.record(spread(i))
        )
        .bound_of_one(Bound::Most(2.4))
        .bound(Bound::Times(1.2, &["hdrhistogram, 2 digits"]))
        .bound(Bound::Faster(2.0, &["metriken histogram"]))
        .bound(Bound::Faster(8.0, &["prometheus histogram"])),
        twins!(
            "Percentile<f64>::record",
            |s, i| (s.stats.ratio, s.fields.ratios),
            |ratio| ratio.record(spread(i) as i64 as f64)
        )
        .bound(Bound::Times(1.5, &["Percentile::record"])),
        twins!(
            "Summary::record",
            |s, i| (s.stats.summary, s.fields.summaries),
            |summary| summary.record(spread(i) as f64)
        )
        .bound_of_one(Bound::Beyond(3.0, "coarse clock")),
    ]
}

fn ours_alone() -> Vec<Row> {
    vec![
        row!("Percentile::record_with, a known context", |s, i| {
            (s.stats.size).record_with(spread(i), black_box("4bf92f3577b34da6a3ce929d0e0e4736"));
        }),
        row!("coarse clock", |_s, i| black_box((
            spread(i) as f64,
            coarse_clock()
        ))),
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

fn peers() -> Vec<Twins> {
    vec![
        twins!("histogram", |s, i| s.peers.histograms.histogram, |size| {
            size.increment(spread(i)).expect("in range")
        }),
        twins!(
            "metriken histogram",
            |s, i| s.peers.histograms.metriken,
            |size| size.increment(spread(i)).expect("in range")
        ),
        twins!(
            "prometheus histogram",
            |s, i| s.peers.histograms.prometheus,
            |size| size.observe(spread(i) as f64 / 1e5)
        ),
        twins!(
            "prometheus-client histogram",
            |s, i| s.peers.histograms.prometheus_client,
            |size| size.observe(spread(i) as f64 / 1e5)
        ),
        twins!(
            "metrics histogram, with its upkeep",
            |s, i| s.peers.histograms.metrics,
            |size| {
                size.record(spread(i) as f64);
                if i % UPKEEP == UPKEEP - 1 {
                    s.peers.exporter.run_upkeep();
                }
            }
        ),
        twins!(
            "opentelemetry histogram",
            |s, i| s.peers.histograms.opentelemetry,
            |size| size.record(spread(i), &[])
        ),
    ]
}

/// Reads the clock that a summary uses for the time of its last value.
fn coarse_clock() -> libc::timespec {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is valid for writes.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME_COARSE, &raw mut now) };
    now
}
