//! Reads files, on a platform where none can be opened.

use std::convert::Infallible;
use std::fs::{DirEntry, File, Metadata};
use std::io;
use std::path::Path;

use crate::sync::AtomicU64;
use crate::sys::unsupported;

/// Reads at an offset, which std has on Unix.
#[allow(missing_docs)]
pub trait FileExt {
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Err(unsupported())
    }

    fn read_exact_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
        Err(unsupported())
    }
}

impl FileExt for File {}

/// Inode numbers of entries, which std has on Unix.
#[allow(missing_docs)]
pub trait DirEntryExt {
    fn ino(&self) -> u64 {
        0
    }
}

impl DirEntryExt for DirEntry {}

/// A regular file, open for reading.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct RegularFile {
    pub file: File,
    pub stat: FileStat,
}

/// The metadata of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct FileStat {
    pub identity: (u64, u64),
    pub len: u64,
    pub allocated: u64,
    pub links: u64,
    pub uid: u32,
    pub mode: u32,
}

#[allow(missing_docs)]
impl FileStat {
    pub(in crate::sys) fn of(metadata: &Metadata) -> FileStat {
        FileStat {
            identity: (0, 0),
            len: metadata.len(),
            allocated: metadata.len(),
            links: 1,
            uid: 0,
            mode: 0o666,
        }
    }

    pub fn of_path(_: &Path) -> io::Result<FileStat> {
        Err(unsupported())
    }

    pub fn of_file(_: &File) -> io::Result<FileStat> {
        Err(unsupported())
    }

    pub fn is_private(&self) -> bool {
        false
    }
}

/// Returns the metadata of a path.
pub fn metadata(_: &Path) -> io::Result<Metadata> {
    Err(unsupported())
}

/// Opens a regular file for reading.
pub fn open(_: &Path) -> io::Result<RegularFile> {
    Err(unsupported())
}

impl RegularFile {
    /// Returns whether the file may be mapped.
    pub fn may_map(&self, _: bool) -> bool {
        false
    }
}

/// A read-only view of the first words of a file.
#[derive(Debug)]
pub struct View {
    never: Infallible,
}

#[allow(missing_docs)]
impl View {
    pub fn new(_: &File, _: usize) -> io::Result<View> {
        Err(unsupported())
    }

    pub fn len(&self) -> usize {
        match self.never {}
    }

    pub fn is_cut(&self) -> bool {
        match self.never {}
    }

    pub fn words(&self) -> &[AtomicU64] {
        match self.never {}
    }

    pub fn acquire(&self, _: usize) -> u64 {
        match self.never {}
    }
}

/// An open file that counts towards the limit of descriptors that readers may keep.
#[derive(Debug)]
pub struct KeptFile {
    never: Infallible,
}

impl KeptFile {
    /// Returns the file as the error.
    pub fn new(file: File) -> Result<KeptFile, File> {
        Err(file)
    }

    /// Returns the file.
    pub fn file(&self) -> &File {
        match self.never {}
    }
}
