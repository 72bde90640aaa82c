//! The statistics of stores: one model, in which each key and each of its operations is a group.
//!
//! Every thread of every process writes a file of its own, and a reader merges them: `stats` returns what all
//! processes with the same MMSTATS_PATH have done, including those that were killed.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mmstats::reader::{Reader, Series};
use mmstats::{
    Average, Counter, Groups, LabelsRef, MmLabelValue, MmLabels, MmStats, Stopwatch, Summary, Timer,
};

use super::error::Error;
use super::key::Key;

/// Object stores, by key and operation.
#[derive(MmStats)]
#[mmstats(name = "store")]
struct StoreStats {
    operations: Groups<OperationStats, Labels>,
}

// There are thousands of these groups: small metrics leave room for more keys.
#[derive(MmStats)]
struct OperationStats {
    /// How long an operation takes as a whole.
    #[mmstats(digits = 1)]
    operation: Timer,
    /// How long the last call took, and when it was: a Summary keeps both, over all files.
    #[mmstats(unit = "seconds")]
    last: Summary,
    /// The part of it that serializes or deserializes.
    #[mmstats(unit = "seconds")]
    serialize: Average,
    /// The part of it that the connector takes.
    #[mmstats(unit = "seconds")]
    connector: Average,
    /// Sizes of the objects of set_bytes and get_bytes.
    #[mmstats(unit = "bytes")]
    size: Summary,
    /// Objects that were found in the cache.
    cache_hits: Counter,
    /// Objects that were looked for in the cache, and were not there.
    cache_misses: Counter,
}

#[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
struct Labels {
    key: String,
    operation: Operation,
}

/// [`Labels`] for the lookup of a group: the same fields in the same order, without a copy of the key.
#[derive(Hash)]
struct LabelsOf<'a> {
    key: &'a str,
    operation: Operation,
}

impl LabelsRef<Labels> for LabelsOf<'_> {
    fn is(&self, labels: &Labels) -> bool {
        self.operation == labels.operation && self.key == labels.key
    }

    fn to_labels(&self) -> Labels {
        Labels {
            key: self.key.to_owned(),
            operation: self.operation,
        }
    }
}

/// An operation on an object.
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
    /// The first use of a proxy, including its `get` or the rest of a background fetch.
    Resolve,
    /// A fetch in the background, on its own thread.
    ResolveAsync,
    /// Any operation, under the key `_other`: for keys that came when the file had no more space.
    #[mmstats(name = "_other")]
    Other,
}

impl Operation {
    const ALL: [Operation; 11] = [
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
        Operation::Other,
    ];
}

/// A call that is measured. Dropping it records the call, even if the call failed. Empty if the store keeps no
/// statistics.
///
/// Costs two readings of the clock (one more for each part that is measured), one of the kernel's coarse clock, a
/// lookup, and a few stores for each value.
#[must_use = "it measures nothing if it is dropped at once"]
pub struct Call<'a>(Option<Measured<'a>>);

struct Measured<'a> {
    key: &'a Key,
    operation: Operation,
    begin: Stopwatch,
    /// Where the last part ended and the next one begins.
    last: Stopwatch,
    serialize: Option<Duration>,
    connector: Option<Duration>,
    size: Option<usize>,
    cache_hit: Option<bool>,
}

impl<'a> Call<'a> {
    /// Begins a call, which is measured if `on` is true.
    #[inline]
    pub fn begin(on: bool, key: &'a Key, operation: Operation) -> Call<'a> {
        Call(on.then(|| {
            let begin = Stopwatch::start();
            Measured {
                key,
                operation,
                begin,
                last: begin,
                serialize: None,
                connector: None,
                size: None,
                cache_hit: None,
            }
        }))
    }

    /// Counts the time since the last part, or since the beginning, as serialization or deserialization.
    #[inline]
    pub fn serialized(&mut self) {
        if let Some(call) = &mut self.0 {
            call.serialize = Some(call.part());
        }
    }

    /// Counts the time since the last part, or since the beginning, as the connector's.
    #[inline]
    pub fn connected(&mut self) {
        if let Some(call) = &mut self.0 {
            call.connector = Some(call.part());
        }
    }

    /// Sets the size of the object.
    #[inline]
    pub fn size(&mut self, bytes: usize) {
        if let Some(call) = &mut self.0 {
            call.size = Some(bytes);
        }
    }

    /// Sets whether the object was in the cache.
    #[inline]
    pub fn cache(&mut self, hit: bool) {
        if let Some(call) = &mut self.0 {
            call.cache_hit = Some(hit);
        }
    }
}

impl Measured<'_> {
    #[inline]
    fn part(&mut self) -> Duration {
        let end = Stopwatch::start();
        let part = end.since(self.last);
        self.last = end;
        part
    }

    #[inline(never)]
    fn record(&self) {
        let took = self.begin.elapsed();
        StoreStats::local(|stats| {
            let labels = LabelsOf {
                key: self.key.as_str(),
                operation: self.operation,
            };
            let stats = stats.operations.group_ref(&labels);
            stats.operation.record(took);
            stats.last.record(took.as_secs_f64());
            if let Some(part) = self.serialize {
                stats.serialize.record(part.as_secs_f64());
            }
            if let Some(part) = self.connector {
                stats.connector.record(part.as_secs_f64());
            }
            if let Some(bytes) = self.size {
                stats.size.record(bytes as f64);
            }
            match self.cache_hit {
                Some(true) => stats.cache_hits.inc(),
                Some(false) => stats.cache_misses.inc(),
                None => {}
            }
        });
    }
}

impl Drop for Call<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(call) = &self.0 {
            call.record();
        }
    }
}

/// One operation on one key: the fields of the original, and more.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimeStats {
    pub calls: u64,
    pub avg_time_ms: f64,
    pub min_time_ms: f64,
    pub max_time_ms: f64,
    /// The size of the last object; only for `set_bytes` and `get_bytes`.
    pub size_bytes: Option<u64>,
    pub p99_time_ms: f64,
    /// How long the last call took, in whatever thread or process.
    pub last_time_ms: Option<f64>,
    /// When the last call ended, exact to a few milliseconds.
    pub last_timestamp: Option<SystemTime>,
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
/// Costs a read of all their files: meant for a report, not for each call.
///
/// # Errors
/// The files cannot be read.
pub fn all() -> Result<BTreeMap<String, Operations>, Error> {
    // Creates this thread's file, so that there is something to read.
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
        // Most groups have only a few of the metrics, and a group may have been created and not counted yet.
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
    let ms_of = || {
        value
            .as_average()
            .and_then(|parts| parts.average())
            .map(|mean| mean * 1e3)
    };
    match series.metric() {
        "operation" => {
            let Some(times) = times else { return };
            let ms = |nanos: Option<u64>| nanos.map(|nanos| nanos as f64 / 1e6);
            stats.calls = times.count();
            stats.avg_time_ms = times.mean().unwrap_or_default() / 1e6;
            stats.min_time_ms = ms(times.min()).unwrap_or_default();
            stats.max_time_ms = ms(times.max()).unwrap_or_default();
            stats.p99_time_ms = ms(times.percentile(99.0)).unwrap_or_default();
        }
        "last" => {
            let last = value.as_summary();
            stats.last_time_ms = last.and_then(|last| last.last()).map(|last| last * 1e3);
            let at = last.and_then(|last| last.last_time());
            // Never before 1970: the value is unsigned in the file.
            stats.last_timestamp = at.map(|at| UNIX_EPOCH + Duration::from_secs_f64(at));
        }
        "serialize" => stats.avg_serialize_ms = ms_of(),
        "connector" => stats.avg_connector_ms = ms_of(),
        "size" => {
            let size = value.as_summary().and_then(|sizes| sizes.last());
            stats.size_bytes = size.map(|bytes| bytes as u64);
        }
        "cache_hits" => stats.cache_hits = value.as_u64().unwrap_or_default(),
        "cache_misses" => stats.cache_misses = value.as_u64().unwrap_or_default(),
        _ => {}
    }
}
