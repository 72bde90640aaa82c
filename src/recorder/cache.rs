//! A thread's handles by key. The macros of the facade find one with a hash and a comparison.

use std::cell::RefCell;
use std::sync::Arc;

use metrics::Key;

use super::handles::{GaugeHandle, Handle};
use super::registry::{Cells, Kind, RecordedMetric, Registry};
use crate::shared::alone;
use crate::sys::lifecycle::report;
use crate::{Counter, Percentile};

/// A handle of one kind.
pub trait Cached: Sized {
    /// The kind.
    const KIND: Kind;

    /// Returns the handle of a metric, if the metric is of this kind.
    fn of(metric: &RecordedMetric) -> Option<Self>;

    /// Returns a thread's handles of this kind.
    fn known(cache: &Cache) -> &Handles<Self>;

    /// As `known`, but mutable.
    fn known_mut(cache: &mut Cache) -> &mut Handles<Self>;
}

impl Cached for Handle<Counter> {
    const KIND: Kind = Kind::Counter;

    fn of(metric: &RecordedMetric) -> Option<Self> {
        match metric.cells {
            Cells::Counter(number) => Some(Handle::new(number, metric.entry.clone())),
            _ => None,
        }
    }

    fn known(cache: &Cache) -> &Handles<Self> {
        &cache.counters
    }

    fn known_mut(cache: &mut Cache) -> &mut Handles<Self> {
        &mut cache.counters
    }
}

impl Cached for GaugeHandle {
    const KIND: Kind = Kind::Gauge;

    fn of(metric: &RecordedMetric) -> Option<Self> {
        match &metric.cells {
            Cells::Gauge(level) => Some(GaugeHandle::new(level.clone(), metric.entry.clone())),
            _ => None,
        }
    }

    fn known(cache: &Cache) -> &Handles<Self> {
        &cache.gauges
    }

    fn known_mut(cache: &mut Cache) -> &mut Handles<Self> {
        &mut cache.gauges
    }
}

impl Cached for Handle<Percentile<f64>> {
    const KIND: Kind = Kind::Histogram;

    fn of(metric: &RecordedMetric) -> Option<Self> {
        match metric.cells {
            Cells::Histogram(number) => Some(Handle::new(number, metric.entry.clone())),
            _ => None,
        }
    }

    fn known(cache: &Cache) -> &Handles<Self> {
        &cache.histograms
    }

    fn known_mut(cache: &mut Cache) -> &mut Handles<Self> {
        &mut cache.histograms
    }
}

/// Handles of one kind: a table with open addressing, at most half full. Keys contain their hashes.
pub struct Handles<H> {
    entries: Vec<Option<(Key, Arc<H>)>>,
    len: usize,
}

// Not derived: that would require `H: Default`.
impl<H> Default for Handles<H> {
    fn default() -> Handles<H> {
        Handles {
            entries: Vec::new(),
            len: 0,
        }
    }
}

impl<H> Handles<H> {
    #[inline]
    fn get(&self, key: &Key) -> Option<&Arc<H>> {
        match self.entries.get(self.place(key)?) {
            Some(Some((_, handle))) => Some(handle),
            _ => None,
        }
    }

    /// Returns where the key is, or would be; `None` for an empty table.
    #[inline]
    fn place(&self, key: &Key) -> Option<usize> {
        let mask = self.entries.len().checked_sub(1)?;
        let hash = key.get_hash();
        let mut place = (hash ^ hash >> 32) as usize & mask;
        // The loop ends, because half of the entries are empty.
        loop {
            match &self.entries[place] {
                Some((known, _)) if !is_same(known, key) => place = (place + 1) & mask,
                _ => return Some(place),
            }
        }
    }

    fn insert(&mut self, key: Key, handle: Arc<H>) {
        if 2 * self.len >= self.entries.len() {
            let more = (2 * self.entries.len()).max(16);
            let entries = std::iter::repeat_with(|| None).take(more).collect();
            let old = std::mem::replace(&mut self.entries, entries);
            self.len = 0;
            for (key, handle) in old.into_iter().flatten() {
                self.insert(key, handle);
            }
        }
        if let Some(place) = self.place(&key) {
            self.len += usize::from(self.entries[place].is_none());
            self.entries[place] = Some((key, handle));
        }
    }
}

/// Returns whether two keys are equal. A macro with literals has the same statics each time.
#[inline]
fn is_same(known: &Key, key: &Key) -> bool {
    let is_one = std::ptr::eq(known.name(), key.name())
        && std::ptr::eq(known.labels().as_slice(), key.labels().as_slice());
    known.get_hash() == key.get_hash() && (is_one || known == key)
}

/// A thread's handles of one recorder.
#[derive(Default)]
pub struct Cache {
    /// The number of the recorder's home, which no other recorder ever has.
    recorder: u32,
    counters: Handles<Handle<Counter>>,
    gauges: Handles<GaugeHandle>,
    histograms: Handles<Handle<Percentile<f64>>>,
}

thread_local! {
    /// One for each recorder that this thread has used: usually one.
    static CACHES: RefCell<Vec<Cache>> = const { RefCell::new(Vec::new()) };
}

/// The most recorders whose handles a thread keeps. (Tests make one after another.)
const RECORDERS: usize = 16;

/// Returns this thread's handle of a key. `None` in a reentrant call: this thread is making something, and an allocator
/// calls the facade.
#[inline]
pub fn handle<H: Cached>(registry: &Registry, key: &Key) -> Option<Arc<H>> {
    // No table can be read while the thread is torn down or changes it.
    let known = CACHES.try_with(|caches| {
        let caches = caches.try_borrow().ok()?;
        let number = registry.number();
        let cache = caches.iter().find(|cache| cache.recorder == number)?;
        H::known(cache).get(key).cloned()
    });
    match known {
        Ok(Some(handle)) => Some(handle),
        _ => new(registry, key),
    }
}

/// The first use of a key in a thread, and every use of a key that counts under `_other`.
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
    // Only now, because a logger may use the recorder itself.
    if !is_own {
        // A variable of its own: Rust 1.89 drops what is made within `format_args!` too early.
        let most = registry.most();
        let text = format_args!(
            "the limit of {most} metrics is reached; further ones count under \"_other\": allow more with .max_label_sets()"
        );
        report::later(registry.model(), "label sets", &text);
    }
    report::tell_all();
    handle
}

/// Keeps a handle for this thread, unless the thread has too many.
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
        let known = H::known_mut(&mut caches[index]);
        // Bounded, because keys of one metric may differ in characters that are invalid in a label.
        if known.len < registry.most() {
            known.insert(key.clone(), handle);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_finds_what_was_entered_last_under_a_key() {
        let mut handles = Handles::default();
        let key = |n: u32| Key::from_parts("name", vec![metrics::Label::new("n", n.to_string())]);
        assert!(handles.get(&key(0)).is_none());
        for round in 0..2 {
            for n in 0..1000 {
                handles.insert(key(n), Arc::new(n + round));
                assert_eq!(handles.len, if round == 0 { n as usize + 1 } else { 1000 });
            }
        }
        for n in 0..1000 {
            assert_eq!(handles.get(&key(n)).map(|n| **n), Some(n + 1));
        }
        assert!(handles.get(&key(1000)).is_none());
        assert!(2 * handles.len <= handles.entries.len());
    }
}
