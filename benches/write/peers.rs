//! What a user would pick instead, each set up as its documentation has it.

use std::path::Path;
use std::sync::Mutex;

use ::hornet::client::Client;
use ::hornet::client::metric as hornet;
use arc_swap::ArcSwap;
use crossbeam_utils::atomic::AtomicCell;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use prometheus_client::metrics as prometheus_client;
use seqlock::SeqLock;
use triple_buffer::TripleBuffer;

use super::setup::{Line, MANY};

/// One of each, or as many as a row rotates over.
pub struct Peers {
    pub prometheus: Vec<prometheus::IntCounter>,
    pub prometheus_histogram: prometheus::Histogram,
    pub prometheus_client: Vec<prometheus_client::counter::Counter>,
    pub prometheus_client_histogram: prometheus_client::histogram::Histogram,
    pub metrics: Vec<metrics::Counter>,
    pub metrics_histogram: metrics::Histogram,
    pub exporter: PrometheusHandle,
    pub metriken: Vec<metriken::Counter>,
    pub metriken_histogram: metriken::AtomicCounterHistogram,
    pub opentelemetry: Vec<opentelemetry::metrics::Counter<u64>>,
    pub opentelemetry_histogram: opentelemetry::metrics::Histogram<u64>,
    pub hornet: Vec<hornet::Counter>,
    pub hornet_histogram: hornet::Histogram,
    pub histogram: histogram::Histogram,
    pub seqlock: SeqLock<Line>,
    pub cell: AtomicCell<Line>,
    pub triple: (triple_buffer::Input<Line>, triple_buffer::Output<Line>),
    pub swap: ArcSwap<Line>,
    pub mutex: Mutex<Line>,
    /// Without it opentelemetry's instruments do nothing.
    _provider: SdkMeterProvider,
}

/// As many as a row rotates over, made from their names.
fn many<T>(make: impl Fn(&str) -> T) -> Vec<T> {
    (0..MANY).map(|i| make(&format!("peer_{i}"))).collect()
}

impl Peers {
    /// `root` is for what makes files.
    pub fn new(root: &Path) -> Peers {
        let options = prometheus::HistogramOpts::new("size", "Sizes.");
        let exporter = PrometheusBuilder::new().install_recorder();
        let reader = PeriodicReader::builder(InMemoryMetricExporter::default()).build();
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        let meter = provider.meter("bench");
        let (hornet, hornet_histogram) = hornet(root);
        Peers {
            prometheus: many(|name| prometheus::IntCounter::new(name, "Help.").expect("a name")),
            prometheus_histogram: prometheus::Histogram::with_opts(options).expect("a name"),
            prometheus_client: many(|_| prometheus_client::counter::Counter::default()),
            prometheus_client_histogram: prometheus_client::histogram::Histogram::new(
                prometheus::DEFAULT_BUCKETS.iter().copied(),
            ),
            exporter: exporter.expect("no other recorder"),
            metrics: many(|name| metrics::counter!(name.to_owned())),
            metrics_histogram: metrics::histogram!("size"),
            metriken: many(|_| metriken::Counter::new()),
            // 0.8 %, as two digits.
            metriken_histogram: metriken::AtomicCounterHistogram::new(7, 64),
            opentelemetry: many(|name| meter.u64_counter(name.to_owned()).build()),
            opentelemetry_histogram: meter.u64_histogram("size").build(),
            hornet,
            hornet_histogram,
            histogram: histogram::Histogram::new(7, 64).expect("powers of two"),
            seqlock: SeqLock::new(Line::default()),
            cell: AtomicCell::new(Line::default()),
            triple: TripleBuffer::new(&Line::default()).split(),
            swap: ArcSwap::from_pointee(Line::default()),
            mutex: Mutex::new(Line::default()),
            _provider: provider,
        }
    }
}

/// A PCP memory-mapped-values file under `root`.
fn hornet(root: &Path) -> (Vec<hornet::Counter>, hornet::Histogram) {
    // SAFETY: opentelemetry's thread, which is the only other one, reads no variables.
    unsafe { std::env::set_var("PCP_TMP_DIR", root) };
    let mut counters = many(|name| hornet::Counter::new(name, 0, "", "").expect("a name"));
    let unit = hornet::Unit::new();
    let histogram = hornet::Histogram::new("size", 1, 10_000_000, 2, unit, "", "");
    let mut histogram = histogram.expect("two digits");
    let client = Client::new("mmstats-bench").expect("a directory of ours");
    // hornet does not name the trait of what it exports, so the casts leave it open.
    let mut writers: Vec<_> = counters
        .iter_mut()
        .map(|counter| counter as &mut _)
        .collect();
    writers.push(&mut histogram as &mut _);
    client
        .export(writers.as_mut_slice())
        .expect("a file of hornet's");
    (counters, histogram)
}
