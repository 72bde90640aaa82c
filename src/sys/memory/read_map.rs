//! Reads files that nobody vouches for: how they are opened, and a read-only view of their words.
//!
//! This module guarantees that, whatever another process writes to the file and whenever it does so, the reader
//! only sees 64-bit values. No plain reference ever points to a mapped byte, because the target of a plain
//! reference must not change; the words are atomics and are only loaded.
//!
//! A mapping cannot keep its file from being truncated: a load beyond the end raises SIGBUS. So only files that no
//! other user can truncate are mapped ([`RegularFile::may_map`]), their length is compared before each pass, and
//! [`sigbus`](super::sigbus) catches the rest for programs that opt in.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
pub use std::os::unix::fs::{DirEntryExt, FileExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;

use memmap2::{MmapOptions, MmapRaw};
use rustix::process::{Resource, getrlimit};

use super::sigbus;
use crate::sync::{AtomicU64, Ordering, fence};
use crate::sys::process::identity::ProcessIdentity;
use crate::sys::process::procfs::is_map_file;

/// A regular file, open for reading, and its metadata.
#[derive(Debug)]
pub struct RegularFile {
    /// The descriptor.
    pub file: File,
    /// Its metadata, as of opening.
    pub stat: FileStat,
}

/// The metadata of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// Device and inode, which identify the file.
    pub identity: (u64, u64),
    /// Length in bytes. May be more than what is allocated.
    pub len: u64,
    /// Bytes that are actually allocated on disk or in memory.
    pub allocated: u64,
    /// The number of hard links.
    pub links: u64,
    /// Its owner.
    pub uid: u32,
    /// Its permissions.
    pub mode: u32,
}

impl FileStat {
    /// Returns what metadata say.
    pub(in crate::sys) fn of(metadata: &Metadata) -> FileStat {
        FileStat {
            identity: (metadata.dev(), metadata.ino()),
            len: metadata.len(),
            allocated: metadata.blocks().saturating_mul(512),
            links: metadata.nlink(),
            uid: metadata.uid(),
            mode: metadata.mode(),
        }
    }

    /// Returns the metadata of what a path names now. Symbolic links are not followed, except those in /proc to
    /// mapped files.
    pub fn of_path(path: &Path) -> io::Result<FileStat> {
        metadata(path).map(|metadata| FileStat::of(&metadata))
    }

    /// Returns the current metadata of an open file.
    pub fn of_file(file: &File) -> io::Result<FileStat> {
        file.metadata().map(|metadata| FileStat::of(&metadata))
    }

    /// Returns whether only this user and root can write the file.
    pub fn is_private(&self) -> bool {
        const OTHERS_WRITE: u32 = 0o022;
        (self.uid == ProcessIdentity::this().uid() || self.uid == 0)
            && self.mode & OTHERS_WRITE == 0
    }
}

/// Returns the metadata of a path, as [`FileStat::of_path`] does.
pub fn metadata(path: &Path) -> io::Result<Metadata> {
    if is_map_file(path) {
        path.metadata()
    } else {
        path.symlink_metadata()
    }
}

/// Opens a regular file for reading.
///
/// No symbolic link is followed (except those in /proc to mapped files), nothing is waited for, and the descriptor
/// is not inherited. A symbolic link at the end of the path, a FIFO, a device, a socket or a directory is an error,
/// and none of them makes the call block.
pub fn open(path: &Path) -> io::Result<RegularFile> {
    let follow = if is_map_file(path) {
        // O_NOFOLLOW would refuse the link, so the type is checked before opening.
        if !path.metadata()?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        0
    } else {
        libc::O_NOFOLLOW
    };
    let file = OpenOptions::new()
        .read(true)
        // std sets O_CLOEXEC itself; it is named here because the guarantee above includes it.
        .custom_flags(libc::O_NONBLOCK | follow | libc::O_CLOEXEC | libc::O_NOCTTY)
        .open(path)
        .map_err(not_regular)?;
    RegularFile::regular(file)
}

/// Replaces an error of open(2) that means "not a regular file" by one that says so.
pub(in crate::sys) fn not_regular(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::ELOOP) => io::Error::other("a symbolic link, not a regular file"),
        Some(libc::ENXIO) => io::Error::other("a socket or device, not a regular file"),
        _ => error,
    }
}

impl RegularFile {
    /// Wraps a file that was just opened, if it is a regular one.
    pub(in crate::sys) fn regular(file: File) -> io::Result<RegularFile> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        Ok(RegularFile {
            stat: FileStat::of(&metadata),
            file,
        })
    }

    /// Returns whether the file may be mapped: this user owns it and nobody else can truncate it.
    /// (`directory_is_private`: nobody else can replace it.)
    pub fn may_map(&self, directory_is_private: bool) -> bool {
        directory_is_private
            && self.stat.uid == ProcessIdentity::this().uid()
            && self.stat.is_private()
    }
}

/// A read-only view of the first words of a file.
#[derive(Debug)]
pub struct View {
    /// The view's entry in the SIGBUS guard. `None`: its table is full. The first field, so that it is dropped
    /// first: the guard must not know a view that is unmapped.
    guarded: Option<sigbus::ViewEntry>,
    map: MmapRaw,
    words: usize,
}

impl View {
    /// Maps the first `len` bytes, rounded down to whole words.
    ///
    /// The caller must have compared `len` with the file's length.
    ///
    /// # Errors
    /// Those of mmap; and `OutOfMemory` if the SIGBUS guard is installed and its table is full, because a fault in
    /// this view would not be caught.
    pub fn new(file: &File, len: usize) -> io::Result<View> {
        let map = MmapOptions::new().len(len).map_raw_read_only(file)?;
        let guarded = sigbus::register(map.as_ptr() as usize, len);
        if guarded.is_none() && sigbus::is_installed() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(View {
            map,
            words: len / 8,
            guarded,
        })
    }

    /// Returns the number of words in view.
    pub fn len(&self) -> usize {
        self.words
    }

    /// Returns whether the SIGBUS guard had to put pages of zeros under this view. If so, what was read since then
    /// is meaningless.
    pub fn is_cut(&self) -> bool {
        self.guarded.as_ref().is_some_and(sigbus::ViewEntry::is_cut)
    }

    /// Returns the words. They may only be loaded, and only with `Relaxed`: the pages are read-only, and Rust
    /// allows no other atomic access to such memory. For an acquire load, a relaxed load and a fence, see
    /// [`View::acquire`].
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: `map` maps at least `8 * words` bytes from a page boundary, so the words are aligned and in
        // bounds, and they stay mapped as long as `self` is borrowed. Another process may change them at any time,
        // which an AtomicU64 allows. The callers, all in `reader::source`, never store to them. If the file is
        // truncated, a load may raise SIGBUS, which ends the process or is caught by the guard; neither yields a
        // wrong value.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast::<AtomicU64>(), self.words) }
    }

    /// Returns the word `index`. Everything that its writer did before storing this value is then visible.
    pub fn acquire(&self, index: usize) -> u64 {
        let word = self.words()[index].load(Ordering::Relaxed);
        // Acquire: with the load before it, this is an acquire load (and a little more).
        fence(Ordering::Acquire);
        word
    }
}

/// An open file that counts towards the limit of descriptors that readers may keep.
#[derive(Debug)]
pub struct KeptFile(File);

/// The number of descriptors that this process keeps.
static KEPT: AtomicUsize = AtomicUsize::new(0);

impl KeptFile {
    /// Keeps the file open if the process keeps fewer than half of the descriptors that it may have; otherwise
    /// returns the file as the error.
    pub fn new(file: File) -> Result<KeptFile, File> {
        // Relaxed, here and below: only a count; it publishes nothing.
        if KEPT.fetch_add(1, Ordering::Relaxed) < most_kept() {
            Ok(KeptFile(file))
        } else {
            KEPT.fetch_sub(1, Ordering::Relaxed);
            Err(file)
        }
    }

    /// Returns the file.
    pub fn file(&self) -> &File {
        &self.0
    }
}

impl Drop for KeptFile {
    fn drop(&mut self) {
        KEPT.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns half of the number of descriptors that the process may have.
pub(in crate::sys) fn most_kept() -> usize {
    static MOST: OnceLock<usize> = OnceLock::new();
    *MOST.get_or_init(|| {
        let limit = getrlimit(Resource::Nofile).current;
        limit.map_or(usize::MAX, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX)
        }) / 2
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn only_regular_files_are_opened_and_nothing_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("file"), b"12345678").unwrap();
        symlink(path("file"), path("link")).unwrap();
        let fifo = std::ffi::CString::new(path("fifo").to_str().unwrap()).unwrap();
        // SAFETY: a NUL-terminated path.
        assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        assert_eq!(open(&path("file")).unwrap().stat.len, 8);
        for bad in ["link", "fifo", "socket", ".", "missing"] {
            assert!(open(&path(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_others_may_write_is_not_mapped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, b"12345678").unwrap();
        for (mode, may) in [(0o600, true), (0o644, true), (0o620, false), (0o602, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let opened = open(&path).unwrap();
            assert_eq!(opened.may_map(true), may);
            assert!(!opened.may_map(false));
        }
    }

    #[test]
    fn a_view_has_the_words_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let bytes: Vec<u8> = [1u64, 2, 3].iter().flat_map(|n| n.to_le_bytes()).collect();
        std::fs::write(&path, &bytes).unwrap();
        let view = View::new(&open(&path).unwrap().file, 20).unwrap();
        assert_eq!(view.len(), 2);
        assert_eq!((view.acquire(0), view.acquire(1)), (1, 2));
        assert!(!view.is_cut());
    }
}
