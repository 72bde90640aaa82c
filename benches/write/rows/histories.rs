//! Metrics that keep more than a number: histories, errors, and statistics by name.

use std::hint::black_box;

use crate::row::{Bound, Row, row};

pub fn rows() -> Vec<Row> {
    vec![
        row!("History::push", |s, i| s.stats.history.push(i as f64)).bound(Bound::Most(10.0)),
        row!("History::push_with, known context", |s, i| s
            .stats
            .history
            .push_with(i as f64, black_box("nightly"))),
        row!("Errors::record, known", |s, _i| s
            .stats
            .errors
            .record(black_box(&std::fmt::Error)))
        .bound(Bound::Most(200.0)),
        row!("push_stat, known label", |_s, i| {
            mmstats::push_stat(black_box("task"), i as f64);
        })
        .bound(Bound::Most(60.0)),
    ]
}
