//! Keys of objects.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::proxy::Proxy;

/// The greatest length of a key in bytes: it is also the name of a file.
const LONGEST: usize = 128;

/// The key of an object, unique among all stores whose statistics are merged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(Arc<str>);

impl Key {
    /// Makes a key from the caller's text.
    ///
    /// # Errors
    /// The text is empty or too long, or could leave the directory of a connector.
    pub fn new(text: &str) -> Result<Key, Error> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let fits = (1..=LONGEST).contains(&text.len());
        if fits && text.bytes().all(allowed) && !text.starts_with('.') {
            Ok(Key(text.into()))
        } else {
            Err(Error::BadKey(text.to_owned()))
        }
    }

    /// Returns a new key that no other process generates.
    pub fn generate() -> Key {
        static RANDOM: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("key"));
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // Relaxed: the numbers only have to differ; they order nothing. The process id is part of the key because a
        // fork has the same random number.
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        Key(format!("{:016x}-{:x}-{next:x}", *RANDOM, process::id()).into())
    }

    /// Returns the text of the key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Key {
    type Error = Error;

    fn try_from(text: String) -> Result<Key, Error> {
        Key::new(&text)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> String {
        key.0.as_ref().to_owned()
    }
}

/// A key, or something that has one: the argument of `Store::stats`.
pub trait HasKey {
    /// Returns the key.
    ///
    /// # Errors
    /// This is a proxy with a factory of its own.
    fn key(&self) -> Result<Key, Error>;
}

impl HasKey for Key {
    fn key(&self) -> Result<Key, Error> {
        Ok(self.clone())
    }
}

impl<T: Send + Sync + 'static> HasKey for Proxy<T> {
    fn key(&self) -> Result<Key, Error> {
        let reference = self.factory().reference().ok_or(Error::NoStore)?;
        Ok(reference.key)
    }
}
