//! Space on the file system, reserved before it is written.

use std::fs::File;
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;

/// Reserves the bytes from `start` to `end` of a file, which become zeros. After this, writing there
/// cannot fail for lack of space. An error: the file may have grown by a part.
///
/// (ftruncate on a full tmpfs succeeds; the store that follows ends in SIGBUS.)
pub fn reserve(file: &File, start: u64, end: u64) -> io::Result<()> {
    if end <= start {
        return Ok(());
    }
    if end > file_size_limit() {
        // fallocate and write would raise SIGXFSZ, which ends the process.
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    #[cfg(target_os = "linux")]
    loop {
        // SAFETY: a plain system call on a descriptor that `file` keeps open.
        let result = unsafe {
            libc::fallocate(
                file.as_raw_fd(),
                0,
                start as libc::off_t,
                (end - start) as libc::off_t,
            )
        };
        if result == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => continue,
            Some(libc::EOPNOTSUPP | libc::ENOSYS) => break,
            _ => return Err(error),
        }
    }
    write_zeros(file, start, end)
}

/// Where the file system has no fallocate: zeros take the blocks as well.
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

/// RLIMIT_FSIZE.
#[allow(clippy::unnecessary_cast, reason = "a signed number on FreeBSD")]
fn file_size_limit() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the struct is ours.
    match unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) } {
        0 if limit.rlim_cur != libc::RLIM_INFINITY => limit.rlim_cur as u64,
        _ => u64::MAX,
    }
}
