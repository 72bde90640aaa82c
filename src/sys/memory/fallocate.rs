//! Reserves space on the file system before it is written.

use std::fs::File;
use std::io;

use rustix::process::{Resource, getrlimit};

/// Reserves the bytes from `start` to `end` of a file, which become zeros. After this, a write there cannot fail
/// because the file system is full. On an error, part of the range may have been added to the file.
///
/// (ftruncate succeeds on a full tmpfs; the next store then raises SIGBUS.)
pub fn reserve(file: &File, start: u64, end: u64) -> io::Result<()> {
    if end <= start {
        return Ok(());
    }
    if end > file_size_limit() {
        // fallocate and write would raise SIGXFSZ, which ends the process.
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::{Errno, retry_on_intr};
        let reserve = || fallocate(file, FallocateFlags::empty(), start, end - start);
        match retry_on_intr(reserve) {
            Ok(()) => return Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(error) => return Err(error.into()),
        }
    }
    write_zeros(file, start, end)
}

/// For file systems without fallocate: written zeros occupy blocks, too.
fn write_zeros(file: &File, start: u64, end: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let zeros = [0; 4096];
    let mut at = start;
    while at < end {
        let len = (end - at).min(zeros.len() as u64) as usize;
        file.write_all_at(&zeros[..len], at)?;
        at += len as u64;
    }
    Ok(())
}

/// Returns the limit `RLIMIT_FSIZE`.
fn file_size_limit() -> u64 {
    getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX)
}
