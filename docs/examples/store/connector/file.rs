//! Objects in the files of a directory, for processes that share a machine or a file system.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::error::Error;
use super::super::key::Key;
use super::Connector;

/// Written before an object: this, the object's length and its checksum, as little-endian words.
const MAGIC: [u8; 8] = *b"mmobject";
const HEADER: usize = 24;

/// Keeps each object in a file named after its key.
///
/// An object is written to a temporary file, which is then renamed: a reader sees the old object or the new one. A
/// process that is killed in between leaves a temporary file, `.put-<pid>-<n>`. Objects are not synced to the disk. If
/// a power failure damages one, its checksum reveals it.
pub struct FileConnector(PathBuf);

impl FileConnector {
    /// Keeps objects in `directory`, which is created if it does not exist.
    ///
    /// # Errors
    /// The directory cannot be created.
    pub fn new(directory: impl Into<PathBuf>) -> Result<FileConnector, Error> {
        let directory = directory.into();
        fs::create_dir_all(&directory).map_err(|error| Error::io(&directory, error))?;
        Ok(FileConnector(directory))
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.0.join(key.as_str())
    }
}

impl Connector for FileConnector {
    fn put(&self, key: &Key, bytes: Arc<[u8]>) -> Result<(), Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // Relaxed: the numbers only have to differ; they order nothing.
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let temporary = self.0.join(format!(".put-{}-{next}", process::id()));
        let mut file = Vec::with_capacity(HEADER + bytes.len());
        file.extend(MAGIC);
        file.extend((bytes.len() as u64).to_le_bytes());
        file.extend(checksum(&bytes).to_le_bytes());
        file.extend(&*bytes);
        let written = fs::write(&temporary, file)
            .map_err(|error| Error::io(&temporary, error))
            .and_then(|()| {
                let path = self.path(key);
                fs::rename(&temporary, &path).map_err(|error| Error::io(&path, error))
            });
        if written.is_err() {
            // The first error is the one that is reported; there may be no file at all.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn get(&self, key: &Key) -> Result<Option<Arc<[u8]>>, Error> {
        let path = self.path(key);
        match fs::read(&path) {
            Ok(file) => unwrap(&path, &file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(&path, error)),
        }
    }

    fn exists(&self, key: &Key) -> Result<bool, Error> {
        let path = self.path(key);
        path.try_exists().map_err(|error| Error::io(&path, error))
    }

    fn evict(&self, key: &Key) -> Result<bool, Error> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io(&path, error)),
        }
    }
}

/// Returns the object in a file, if the file is complete.
fn unwrap(path: &Path, file: &[u8]) -> Result<Arc<[u8]>, Error> {
    let corrupt = |why| Error::Corrupt {
        path: path.to_owned(),
        why,
    };
    let word = |at: usize| file.get(at..at + 8).and_then(|word| word.try_into().ok());
    let (Some(magic), Some(length), Some(sum)) = (word(0), word(8), word(16)) else {
        return Err(corrupt("it is shorter than its header"));
    };
    let object = &file[HEADER..];
    if magic != MAGIC {
        return Err(corrupt("it does not begin as an object does"));
    }
    if u64::from_le_bytes(length) != object.len() as u64 {
        return Err(corrupt("its length is not the one in its header"));
    }
    if u64::from_le_bytes(sum) != checksum(object) {
        return Err(corrupt("its checksum is wrong"));
    }
    Ok(object.into())
}

/// FNV-1a with 64 bits: detects damage, and does not protect against an attacker.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}
