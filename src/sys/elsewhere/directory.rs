//! Directories, where there are none for us: nobody has one.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::Path;

use crate::Error;
use crate::sys::memory::read_map::{Opened, Stat};
use crate::sys::unsupported;

/// An open directory.
#[derive(Debug)]
pub struct Directory {
    never: Infallible,
}

/// An entry of a directory, not opened.
#[derive(Debug)]
pub struct DirectoryEntry {
    /// Its name.
    pub name: OsString,
    /// Its inode number.
    pub inode: u64,
    /// What it is.
    pub kind: FileType,
}

/// What an entry is.
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

    pub fn file(&self, _: &OsStr) -> io::Result<Opened> {
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

    pub fn stat(&self) -> &Stat {
        match self.never {}
    }
}

/// Whether the error of opening a directory says that something else has its name.
pub fn is_something_else(_: &io::Error) -> bool {
    false
}

/// Gives a file to another user.
pub fn give_to(_: &File, _: u32) -> io::Result<()> {
    Err(unsupported())
}

/// Acting with the identity of a directory's owner.
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
