//! Locks of directories, where there are no directories for us.

use std::borrow::Borrow;
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::directory::Directory;
use crate::sys::unsupported;

/// Name of the lock file of those who fold.
pub const FOLD: &str = ".fold";

/// The lock.
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

    /// Calls `tell` with each directory whose lock is waited for.
    pub fn telling(self, _: Option<fn(&Path)>) -> Patience {
        self
    }
}

impl<D: Borrow<Directory>> DirectoryLock<D> {
    /// Takes the lock of this name.
    pub fn take(_: D, _: &str, _: &Patience) -> io::Result<DirectoryLock<D>> {
        Err(unsupported())
    }

    /// The directory.
    pub fn directory(&self) -> &D {
        match self.never {}
    }
}
