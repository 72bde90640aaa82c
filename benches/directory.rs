//! The directory that holds the files of a bench.

use std::ffi::CString;
use std::mem::zeroed;
use std::path::{Path, PathBuf};

/// A directory for the files of a bench, removed when this is dropped.
pub struct Directory(PathBuf);

impl Directory {
    /// Creates a new directory for the bench of this name.
    pub fn new(bench: &str) -> Directory {
        let name = format!("mmstats-bench-{bench}-{}", std::process::id());
        let path = place().join(name);
        std::fs::create_dir(&path).expect("a directory of our own");
        Directory(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Returns where to create the directory: in memory, like the files of most users, unless TMPDIR is set or little
/// memory is free there, as in some containers. On a disk, the disk is measured as well: ext4 writes 10,000 new
/// files back while they are read, searches longer for a free inode the more were freed within the last few
/// seconds, and waits for its journal.
fn place() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if std::env::var_os("TMPDIR").is_none() && free(memory) >= 1 << 30 {
        return memory.to_owned();
    }
    std::env::temp_dir()
}

/// Returns the bytes that are free in `directory`; 0 if that is unknown.
fn free(directory: &Path) -> u64 {
    let path = CString::new(directory.as_os_str().as_encoded_bytes()).expect("no NUL");
    // SAFETY: zeros are a valid `statvfs`, the path ends in a NUL, and `found` is valid for writes.
    unsafe {
        let mut found: libc::statvfs = zeroed();
        match libc::statvfs(path.as_ptr(), &mut found) {
            0 => found.f_bavail.saturating_mul(found.f_frsize),
            _ => 0,
        }
    }
}
