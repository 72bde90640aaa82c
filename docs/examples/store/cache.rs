//! The objects that were resolved last, as they are in memory.

use std::any::Any;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use super::key::Key;

type Objects = LruCache<Key, Arc<dyn Any + Send + Sync>>;

/// An LRU cache of objects of any type; or none.
pub struct Cache(Option<Mutex<Objects>>);

impl Cache {
    /// For so many objects; 0: no cache.
    pub fn new(objects: usize) -> Cache {
        Cache(NonZeroUsize::new(objects).map(|most| Mutex::new(LruCache::new(most))))
    }

    /// No operation leaves the cache in a state between two.
    fn objects(&self) -> Option<MutexGuard<'_, Objects>> {
        let objects = self.0.as_ref()?;
        Some(objects.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// An object, if it is there and of this type.
    pub fn get<T: Send + Sync + 'static>(&self, key: &Key) -> Option<Arc<T>> {
        let object = self.objects()?.get(key)?.clone();
        object.downcast().ok()
    }

    /// Adds an object, in the place of the one that was used least recently.
    pub fn put<T: Send + Sync + 'static>(&self, key: &Key, object: &Arc<T>) {
        // What leaves the cache is dropped after the lock: its destructor is the caller's.
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
