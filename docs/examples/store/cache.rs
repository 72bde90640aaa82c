//! The objects that were resolved most recently, as they are in memory.

use std::any::Any;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use super::key::Key;

type Objects = LruCache<Key, Arc<dyn Any + Send + Sync>>;

/// An LRU cache of objects of any type, or no cache.
pub struct Cache(Option<Mutex<Objects>>);

impl Cache {
    /// Creates a cache of at most this many objects; 0 means no cache.
    pub fn new(objects: usize) -> Cache {
        Cache(NonZeroUsize::new(objects).map(|most| Mutex::new(LruCache::new(most))))
    }

    /// Ignores poisoning: no operation leaves the cache half changed.
    fn objects(&self) -> Option<MutexGuard<'_, Objects>> {
        let objects = self.0.as_ref()?;
        Some(objects.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns an object, if the cache has it and it has this type.
    pub fn get<T: Send + Sync + 'static>(&self, key: &Key) -> Option<Arc<T>> {
        let object = self.objects()?.get(key)?.clone();
        object.downcast().ok()
    }

    /// Adds an object; if the cache is full, it replaces the least recently used one.
    pub fn put<T: Send + Sync + 'static>(&self, key: &Key, object: &Arc<T>) {
        // The replaced object is dropped after the lock is released: its destructor is the caller's code.
        let _gone = self
            .objects()
            .and_then(|mut objects| objects.push(key.clone(), object.clone()));
    }

    pub fn contains(&self, key: &Key) -> bool {
        self.objects().is_some_and(|objects| objects.contains(key))
    }

    pub fn remove(&self, key: &Key) {
        let _gone = self.objects().and_then(|mut objects| objects.pop(key));
    }
}
