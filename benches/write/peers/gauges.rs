//! Gauges, and metrics that go up and down. Where a peer has integer gauges as well as float gauges, the integer
//! ones go up and down, which is then a single instruction.

use std::sync::atomic::AtomicU64;

use hornet::client::metric as hornet_metric;
use opentelemetry::metrics::Meter;
use prometheus_client::metrics::gauge as prometheus_client;

use super::{export, many};
use crate::setup::MANY;

pub struct Gauges {
    pub prometheus: [prometheus::Gauge; MANY],
    pub prometheus_int: [prometheus::IntGauge; MANY],
    pub prometheus_client: [prometheus_client::Gauge<f64, AtomicU64>; MANY],
    pub prometheus_client_int: [prometheus_client::Gauge; MANY],
    pub metrics: [metrics::Gauge; MANY],
    /// Has integers only.
    pub metriken: [metriken::Gauge; MANY],
    pub opentelemetry: [opentelemetry::metrics::Gauge<f64>; MANY],
    pub opentelemetry_up_down: [opentelemetry::metrics::UpDownCounter<i64>; MANY],
    /// Has floats only.
    pub hornet: [hornet_metric::Gauge; MANY],
    pub hornet_text: [hornet_metric::Metric<String>; MANY],
}

impl Gauges {
    pub fn new(meter: &Meter) -> Gauges {
        let mut hornet = many("gauge", |name| {
            hornet_metric::Gauge::new(name, 0.0, "", "").expect("a name")
        });
        let mut hornet_text = many("text", |name| {
            let (semantics, unit) = (
                hornet_metric::Semantics::Discrete,
                hornet_metric::Unit::new(),
            );
            hornet_metric::Metric::new(name, String::new(), semantics, unit, "", "")
                .expect("a name")
        });
        export!("mmstats-bench-gauges", hornet, hornet_text);
        Gauges {
            prometheus: many("gauge", |name| {
                prometheus::Gauge::new(name, "Help.").expect("a name")
            }),
            prometheus_int: many("up_down", |name| {
                prometheus::IntGauge::new(name, "Help.").expect("a name")
            }),
            prometheus_client: many("gauge", |_| prometheus_client::Gauge::default()),
            prometheus_client_int: many("up_down", |_| prometheus_client::Gauge::default()),
            metrics: many("gauge", |name| metrics::gauge!(name.to_owned())),
            metriken: many("gauge", |_| metriken::Gauge::new()),
            opentelemetry: many("gauge", |name| meter.f64_gauge(name.to_owned()).build()),
            opentelemetry_up_down: many("up_down", |name| {
                meter.i64_up_down_counter(name.to_owned()).build()
            }),
            hornet,
            hornet_text,
        }
    }
}
