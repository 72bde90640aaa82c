//! Reading a file that nobody vouches for: how it is opened, and a read-only view of its words.
//!
//! The promise of this module: whatever another process puts into the file, and whenever, the reader
//! only ever sees some 64-bit values. A mapped byte is never behind a plain reference, for what a
//! plain reference points to must not change; the words are atomics and are only loaded.
//!
//! What a mapping cannot do is keep its file from being cut short: a load beyond the end is SIGBUS.
//! So only files that nobody but this user can cut are mapped ([`Opened::may_map`]), their length is
//! compared before each pass, and [`sigbus`](super::sigbus) catches the rest for those who ask.

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

/// A regular file, open for reading, and what the kernel says of it.
#[derive(Debug)]
pub struct Opened {
    /// The descriptor.
    pub file: File,
    /// Its metadata, as of opening.
    pub stat: Stat,
}

/// What the kernel says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Device and inode: which file it is.
    pub identity: (u64, u64),
    /// Length in bytes. May lie about what is on the disk.
    pub len: u64,
    /// Bytes that are really on the disk or in memory.
    pub allocated: u64,
    /// How many names it has.
    pub links: u64,
    /// Its owner.
    pub uid: u32,
    /// Its permissions.
    pub mode: u32,
}

impl Stat {
    /// What metadata say.
    pub(in crate::sys) fn of(metadata: &Metadata) -> Stat {
        Stat {
            identity: (metadata.dev(), metadata.ino()),
            len: metadata.len(),
            allocated: metadata.blocks().saturating_mul(512),
            links: metadata.nlink(),
            uid: metadata.uid(),
            mode: metadata.mode(),
        }
    }

    /// What a path names now, itself and not what a symbolic link points to. (Only those of /proc to
    /// mapped files are followed.)
    pub fn of_path(path: &Path) -> io::Result<Stat> {
        metadata(path).map(|metadata| Stat::of(&metadata))
    }

    /// What an open file is now.
    pub fn of_file(file: &File) -> io::Result<Stat> {
        file.metadata().map(|metadata| Stat::of(&metadata))
    }

    /// Whether only this user and root can write it.
    pub fn is_private(&self) -> bool {
        const OTHERS_WRITE: u32 = 0o022;
        (self.uid == ProcessIdentity::this().uid() || self.uid == 0)
            && self.mode & OTHERS_WRITE == 0
    }
}

/// The metadata of a path, as [`Stat::of_path`].
pub fn metadata(path: &Path) -> io::Result<Metadata> {
    if is_map_file(path) {
        path.metadata()
    } else {
        path.symlink_metadata()
    }
}

/// Opens a regular file for reading.
///
/// Nothing is followed (but a link of /proc to a mapped file), waited for or inherited: a symbolic link at the end of the path, a FIFO, a
/// device, a socket or a directory is an error, and none of them can make the call block.
pub fn open(path: &Path) -> io::Result<Opened> {
    let follow = if is_map_file(path) {
        // Here nothing looks at what it is before it is opened.
        if !path.metadata()?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        0
    } else {
        libc::O_NOFOLLOW
    };
    let file = OpenOptions::new()
        .read(true)
        // std sets O_CLOEXEC itself; it is named here because the promise names it.
        .custom_flags(libc::O_NONBLOCK | follow | libc::O_CLOEXEC | libc::O_NOCTTY)
        .open(path)
        .map_err(not_regular)?;
    Opened::regular(file)
}

/// In words, where the error of open(2) says that there is no regular file.
pub(in crate::sys) fn not_regular(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::ELOOP) => io::Error::other("a symbolic link, not a regular file"),
        Some(libc::ENXIO) => io::Error::other("a socket or device, not a regular file"),
        _ => error,
    }
}

impl Opened {
    /// A file that was just opened, if it is a regular one.
    pub(in crate::sys) fn regular(file: File) -> io::Result<Opened> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        Ok(Opened {
            stat: Stat::of(&metadata),
            file,
        })
    }

    /// Whether the file may be mapped: it is this user's and nobody else can cut it short.
    /// (`directory_is_private`: nobody else can put another one in its place.)
    pub fn may_map(&self, directory_is_private: bool) -> bool {
        directory_is_private
            && self.stat.uid == ProcessIdentity::this().uid()
            && self.stat.is_private()
    }
}

/// A read-only view of the first words of a file.
#[derive(Debug)]
pub struct View {
    /// Where the SIGBUS guard knows it. `None`: its table is full. The first field, for it is dropped
    /// first: the guard must not know a view that is unmapped.
    guarded: Option<sigbus::ViewEntry>,
    map: MmapRaw,
    words: usize,
}

impl View {
    /// Maps the first `len` bytes, rounded down to whole words.
    ///
    /// The caller has compared `len` with the file's length.
    ///
    /// # Errors
    /// Those of mmap; and `OutOfMemory` if the SIGBUS guard is installed and its table is full, so
    /// that a fault in this view would not be caught.
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

    /// Words in view.
    pub fn len(&self) -> usize {
        self.words
    }

    /// Whether the SIGBUS guard had to put a page of zeros under this view: what was read since then
    /// means nothing.
    pub fn is_cut(&self) -> bool {
        self.guarded.as_ref().is_some_and(sigbus::ViewEntry::is_cut)
    }

    /// The words. They may only be loaded, and only with `Relaxed`: the pages are read-only, where
    /// Rust allows no other atomic access. An acquire load is a relaxed one and a fence: see
    /// [`View::acquire`].
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: `map` maps at least `8 * words` bytes from a page boundary, so they are aligned and
        // in bounds, and stay mapped as long as `self` is borrowed. Another process may change them at
        // any time, which an AtomicU64 allows. That they are never stored to is what the callers keep,
        // all of them in `reader::source`. If the file is cut short a load may raise SIGBUS, which
        // ends the process or is caught by the guard; it gives no wrong value either way.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast::<AtomicU64>(), self.words) }
    }

    /// The word `index`; everything that its writer did before it stored that value is then visible.
    pub fn acquire(&self, index: usize) -> u64 {
        let word = self.words()[index].load(Ordering::Relaxed);
        // Acquire: with the load before it, this is an acquire load (and a little more).
        fence(Ordering::Acquire);
        word
    }
}

/// An open file that counts against the descriptors that readers may keep.
#[derive(Debug)]
pub struct KeptFile(File);

/// Descriptors that are kept in this process.
static KEPT: AtomicUsize = AtomicUsize::new(0);

impl KeptFile {
    /// Keeps the file open, if fewer than half of the descriptors that the process may have are kept
    /// already; else gives it back.
    pub fn new(file: File) -> Result<KeptFile, File> {
        // Relaxed, here and below: a count, nothing is published by it.
        if KEPT.fetch_add(1, Ordering::Relaxed) < most_kept() {
            Ok(KeptFile(file))
        } else {
            KEPT.fetch_sub(1, Ordering::Relaxed);
            Err(file)
        }
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.0
    }
}

impl Drop for KeptFile {
    fn drop(&mut self) {
        KEPT.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Half of the descriptors that the process may have.
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
