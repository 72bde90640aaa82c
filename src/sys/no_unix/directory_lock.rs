//! Locks on directories, on a platform without files: none can be taken.

use std::borrow::Borrow;
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::directory::Directory;
use crate::sys::unsupported;

/// The name of the lock file for folding.
pub const FOLD: &str = ".fold";

/// A lock.
#[derive(Debug)]
pub struct DirectoryLock<D: Borrow<Directory>> {
    never: Infallible,
    directory: std::marker::PhantomData<D>,
}

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub struct Patience;

impl Patience {
    /// Waits for `time` from now on.
    pub fn of(_: Duration) -> Patience {
        Patience
    }

    /// Sets a function to call with each directory whose lock is waited for.
    pub fn telling(self, _: Option<fn(&Path)>) -> Patience {
        self
    }
}

impl<D: Borrow<Directory>> DirectoryLock<D> {
    /// Takes the lock with this name.
    pub fn take(_: D, _: &str, _: &Patience) -> io::Result<DirectoryLock<D>> {
        Err(unsupported())
    }

    /// Returns the directory.
    pub fn directory(&self) -> &D {
        match self.never {}
    }
}
