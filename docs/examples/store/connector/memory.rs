//! Objects of one process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::error::Error;
use super::super::key::Key;
use super::Connector;

/// Keeps objects in a map.
#[derive(Default)]
pub struct MemoryConnector(Mutex<HashMap<Key, Arc<[u8]>>>);

impl MemoryConnector {
    /// Ignores poisoning: no operation leaves the map half changed.
    fn map(&self) -> MutexGuard<'_, HashMap<Key, Arc<[u8]>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connector for MemoryConnector {
    fn put(&self, key: &Key, bytes: Arc<[u8]>) -> Result<(), Error> {
        self.map().insert(key.clone(), bytes);
        Ok(())
    }

    fn get(&self, key: &Key) -> Result<Option<Arc<[u8]>>, Error> {
        Ok(self.map().get(key).cloned())
    }

    fn exists(&self, key: &Key) -> Result<bool, Error> {
        Ok(self.map().contains_key(key))
    }

    fn evict(&self, key: &Key) -> Result<bool, Error> {
        Ok(self.map().remove(key).is_some())
    }
}
