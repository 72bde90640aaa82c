//! How a proxy gets its object: from a store, from a closure, or from another factory.

use std::marker::PhantomData;
use std::sync::Arc;
use std::thread;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::key::Key;
use super::registry;
use super::serializer::panicked;
use super::stats::Operation;

/// A fetch that has begun. Calling it waits for the object.
pub type Fetching<T> = Box<dyn FnOnce() -> Result<Arc<T>, Error> + Send>;

/// Makes the object of a proxy. Any closure that returns it is a factory.
pub trait Factory<T: Send + Sync + 'static>: Send + Sync + 'static {
    /// Fetches the object.
    fn fetch(&self) -> Result<Arc<T>, Error>;

    /// Begins to fetch the object: on a thread, unless the factory has a way of its own.
    fn begin(self: Arc<Self>) -> Fetching<T> {
        on_thread(move || self.fetch())
    }

    /// Returns what a serialized proxy consists of, or `None` if it cannot be serialized.
    fn reference(&self) -> Option<Reference> {
        None
    }

    /// Removes the object from its store.
    fn evict(&self) -> Result<bool, Error> {
        Err(Error::NoStore)
    }
}

impl<T: Send + Sync + 'static, F> Factory<T> for F
where
    F: Fn() -> Result<T, Error> + Send + Sync + 'static,
{
    fn fetch(&self) -> Result<Arc<T>, Error> {
        self().map(Arc::new)
    }
}

fn on_thread<T: Send + Sync + 'static>(
    fetch: impl FnOnce() -> Result<Arc<T>, Error> + Send + 'static,
) -> Fetching<T> {
    match thread::Builder::new().name("fetch".into()).spawn(fetch) {
        Ok(thread) => Box::new(move || {
            let done = thread.join();
            done.unwrap_or_else(|panic| Err(panicked(&*panic)))
        }),
        Err(error) => Box::new(move || Err(Error::NoThread(Arc::new(error)))),
    }
}

/// Where an object is. A proxy is serialized as this alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    pub store: String,
    pub key: Key,
    pub strict: bool,
}

/// Fetches an object from this process's store of that name.
pub struct StoreFactory<T> {
    reference: Reference,
    object: PhantomData<fn() -> T>,
}

impl<T> StoreFactory<T> {
    pub fn new(reference: Reference) -> StoreFactory<T> {
        StoreFactory {
            reference,
            object: PhantomData,
        }
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> StoreFactory<T> {
    fn fetch_as(&self, operation: Operation) -> Result<Arc<T>, Error> {
        let Reference { store, key, strict } = &self.reference;
        let store = registry::find(store)?;
        let _call = store.call(key, operation);
        let found = if *strict {
            store.get_latest(key)
        } else {
            store.get(key)
        };
        found?.ok_or_else(|| Error::Missing(key.clone()))
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> Factory<T> for StoreFactory<T> {
    fn fetch(&self) -> Result<Arc<T>, Error> {
        self.fetch_as(Operation::Resolve)
    }

    fn begin(self: Arc<Self>) -> Fetching<T> {
        let begun = self.clone();
        let fetching = on_thread(move || begun.fetch_as(Operation::ResolveAsync));
        Box::new(move || {
            let Reference { store, key, .. } = &self.reference;
            let store = registry::find(store)?;
            let _call = store.call(key, Operation::Resolve);
            fetching()
        })
    }

    fn reference(&self) -> Option<Reference> {
        Some(self.reference.clone())
    }

    fn evict(&self) -> Result<bool, Error> {
        registry::find(&self.reference.store)?.evict(&self.reference.key)
    }
}

/// A part of another factory's object.
pub struct Part<T, P> {
    pub whole: Arc<dyn Factory<T>>,
    pub part: P,
}

impl<T, U, P> Factory<U> for Part<T, P>
where
    T: Send + Sync + 'static,
    U: Send + Sync + 'static,
    P: Fn(&T) -> U + Send + Sync + 'static,
{
    fn fetch(&self) -> Result<Arc<U>, Error> {
        self.whole
            .fetch()
            .map(|whole| Arc::new((self.part)(&whole)))
    }
}

/// A factory that asks another one only if `allow` does not object. It cannot be serialized: the receiver would get
/// the object without the check.
pub struct Guarded<T, A> {
    pub factory: Arc<dyn Factory<T>>,
    pub allow: A,
}

impl<T, A> Factory<T> for Guarded<T, A>
where
    T: Send + Sync + 'static,
    A: Fn() -> Result<(), String> + Send + Sync + 'static,
{
    fn fetch(&self) -> Result<Arc<T>, Error> {
        (self.allow)().map_err(|why| Error::Refused(why.into()))?;
        self.factory.fetch()
    }

    fn evict(&self) -> Result<bool, Error> {
        (self.allow)().map_err(|why| Error::Refused(why.into()))?;
        self.factory.evict()
    }
}
