//! Errors of stores and proxies. They can be cloned, because a proxy keeps the last one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::key::Key;

/// Why an operation of a store or a proxy failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{0:?} is no key: use 1 to 128 of A-Z, a-z, 0-9, '.', '_' and '-', and no '.' in front"
    )]
    BadKey(String),
    #[error("the store has no object {0}: it was evicted, or never set")]
    Missing(Key),
    #[error("{}: the object is damaged: {why}; evict it and set it again", path.display())]
    Corrupt { path: PathBuf, why: &'static str },
    #[error("{}: {source}", path.display())]
    Io {
        path: PathBuf,
        source: Arc<io::Error>,
    },
    #[cfg(feature = "push")]
    #[error("Redis does not answer: {0}; the next operation connects again")]
    Redis(Arc<redis::RedisError>),
    #[error("the object cannot be serialized or deserialized: {0}")]
    Serializer(Arc<str>),
    #[error("the factory or the serializer panicked: {0}")]
    Panicked(Arc<str>),
    #[error("this process has no store {0:?}: build it before a proxy of it is used")]
    NotRegistered(String),
    #[error("this process has a store {0:?} already: close it, or use another name")]
    NameTaken(String),
    #[error("the store {0:?} keeps no statistics: build it with with_stats(true)")]
    NoStats(String),
    #[error("access was refused: {0}")]
    Refused(Arc<str>),
    #[error("the proxy has a factory of its own, and no object in a store")]
    NoStore,
    #[error("no thread to fetch in: {0}")]
    NoThread(Arc<io::Error>),
    #[error("the statistics cannot be read: {0}")]
    Stats(Arc<mmstats::Error>),
}

impl Error {
    /// Makes an error from that of a file operation.
    pub fn io(path: &Path, source: io::Error) -> Error {
        Error::Io {
            path: path.to_owned(),
            source: Arc::new(source),
        }
    }
}

impl From<mmstats::Error> for Error {
    fn from(error: mmstats::Error) -> Error {
        Error::Stats(Arc::new(error))
    }
}
