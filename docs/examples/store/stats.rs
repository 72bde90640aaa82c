//! The statistics of stores: one model, in which each key and each of its operations is a group.
//!
//! Every thread of every process writes a file of its own, and a reader merges them: what `stats` returns is what all
//! processes with the same MMSTATS_PATH have done, those that were killed too.

use std::collections::BTreeMap;
use std::time::Duration;

use mmstats::reader::{Reader, Series};
use mmstats::{Counter, Groups, MmLabelValue, MmLabels, MmStats, Stopwatch, Summary, Timer};

use super::error::Error;
use super::key::Key;

/// Object stores, by key and operation.
#[derive(MmStats)]
#[mmstats(name = "store")]
struct StoreStats {
    operations: Groups<KeyStats, OperationLabel>,
}

/// The keys of an operation, by their text, and not by a struct of both labels: a text is looked up as it is, where a
/// struct would have to be made for each lookup, with a copy of the text.
#[derive(MmStats)]
struct KeyStats {
    #[mmstats(group_label = "key")]
    keys: Groups<OperationStats>,
}

#[derive(MmStats)]
struct OperationStats {
    /// How long an operation takes as a whole.
    operation: Timer,
    /// The part of it that serializes or deserializes.
    // One digit: there are thousands of these, and fewer buckets leave room for more keys.
    #[mmstats(digits = 1)]
    serialize: Timer,
    /// The part of it that the connector takes.
    #[mmstats(digits = 1)]
    connector: Timer,
    /// Sizes of the objects of set_bytes and get_bytes.
    #[mmstats(unit = "bytes")]
    size: Summary,
    /// Objects that were found in the cache.
    cache_hits: Counter,
    /// Objects that were looked for in the cache, and were not there.
    cache_misses: Counter,
}

#[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
struct OperationLabel {
    operation: Operation,
}

/// What can be done with an object.
#[derive(MmLabelValue, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    Set,
    SetBytes,
    Get,
    GetBytes,
    Exists,
    IsCached,
    Evict,
    Proxy,
    /// The first use of a proxy: with the `get` in it, or the rest of a background fetch.
    Resolve,
    /// A fetch in the background, on its own thread.
    ResolveAsync,
}

impl Operation {
    const ALL: [Operation; 10] = [
        Operation::Set,
        Operation::SetBytes,
        Operation::Get,
        Operation::GetBytes,
        Operation::Exists,
        Operation::IsCached,
        Operation::Evict,
        Operation::Proxy,
        Operation::Resolve,
        Operation::ResolveAsync,
    ];
}

/// What is measured of one operation. Nothing, where the store keeps no statistics.
#[derive(Default)]
pub struct Measured {
    on: bool,
    serialize: Option<Duration>,
    connector: Option<Duration>,
    size: Option<usize>,
    cache_hit: Option<bool>,
}

impl Measured {
    pub fn serialize<R>(&mut self, work: impl FnOnce() -> R) -> R {
        timed(self.on, &mut self.serialize, work)
    }

    pub fn connector<R>(&mut self, work: impl FnOnce() -> R) -> R {
        timed(self.on, &mut self.connector, work)
    }

    pub fn size(&mut self, bytes: usize) {
        self.size = Some(bytes);
    }

    pub fn cache(&mut self, hit: bool) {
        self.cache_hit = Some(hit);
    }
}

fn timed<R>(on: bool, part: &mut Option<Duration>, work: impl FnOnce() -> R) -> R {
    if !on {
        return work();
    }
    let watch = Stopwatch::start();
    let done = work();
    *part = Some(watch.elapsed());
    done
}

/// Does `work` and, if `on`, records it as a call of `operation`, also if it fails.
///
/// Costs two readings of the clock (two more for each part that is measured), two lookups and a store for each value.
pub fn record<R>(
    on: bool,
    key: &Key,
    operation: Operation,
    work: impl FnOnce(&mut Measured) -> R,
) -> R {
    let mut measured = Measured {
        on,
        ..Measured::default()
    };
    if !on {
        return work(&mut measured);
    }
    let watch = Stopwatch::start();
    let done = work(&mut measured);
    let took = watch.elapsed();
    StoreStats::local(|stats| {
        let label = OperationLabel { operation };
        let stats = stats.operations.group(&label).keys.group(key.as_str());
        stats.operation.record(took);
        if let Some(part) = measured.serialize {
            stats.serialize.record(part);
        }
        if let Some(part) = measured.connector {
            stats.connector.record(part);
        }
        if let Some(bytes) = measured.size {
            stats.size.record(bytes as f64);
        }
        match measured.cache_hit {
            Some(true) => stats.cache_hits.inc(),
            Some(false) => stats.cache_misses.inc(),
            None => {}
        }
    });
    done
}

/// One operation on one key: the fields of the original, and what goes beyond it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimeStats {
    pub calls: u64,
    pub avg_time_ms: f64,
    pub min_time_ms: f64,
    pub max_time_ms: f64,
    /// The size of the last object, of `set_bytes` and `get_bytes` only.
    pub size_bytes: Option<u64>,
    pub p99_time_ms: f64,
    /// Of the call recorded last, if that is known: of several files it is only of some.
    pub last_time_ms: Option<f64>,
    pub cache_hits: u64,
    pub cache_misses: u64,
    /// The mean of the part that serializes or deserializes.
    pub avg_serialize_ms: Option<f64>,
    /// The mean of the connector's part.
    pub avg_connector_ms: Option<f64>,
}

/// Statistics by operation.
pub type Operations = BTreeMap<Operation, TimeStats>;

/// Reads what all threads and processes have recorded, by key.
///
/// Costs a reading of all their files: for a report, and not for each call.
///
/// # Errors
/// The files cannot be read.
pub fn all() -> Result<BTreeMap<String, Operations>, Error> {
    // This thread's file, so that there is something to read.
    StoreStats::local(|_| ());
    let snapshot = Reader::from_env()?.snapshot()?;
    let mut all: BTreeMap<String, Operations> = BTreeMap::new();
    for series in snapshot
        .model("store")
        .iter()
        .flat_map(|model| model.series())
    {
        let (Some(key), Some(operation)) = (series.label_value("key"), operation(series)) else {
            continue;
        };
        // Most groups have a few of the metrics only, and a group may have been made and not yet counted.
        let operations = all.entry(key.to_owned()).or_default();
        add(operations.entry(operation).or_default(), series);
    }
    for operations in all.values_mut() {
        operations.retain(|_, stats| stats.calls > 0);
    }
    all.retain(|_, operations| !operations.is_empty());
    Ok(all)
}

fn operation(series: &Series) -> Option<Operation> {
    let text = series.label_value("operation")?;
    Operation::ALL
        .into_iter()
        .find(|operation| operation.text() == text)
}

fn add(stats: &mut TimeStats, series: &Series) {
    let value = series.value();
    let times = value.as_distribution();
    let mean = times.and_then(|times| times.mean()).map(|mean| mean / 1e6);
    match series.metric() {
        "operation" => {
            let Some(times) = times else { return };
            let ms = |nanos: Option<u64>| nanos.map(|nanos| nanos as f64 / 1e6);
            stats.calls = times.count();
            stats.avg_time_ms = mean.unwrap_or_default();
            stats.min_time_ms = ms(times.min()).unwrap_or_default();
            stats.max_time_ms = ms(times.max()).unwrap_or_default();
            stats.p99_time_ms = ms(times.percentile(99.0)).unwrap_or_default();
            stats.last_time_ms = ms(times.last());
        }
        "serialize" => stats.avg_serialize_ms = mean,
        "connector" => stats.avg_connector_ms = mean,
        "size" => {
            let size = value.as_summary().and_then(|sizes| sizes.last());
            stats.size_bytes = size.map(|bytes| bytes as u64);
        }
        "cache_hits" => stats.cache_hits = value.as_u64().unwrap_or_default(),
        "cache_misses" => stats.cache_misses = value.as_u64().unwrap_or_default(),
        _ => {}
    }
}
