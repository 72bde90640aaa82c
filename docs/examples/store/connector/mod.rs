//! Where the bytes of objects are: in memory, in files, in Redis.

mod file;
mod memory;
#[cfg(feature = "push")]
mod redis;

use std::sync::Arc;

pub use self::file::FileConnector;
pub use self::memory::MemoryConnector;
#[cfg(feature = "push")]
pub use self::redis::RedisConnector;
use super::error::Error;
use super::key::Key;

/// A place for bytes. An object is replaced as a whole: no reader sees a part of it.
pub trait Connector: Send + Sync + 'static {
    /// Sets or replaces an object.
    fn put(&self, key: &Key, bytes: Arc<[u8]>) -> Result<(), Error>;

    /// Returns an object, or `None` if there is none.
    fn get(&self, key: &Key) -> Result<Option<Arc<[u8]>>, Error>;

    /// Returns whether there is an object with this key.
    fn exists(&self, key: &Key) -> Result<bool, Error>;

    /// Removes an object; returns whether there was one.
    fn evict(&self, key: &Key) -> Result<bool, Error>;
}
