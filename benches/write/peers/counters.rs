//! Counters.

use hornet::client::metric as hornet_metric;
use opentelemetry::metrics::Meter;
use prometheus_client::metrics::counter as prometheus_client;

use super::{export, many};
use crate::setup::MANY;

pub struct Counters {
    pub prometheus: [prometheus::IntCounter; MANY],
    pub prometheus_client: [prometheus_client::Counter; MANY],
    pub metrics: [metrics::Counter; MANY],
    pub metriken: [metriken::Counter; MANY],
    pub opentelemetry: [opentelemetry::metrics::Counter<u64>; MANY],
    pub hornet: [hornet_metric::Counter; MANY],
}

impl Counters {
    pub fn new(meter: &Meter) -> Counters {
        let new = |name: &str| hornet_metric::Counter::new(name, 0, "", "").expect("a name");
        let mut hornet = many("counter", new);
        export!("mmstats-bench-counters", hornet);
        Counters {
            prometheus: many("counter", |name| {
                prometheus::IntCounter::new(name, "Help.").expect("a name")
            }),
            prometheus_client: many("counter", |_| prometheus_client::Counter::default()),
            metrics: many("counter", |name| metrics::counter!(name.to_owned())),
            metriken: many("counter", |_| metriken::Counter::new()),
            opentelemetry: many("counter", |name| meter.u64_counter(name.to_owned()).build()),
            hornet,
        }
    }
}
