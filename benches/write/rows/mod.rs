//! The rows, by what is written.

mod counters;
mod gauges;
mod histograms;
mod histories;
mod locals;
mod statics;
mod structs;
mod texts;
mod timers;

use super::row::Row;

pub fn all() -> Vec<Row> {
    [
        counters::rows(),
        locals::rows(),
        statics::rows(),
        gauges::rows(),
        texts::rows(),
        structs::rows(),
        histograms::rows(),
        histories::rows(),
        timers::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
