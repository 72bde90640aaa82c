//! What a user would pick instead, each set up as its documentation shows, and as many of each as a row rotates
//! over.

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

/// The number of values after which the exporter of `metrics` sorts those that it has deferred.
pub const UPKEEP: u64 = 1 << 16;

pub struct Peers {
    pub counters: Counters,
    pub gauges: Gauges,
    pub histograms: Histograms,
    pub cells: Cells,
    /// The exporter of `metrics`, which does the work that its histograms defer.
    pub exporter: PrometheusHandle,
    /// Without it opentelemetry's instruments do nothing.
    _provider: SdkMeterProvider,
}

impl Peers {
    /// Creates the peers. Those that make files make them under `root`.
    pub fn new(root: &Path) -> Peers {
        let exporter = PrometheusBuilder::new().install_recorder();
        let reader = PeriodicReader::builder(InMemoryMetricExporter::default()).build();
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        let meter = provider.meter("bench");
        // SAFETY: the only other thread is opentelemetry's, which reads no environment variables.
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

/// Makes as many as a row rotates over, from their names.
fn many<T>(what: &str, make: impl Fn(&str) -> T) -> [T; MANY] {
    std::array::from_fn(|i| make(&format!("{what}_{i}")))
}

/// Exports metrics of hornet to a PCP memory-mapped-values file.
///
/// It is a macro because hornet does not make public the trait of what it exports, so the casts leave it open.
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
