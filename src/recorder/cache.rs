//! A thread's handles, by their keys: what the macros of the facade find with a hash and a comparison.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use metrics::Key;

use super::handles::{GaugeHandle, Handle};
use super::registry::{Cells, Kind, Metric, Registry};
use crate::shared::alone;
use crate::sys::lifecycle::report;
use crate::{Counter, Percentile};

/// A handle of one kind.
pub trait Cached: Sized {
    /// The kind.
    const KIND: Kind;

    /// That of a metric of this kind.
    fn of(metric: &Metric) -> Option<Self>;

    /// Those that a thread has.
    fn known(cache: &mut Cache) -> &mut Handles<Self>;
}

impl Cached for Handle<Counter> {
    const KIND: Kind = Kind::Counter;

    fn of(metric: &Metric) -> Option<Self> {
        match metric.cells {
            Cells::Counter(number) => Some(Handle::new(number, metric.entry.clone())),
            _ => None,
        }
    }

    fn known(cache: &mut Cache) -> &mut Handles<Self> {
        &mut cache.counters
    }
}

impl Cached for GaugeHandle {
    const KIND: Kind = Kind::Gauge;

    fn of(metric: &Metric) -> Option<Self> {
        match &metric.cells {
            Cells::Gauge(level) => Some(GaugeHandle::new(level.clone(), metric.entry.clone())),
            _ => None,
        }
    }

    fn known(cache: &mut Cache) -> &mut Handles<Self> {
        &mut cache.gauges
    }
}

impl Cached for Handle<Percentile<f64>> {
    const KIND: Kind = Kind::Histogram;

    fn of(metric: &Metric) -> Option<Self> {
        match metric.cells {
            Cells::Histogram(number) => Some(Handle::new(number, metric.entry.clone())),
            _ => None,
        }
    }

    fn known(cache: &mut Cache) -> &mut Handles<Self> {
        &mut cache.histograms
    }
}

/// Handles of one kind. Their keys have their hashes in them.
type Handles<H> = HashMap<Key, Arc<H>, BuildHasherDefault<Hashed>>;

/// A hasher of what was hashed already.
#[derive(Default)]
pub struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // A key writes its hash and nothing else.
        for byte in bytes {
            self.0 = self.0.wrapping_mul(31).wrapping_add((*byte).into());
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// What a thread has of a recorder.
#[derive(Default)]
pub struct Cache {
    /// The number of its home, which no other recorder ever has.
    recorder: u32,
    counters: Handles<Handle<Counter>>,
    gauges: Handles<GaugeHandle>,
    histograms: Handles<Handle<Percentile<f64>>>,
}

thread_local! {
    /// Of each recorder that this thread has used: one, as a rule.
    static CACHES: RefCell<Vec<Cache>> = const { RefCell::new(Vec::new()) };
}

/// The most recorders whose handles a thread keeps: tests make one after another.
const RECORDERS: usize = 16;

/// This thread's handle of a key. `None`: not now, since this thread is just making something, and an allocator has come
/// back here.
#[inline]
pub fn handle<H: Cached>(registry: &Registry, key: &Key) -> Option<Arc<H>> {
    // No entry: the thread is being torn down, or is just changing its table.
    let known = CACHES.try_with(|caches| {
        let mut caches = caches.try_borrow_mut().ok()?;
        let own = |cache: &&mut Cache| cache.recorder == registry.number();
        let cache = caches.iter_mut().find(own)?;
        H::known(cache).get(key).cloned()
    });
    match known {
        Ok(Some(handle)) => Some(handle),
        _ => new(registry, key),
    }
}

/// The first use of a key in a thread; and every use of one that counts under `_other`.
#[cold]
fn new<H: Cached>(registry: &Registry, key: &Key) -> Option<Arc<H>> {
    let (handle, is_own) = alone(|| {
        let (metric, is_own) = registry.metric(H::KIND, key);
        let handle = H::of(metric).map(Arc::new);
        if let Some(handle) = handle.as_ref().filter(|_| is_own) {
            keep(registry, key, handle.clone());
        }
        (handle, is_own)
    })?;
    // Only now: a logger may use the recorder itself.
    if !is_own {
        let text = format_args!(
            "there are {} metrics; further ones count under \"_other\": allow more with .max_label_sets()",
            registry.most()
        );
        report::later(registry.model(), "label sets", &text);
    }
    report::tell_all();
    handle
}

/// Keeps a handle for this thread, unless it has too many.
fn keep<H: Cached>(registry: &Registry, key: &Key, handle: Arc<H>) {
    // Not while the thread is being torn down.
    let _ = CACHES.try_with(|caches| {
        let Ok(mut caches) = caches.try_borrow_mut() else {
            return;
        };
        let recorder = registry.number();
        let known = caches.iter().position(|cache| cache.recorder == recorder);
        let index = known.unwrap_or_else(|| {
            if caches.len() >= RECORDERS {
                caches.remove(0);
            }
            caches.push(Cache {
                recorder,
                ..Cache::default()
            });
            caches.len() - 1
        });
        let known = H::known(&mut caches[index]);
        // Keys of one metric may differ in what cannot be part of a label.
        if known.len() < registry.most() {
            known.insert(key.clone(), handle);
        }
    });
}
