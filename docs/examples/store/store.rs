//! The store: objects by key, through a connector, with a cache and statistics.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cache::Cache;
use super::connector::Connector;
use super::error::Error;
use super::factory::{Reference, StoreFactory};
use super::key::{HasKey, Key};
use super::proxy::Proxy;
use super::registry;
use super::serializer::{self, Failure, caught, failed};
use super::stats::{self, Call, Operation, Operations};

/// The default number of cached objects.
const CACHE_SIZE: usize = 16;

/// Builds a [`Store`].
pub struct Builder {
    name: String,
    cache_size: usize,
    with_stats: bool,
}

impl Builder {
    /// Sets how many resolved objects are cached; 0 means none. Default: STORE_CACHE_SIZE, or else 16.
    pub fn cache_size(mut self, objects: usize) -> Builder {
        self.cache_size = objects;
        self
    }

    /// Sets whether statistics are kept. Default: no.
    pub fn with_stats(mut self, on: bool) -> Builder {
        self.with_stats = on;
        self
    }

    /// Builds the store; from then on proxies find it by its name.
    ///
    /// # Errors
    /// There is a store of this name in this process.
    pub fn build<C: Connector>(self, connector: C) -> Result<Store<C>, Error> {
        let store = Store(Arc::new(Shared {
            name: self.name,
            with_stats: self.with_stats,
            cache: Cache::new(self.cache_size),
            connector,
        }));
        registry::register(store.erased())?;
        Ok(store)
    }
}

/// Objects by key. A clone refers to the same store.
///
/// A cache belongs to one process: after another process has replaced an object, `get` may return the old one. A
/// strict proxy does not.
pub struct Store<C: Connector + ?Sized = dyn Connector>(Arc<Shared<C>>);

struct Shared<C: ?Sized> {
    name: String,
    with_stats: bool,
    cache: Cache,
    connector: C,
}

impl<C: Connector + ?Sized> Clone for Store<C> {
    fn clone(&self) -> Store<C> {
        Store(self.0.clone())
    }
}

impl Store {
    /// Returns a builder of a store with this name.
    pub fn builder(name: &str) -> Builder {
        let size = std::env::var("STORE_CACHE_SIZE").ok();
        Builder {
            name: name.to_owned(),
            cache_size: size
                .and_then(|size| size.parse().ok())
                .unwrap_or(CACHE_SIZE),
            with_stats: false,
        }
    }
}

impl<C: Connector> Store<C> {
    /// Returns the same store, with its connector's type erased.
    pub fn erased(&self) -> Store {
        Store(self.0.clone())
    }
}

impl<C: Connector + ?Sized> Store<C> {
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the connector that holds the objects.
    pub fn connector(&self) -> &C {
        &self.0.connector
    }

    /// Closes the store: proxies no longer find it, and its name is free.
    pub fn close(self) {
        registry::forget(&self.0.name);
    }

    /// Begins a call of an operation, which is recorded when it is dropped.
    pub(super) fn call<'a>(&self, key: &'a Key, operation: Operation) -> Call<'a> {
        Call::begin(self.0.with_stats, key, operation)
    }

    /// Stores an object under a new key.
    pub fn set<T: Serialize + ?Sized>(&self, object: &T) -> Result<Key, Error> {
        let key = Key::generate();
        self.set_at(&key, object)?;
        Ok(key)
    }

    /// Stores an object under this key, and replaces the existing one, if any.
    pub fn set_at<T: Serialize + ?Sized>(&self, key: &Key, object: &T) -> Result<(), Error> {
        self.set_with(key, object, serializer::serialize)
    }

    /// Like [`set_at`](Self::set_at), with the caller's own serializer.
    pub fn set_with<T: ?Sized>(
        &self,
        key: &Key,
        object: &T,
        serialize: impl FnOnce(&T) -> Result<Vec<u8>, Failure>,
    ) -> Result<(), Error> {
        let mut call = self.call(key, Operation::Set);
        let bytes = caught(|| serialize(object).map_err(failed));
        call.serialized();
        self.put(key, bytes?.into(), &mut call)
    }

    /// Stores bytes, unchanged, under a new key.
    pub fn set_bytes(&self, bytes: &[u8]) -> Result<Key, Error> {
        let key = Key::generate();
        self.set_bytes_at(&key, bytes)?;
        Ok(key)
    }

    /// Stores bytes, unchanged, under this key.
    pub fn set_bytes_at(&self, key: &Key, bytes: &[u8]) -> Result<(), Error> {
        let mut call = self.call(key, Operation::SetBytes);
        call.size(bytes.len());
        self.put(key, bytes.into(), &mut call)
    }

    fn put(&self, key: &Key, bytes: Arc<[u8]>, call: &mut Call<'_>) -> Result<(), Error> {
        let put = self.0.connector.put(key, bytes);
        call.connected();
        put?;
        self.0.cache.remove(key);
        Ok(())
    }

    /// Returns an object, or `None` if there is none.
    pub fn get<T>(&self, key: &Key) -> Result<Option<Arc<T>>, Error>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        self.get_with(key, serializer::deserialize)
    }

    /// Like [`get`](Self::get), with the caller's own deserializer.
    pub fn get_with<T: Send + Sync + 'static>(
        &self,
        key: &Key,
        deserialize: impl FnOnce(&[u8]) -> Result<T, Failure>,
    ) -> Result<Option<Arc<T>>, Error> {
        let mut call = self.call(key, Operation::Get);
        let cached = self.0.cache.get(key);
        call.cache(cached.is_some());
        match cached {
            Some(object) => Ok(Some(object)),
            None => self.fetch(key, deserialize, &mut call),
        }
    }

    /// Like [`get`](Self::get), but never from the cache.
    pub fn get_latest<T>(&self, key: &Key) -> Result<Option<Arc<T>>, Error>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let mut call = self.call(key, Operation::Get);
        self.fetch(key, serializer::deserialize, &mut call)
    }

    fn fetch<T: Send + Sync + 'static>(
        &self,
        key: &Key,
        deserialize: impl FnOnce(&[u8]) -> Result<T, Failure>,
        call: &mut Call<'_>,
    ) -> Result<Option<Arc<T>>, Error> {
        let bytes = self.0.connector.get(key);
        call.connected();
        let Some(bytes) = bytes? else {
            return Ok(None);
        };
        let object = caught(|| deserialize(&bytes).map_err(failed));
        call.serialized();
        let object = Arc::new(object?);
        self.0.cache.put(key, &object);
        Ok(Some(object))
    }

    /// Returns the bytes of an object, or `None` if there is none.
    pub fn get_bytes(&self, key: &Key) -> Result<Option<Arc<[u8]>>, Error> {
        let mut call = self.call(key, Operation::GetBytes);
        let bytes = self.0.connector.get(key);
        call.connected();
        if let Ok(Some(bytes)) = &bytes {
            call.size(bytes.len());
        }
        bytes
    }

    /// Returns whether the connector has an object.
    pub fn exists(&self, key: &Key) -> Result<bool, Error> {
        let mut call = self.call(key, Operation::Exists);
        let exists = self.0.connector.exists(key);
        call.connected();
        exists
    }

    /// Returns whether the cache of this process has an object.
    pub fn is_cached(&self, key: &Key) -> bool {
        let _call = self.call(key, Operation::IsCached);
        self.0.cache.contains(key)
    }

    /// Removes an object; returns whether there was one. Its statistics stay.
    pub fn evict(&self, key: &Key) -> Result<bool, Error> {
        let mut call = self.call(key, Operation::Evict);
        self.0.cache.remove(key);
        let evicted = self.0.connector.evict(key);
        call.connected();
        evicted
    }

    /// Stores an object under a new key, and returns a proxy of it.
    pub fn proxy<T>(&self, object: &T) -> Result<Proxy<T>, Error>
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let key = Key::generate();
        let _call = self.call(&key, Operation::Proxy);
        self.set_at(&key, object)?;
        Ok(self.reference(&key, false))
    }

    /// Returns a proxy of the object with this key. Resolving it shows whether there is one.
    pub fn proxy_of<T>(&self, key: &Key) -> Proxy<T>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let _call = self.call(key, Operation::Proxy);
        self.reference(key, false)
    }

    /// Like [`proxy_of`](Self::proxy_of), but whenever it fetches, it gets the latest version and never a cached one.
    /// It fetches at its first use, and then at each [`latest`](Proxy::latest) or first use after a
    /// [`refresh`](Proxy::refresh): an object to which `Deref` has lent a reference cannot change while the reference
    /// is held.
    pub fn strict_proxy_of<T>(&self, key: &Key) -> Proxy<T>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let _call = self.call(key, Operation::Proxy);
        self.reference(key, true)
    }

    fn reference<T>(&self, key: &Key, strict: bool) -> Proxy<T>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        Proxy::new(StoreFactory::new(Reference {
            store: self.0.name.clone(),
            key: key.clone(),
            strict,
        }))
    }

    /// Returns what all threads and processes have done with a key; empty if none has used it.
    ///
    /// # Errors
    /// The store keeps no statistics, the proxy has no key, or the files cannot be read.
    pub fn stats(&self, of: &impl HasKey) -> Result<Operations, Error> {
        if !self.0.with_stats {
            return Err(Error::NoStats(self.0.name.clone()));
        }
        let mut all = stats::all()?;
        Ok(all.remove(of.key()?.as_str()).unwrap_or_default())
    }
}
