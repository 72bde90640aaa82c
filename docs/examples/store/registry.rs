//! The stores of this process by name, where a proxy from another process finds its own.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::Error;
use super::store::Store;

static STORES: Mutex<BTreeMap<String, Store>> = Mutex::new(BTreeMap::new());

fn stores() -> MutexGuard<'static, BTreeMap<String, Store>> {
    STORES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds a store.
///
/// # Errors
/// There is a store of this name already.
pub fn register(store: Store) -> Result<(), Error> {
    let mut stores = stores();
    if stores.contains_key(store.name()) {
        return Err(Error::NameTaken(store.name().to_owned()));
    }
    stores.insert(store.name().to_owned(), store);
    Ok(())
}

/// Returns the store with this name.
///
/// # Errors
/// There is no such store.
pub fn find(name: &str) -> Result<Store, Error> {
    let found = stores().get(name).cloned();
    found.ok_or_else(|| Error::NotRegistered(name.to_owned()))
}

/// Forgets a store.
pub fn forget(name: &str) {
    // Dropped after the lock is released: a connector's destructor may use a store.
    let _store = stores().remove(name);
}
