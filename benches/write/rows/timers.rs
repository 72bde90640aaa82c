//! The time that something takes.

use std::hint::black_box;
use std::time::Instant;

use mmstats::Stopwatch;

use crate::row::{Bound, Row, Twins, row, twins};

pub fn rows() -> Vec<Row> {
    let mut rows = vec![
        row!("2 × Instant::now", |_s, _i| black_box(
            Instant::now().elapsed()
        )),
        row!("2 × quanta", |s, _i| {
            let start = s.clock.raw();
            black_box(s.clock.delta_as_nanos(start, s.clock.raw()))
        }),
        row!("Stopwatch", |_s, _i| black_box(
            Stopwatch::start().elapsed()
        )),
    ];
    rows.extend(Twins::rows([
        twins!(
            "2 × Instant::now, prometheus observe",
            |s, _i| s.peers.histograms.prometheus,
            |time| {
                let taken = Instant::now().elapsed();
                time.observe(taken.as_secs_f64());
            }
        ),
        twins!(
            "Timer, start to stop",
            |s, _i| (s.stats.time, s.fields.times),
            |time| time.start().stop()
        )
        .bound_of_one(Bound::Times(1.3, &["2 × quanta", "Percentile::record"]))
        .bound_of_one(Bound::Times(0.6, &["2 × Instant::now"]))
        .bound(Bound::Faster(
            2.0,
            &["2 × Instant::now, prometheus observe"],
        )),
    ]));
    rows
}
