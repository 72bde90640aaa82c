//! Directories on a platform without files: none can be opened.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::Path;

use crate::Error;
use crate::sys::memory::read_map::{FileStat, RegularFile};
use crate::sys::unsupported;

/// An open directory.
#[derive(Debug)]
pub struct Directory {
    never: Infallible,
}

/// An entry of a directory, not opened.
#[derive(Debug)]
pub struct DirectoryEntry {
    /// The name.
    pub name: OsString,
    /// The inode number.
    pub inode: u64,
    /// The type of the entry.
    pub kind: FileType,
}

/// The type of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FileType {
    RegularFile,
    Directory,
    Unknown,
}

#[allow(missing_docs)] // As on Unix.
impl Directory {
    pub fn open(_: &Path) -> io::Result<Directory> {
        Err(unsupported())
    }

    pub fn open_named(_: &Path) -> io::Result<Directory> {
        Err(unsupported())
    }

    pub fn open_own(path: &Path) -> Result<Directory, Error> {
        Err(Error::io(path, "open the directory", unsupported()))
    }

    pub fn check_own(&self) -> Result<(), Error> {
        match self.never {}
    }

    pub fn directory(&self, _: &OsStr) -> io::Result<Directory> {
        match self.never {}
    }

    pub fn make_directory(&self, _: &OsStr, _: u32) -> io::Result<Directory> {
        match self.never {}
    }

    pub fn file(&self, _: &OsStr) -> io::Result<RegularFile> {
        match self.never {}
    }

    pub fn new_file(&self, _: &OsStr, _: u32) -> io::Result<File> {
        match self.never {}
    }

    pub fn nameless(&self, _: u32) -> io::Result<Option<File>> {
        match self.never {}
    }

    pub fn link_nameless(&self, _: &File, _: &OsStr) -> io::Result<()> {
        match self.never {}
    }

    pub fn link(&self, _: &OsStr, _: &OsStr) -> io::Result<()> {
        match self.never {}
    }

    pub fn identity(&self, _: &OsStr) -> io::Result<(u64, u64)> {
        match self.never {}
    }

    pub fn remove(&self, _: &OsStr) -> io::Result<()> {
        match self.never {}
    }

    pub fn rename(&self, _: &OsStr, _: &OsStr) -> io::Result<()> {
        match self.never {}
    }

    pub fn entries(&self) -> io::Result<Vec<DirectoryEntry>> {
        match self.never {}
    }

    pub fn path(&self) -> &Path {
        match self.never {}
    }

    pub fn stat(&self) -> &FileStat {
        match self.never {}
    }
}

/// Returns whether the error of opening a directory means that something else has its name.
pub fn is_something_else(_: &io::Error) -> bool {
    false
}

/// Changes the owner of a file.
pub fn give_to(_: &File, _: u32) -> io::Result<()> {
    Err(unsupported())
}

/// Gives this thread the identity of a directory's owner for file accesses.
#[derive(Debug)]
#[must_use]
pub struct AsOwner {
    never: Infallible,
}

impl AsOwner {
    /// Takes on the identity of the directory's owner.
    pub fn of(directory: &Directory) -> io::Result<AsOwner> {
        match directory.never {}
    }
}
