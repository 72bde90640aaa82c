//! The time that something takes.

use std::hint::black_box;
use std::time::Instant;

use mmstats::Stopwatch;

use crate::row::{Bound, Row, row};

pub fn rows() -> Vec<Row> {
    vec![
        row!("2 × Instant::now", |_s, _i| black_box(
            Instant::now().elapsed()
        )),
        row!("2 × quanta", |s, _i| {
            let start = s.clock.raw();
            black_box(s.clock.delta_as_nanos(start, s.clock.raw()))
        }),
        row!("2 × Instant::now, prometheus observe", |s, _i| {
            let taken = Instant::now().elapsed();
            s.peers.prometheus_histogram.observe(taken.as_secs_f64());
        }),
        row!("Timer, start to stop", |s, _i| s.stats.time.start().stop())
            .bound(Bound::Times(1.3, &["2 × quanta", "Percentile::record"]))
            .bound(Bound::Times(0.6, &["2 × Instant::now"]))
            .bound(Bound::Faster(
                2.0,
                &["2 × Instant::now, prometheus observe"],
            )),
        row!("Stopwatch", |_s, _i| black_box(
            Stopwatch::start().elapsed()
        )),
    ]
}
