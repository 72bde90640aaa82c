//! Histograms.

use hornet::client::metric as hornet_metric;
use opentelemetry::metrics::Meter;
use prometheus_client::metrics::histogram as prometheus_client;

use super::{export, many};
use crate::setup::MANY;

pub struct Histograms {
    pub hdrhistogram: [hdrhistogram::Histogram<u64>; MANY],
    pub histogram: [histogram::Histogram; MANY],
    pub metriken: [metriken::AtomicCounterHistogram; MANY],
    pub prometheus: [prometheus::Histogram; MANY],
    pub prometheus_client: [prometheus_client::Histogram; MANY],
    pub metrics: [metrics::Histogram; MANY],
    pub opentelemetry: [opentelemetry::metrics::Histogram<u64>; MANY],
    /// Only one: its writes take so long that it does not matter where they go.
    pub hornet: hornet_metric::Histogram,
}

impl Histograms {
    pub fn new(meter: &Meter) -> Histograms {
        let unit = hornet_metric::Unit::new();
        let hornet = hornet_metric::Histogram::new("size", 1, 10_000_000, 2, unit, "", "");
        let mut hornet = [hornet.expect("two digits")];
        export!("mmstats-bench-histograms", hornet);
        let [hornet] = hornet;
        Histograms {
            hdrhistogram: many("size", |_| {
                hdrhistogram::Histogram::new_with_bounds(1, u64::MAX / 2, 2).expect("two digits")
            }),
            // A precision of 0.8 %, like two digits; that of metriken, too.
            histogram: many("size", |_| {
                histogram::Histogram::new(7, 64).expect("powers of two")
            }),
            metriken: many("size", |_| metriken::AtomicCounterHistogram::new(7, 64)),
            prometheus: many("size", |name| {
                let options = prometheus::HistogramOpts::new(name, "Sizes.");
                prometheus::Histogram::with_opts(options).expect("a name")
            }),
            prometheus_client: many("size", |_| {
                prometheus_client::Histogram::new(prometheus::DEFAULT_BUCKETS.iter().copied())
            }),
            metrics: many("size", |name| metrics::histogram!(name.to_owned())),
            opentelemetry: many("size", |name| meter.u64_histogram(name.to_owned()).build()),
            hornet,
        }
    }
}
