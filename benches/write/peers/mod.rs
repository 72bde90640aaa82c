//! What a user would pick instead, each set up as its documentation has it: as many of each as a row
//! rotates over.

mod cells;
mod counters;
mod gauges;
mod histograms;

use std::path::Path;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};

use super::setup::MANY;
use cells::Cells;
use counters::Counters;
use gauges::Gauges;
use histograms::Histograms;

/// Values after which the exporter of `metrics` sorts those that it has put off.
pub const UPKEEP: u64 = 1 << 16;

pub struct Peers {
    pub counters: Counters,
    pub gauges: Gauges,
    pub histograms: Histograms,
    pub cells: Cells,
    /// Of `metrics`: what its histograms put off is done by it.
    pub exporter: PrometheusHandle,
    /// Without it opentelemetry's instruments do nothing.
    _provider: SdkMeterProvider,
}

impl Peers {
    /// `root` is for what makes files.
    pub fn new(root: &Path) -> Peers {
        let exporter = PrometheusBuilder::new().install_recorder();
        let reader = PeriodicReader::builder(InMemoryMetricExporter::default()).build();
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        let meter = provider.meter("bench");
        // SAFETY: opentelemetry's thread, which is the only other one, reads no variables.
        unsafe { std::env::set_var("PCP_TMP_DIR", root) };
        Peers {
            exporter: exporter.expect("no other recorder"),
            counters: Counters::new(&meter),
            gauges: Gauges::new(&meter),
            histograms: Histograms::new(&meter),
            cells: Cells::new(),
            _provider: provider,
        }
    }
}

/// As many as a row rotates over, made from their names.
fn many<T>(what: &str, make: impl Fn(&str) -> T) -> [T; MANY] {
    std::array::from_fn(|i| make(&format!("{what}_{i}")))
}

/// Puts metrics of hornet's into a PCP memory-mapped-values file.
///
/// A macro, since hornet does not name the trait of what it exports: so the casts leave it open.
macro_rules! export {
    ($file:literal, $($metrics:expr),+) => {{
        let mut writers = Vec::new();
        $(
            for metric in &mut $metrics {
                writers.push(metric as &mut _);
            }
        )+
        let client = hornet::client::Client::new($file).expect("a directory of ours");
        client
            .export(writers.as_mut_slice())
            .expect("a file of hornet's");
    }};
}
use export;
