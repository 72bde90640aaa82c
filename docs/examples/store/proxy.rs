//! Proxies: objects that are fetched when they are first used.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

use super::error::Error;
use super::factory::{Factory, Fetching, Guarded, Part, Reference, StoreFactory};
use super::serializer::caught;

/// Stands for an object: dereferences to it, and compares, prints and computes like it (see `operators`).
///
/// The first use asks the factory, once, even if several threads use the proxy at the same time. A serialized proxy
/// contains only the name of its store and a key; where it is deserialized, it is resolved again.
pub struct Proxy<T> {
    object: OnceLock<Arc<T>>,
    factory: Arc<dyn Factory<T>>,
    /// Held while the object is fetched.
    attempt: Mutex<Attempt<T>>,
}

/// The state before the object is there.
struct Attempt<T> {
    /// A fetch in the background.
    fetching: Option<Fetching<T>>,
    /// Why the last attempt failed.
    error: Option<Error>,
}

impl<T: Send + Sync + 'static> Proxy<T> {
    /// Creates a proxy of what the factory makes: a closure, or a [`Factory`].
    pub fn new(factory: impl Factory<T>) -> Proxy<T> {
        Proxy {
            object: OnceLock::new(),
            factory: Arc::new(factory),
            attempt: Mutex::new(Attempt {
                fetching: None,
                error: None,
            }),
        }
    }

    /// Returns the object, and fetches it first if that has not been done yet. Afterwards a call costs one branch.
    ///
    /// # Errors
    /// The factory failed. The next call asks it again.
    #[inline]
    pub fn resolve(&self) -> Result<&T, Error> {
        match self.object.get() {
            Some(object) => Ok(object),
            None => self.fetch(),
        }
    }

    #[cold]
    fn fetch(&self) -> Result<&T, Error> {
        let mut attempt = self.attempt();
        if let Some(object) = self.object.get() {
            return Ok(object);
        }
        let fetched = match attempt.fetching.take() {
            Some(wait) => caught(wait),
            None => caught(|| self.factory.fetch()),
        };
        match fetched {
            Ok(object) => {
                attempt.error = None;
                Ok(self.object.get_or_init(|| object))
            }
            Err(error) => {
                attempt.error = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Fetches the object again and returns it: for a strict proxy it is the latest version at every call. The object
    /// that the proxy dereferences to does not change, since references to it may be held.
    ///
    /// Each call costs a fetch from the store and the deserialization of the object.
    ///
    /// # Errors
    /// The factory failed.
    pub fn latest(&self) -> Result<Arc<T>, Error> {
        caught(|| self.factory.fetch())
    }

    /// Forgets the object: the next use fetches it again. `&mut` proves that no reference to it is held.
    pub fn refresh(&mut self) {
        self.object.take();
    }

    /// Begins to fetch the object in the background. The first use waits only for the rest of the fetch.
    pub fn resolve_async(&self) {
        let mut attempt = self.attempt();
        if !self.is_resolved() && attempt.fetching.is_none() {
            attempt.fetching = Some(self.factory.clone().begin());
        }
    }

    /// Returns the object itself.
    ///
    /// # Errors
    /// As for [`resolve`](Self::resolve).
    pub fn extract(self) -> Result<Arc<T>, Error> {
        self.resolve()?;
        self.object.into_inner().ok_or(Error::NoStore)
    }

    /// Returns a proxy of a part of the object, which keeps only that part in memory.
    pub fn part<U, P>(&self, part: P) -> Proxy<U>
    where
        U: Send + Sync + 'static,
        P: Fn(&T) -> U + Send + Sync + 'static,
    {
        let whole = self.factory.clone();
        Proxy::new(Part { whole, part })
    }

    /// Returns a proxy that is resolved and evicted only if `allow` does not object.
    pub fn guarded<A>(&self, allow: A) -> Proxy<T>
    where
        A: Fn() -> Result<(), String> + Send + Sync + 'static,
    {
        let factory = self.factory.clone();
        Proxy::new(Guarded { factory, allow })
    }

    /// Removes the object from its store; returns whether there was one. A resolved object stays in the proxy.
    ///
    /// # Errors
    /// There is no store, or it failed.
    pub fn evict(&self) -> Result<bool, Error> {
        self.factory.evict()
    }
}

impl<T> Proxy<T> {
    /// Returns whether the object has been fetched.
    pub fn is_resolved(&self) -> bool {
        self.object.get().is_some()
    }

    /// Returns why the last attempt to resolve failed.
    pub fn error(&self) -> Option<Error> {
        self.attempt().error.clone()
    }

    pub(super) fn factory(&self) -> &dyn Factory<T> {
        &*self.factory
    }

    /// Ignores poisoning: the state is consistent even after a panic.
    fn attempt(&self) -> MutexGuard<'_, Attempt<T>> {
        self.attempt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + Sync + 'static> Deref for Proxy<T> {
    type Target = T;

    /// # Panics
    /// The object cannot be fetched. [`Proxy::resolve`] returns the error instead.
    #[inline]
    fn deref(&self) -> &T {
        match self.object.get() {
            Some(object) => object,
            None => self.fetch_or_panic(),
        }
    }
}

impl<T: Send + Sync + 'static> Proxy<T> {
    #[cold]
    fn fetch_or_panic(&self) -> &T {
        match self.fetch() {
            Ok(object) => object,
            Err(error) => panic!("a proxy cannot be resolved: {error}"),
        }
    }
}

impl<T: Send + Sync + 'static> Serialize for Proxy<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.factory.reference() {
            Some(reference) => reference.serialize(serializer),
            None => Err(ser::Error::custom(Error::NoStore)),
        }
    }
}

impl<'de, T> Deserialize<'de> for Proxy<T>
where
    T: DeserializeOwned + Send + Sync + 'static,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Proxy<T>, D::Error> {
        let reference = Reference::deserialize(deserializer)?;
        Ok(Proxy::new(StoreFactory::new(reference)))
    }
}
