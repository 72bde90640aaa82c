//! A writer's memory: a range of addresses, reserved once, into which its file grows.
//!
//! A mapping may be longer than its file; only accesses beyond the file's end are errors. So pointers into it never
//! move while the file grows, and the code that hands them out (the writer's `file.rs`) first reserves the file's
//! blocks.

use std::fs::File;
use std::io::{self, Read};
use std::ptr::{self, NonNull};

use memmap2::{MmapOptions, MmapRaw};
use rustix::process::{Resource, getrlimit};

use super::words::Words;
use crate::sync::AtomicU64;

/// Bytes of address space to reserve, unless a setting overrides it.
pub const USUAL: usize = 16 << 20;
/// The minimum to reserve where the address space is scarce (RLIMIT_AS).
const LEAST: usize = 64 * 1024;

/// The divisor for the share of the free address space that one region may take where the process has a limit on it
/// (RLIMIT_AS): the program needs the rest. Sixty threads with one file each leave it two fifths.
const FRACTION: usize = 64;

/// Returns the address space that the limit leaves to the process, divided by [`FRACTION`], but at least [`LEAST`];
/// `usize::MAX` if there is no limit. Allocates nothing.
fn small_fraction() -> usize {
    // Miri does not support the call.
    if cfg!(miri) {
        return usize::MAX;
    }
    let Some(limit) = getrlimit(Resource::As).current else {
        return usize::MAX;
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    // If /proc does not tell, half of the limit is taken to be in use.
    let taken = addresses_taken().unwrap_or(limit / 2);
    let page = page_size();
    (limit.saturating_sub(taken) / FRACTION / page * page).max(LEAST)
}

/// Returns the bytes of address space in use: the first number of /proc/self/statm, in pages.
fn addresses_taken() -> Option<usize> {
    let mut text = [0; 128];
    let len = File::open("/proc/self/statm").ok()?.read(&mut text).ok()?;
    let pages = text[..len].split(|byte| *byte == b' ').next()?;
    let pages: usize = std::str::from_utf8(pages).ok()?.parse().ok()?;
    Some(pages * page_size())
}

/// Returns the size of a page in bytes. Async-signal-safe: the C library has the value stored.
pub(super) fn page_size() -> usize {
    // SAFETY: a sysconf query has no preconditions.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// A reserved range of addresses over a file, or over private memory.
///
/// After a fork, the child has private memory of zeros in place of every file (`sys::lifecycle::files`): inherited
/// pointers stay valid, and the child cannot write to the parent's file.
#[derive(Debug)]
pub struct Region(MmapRaw);

impl Region {
    /// Reserves up to `most` bytes over a file; less where the limit on address space requires it, but at least
    /// `least`. The file may be shorter; see the module documentation.
    pub fn over_file(file: &File, most: usize, least: usize) -> io::Result<Region> {
        let least = least.max(LEAST).min(most);
        let mut len = most.min(small_fraction()).max(least);
        let map = loop {
            match MmapOptions::new().len(len).map_raw(file) {
                Ok(map) => break map,
                Err(error) if error.raw_os_error() == Some(libc::ENOMEM) && len / 2 >= least => {
                    len /= 2
                }
                Err(error) => return Err(error),
            }
        };
        // The child of a fork gets private memory instead, because it must not write to this file. (Where this
        // advice does not exist, the fork handler maps over the inherited region.)
        #[cfg(target_os = "linux")]
        map.advise(memmap2::Advice::DontFork)?;
        Ok(Region(map))
    }

    /// Reserves up to `len` bytes of private memory, all of it usable; less where the limit on address space
    /// requires it, but at least [`LEAST`]. Its pages cost nothing until they are touched.
    pub fn anonymous(len: usize) -> io::Result<Region> {
        let mut len = len.min(small_fraction());
        let mut options = MmapOptions::new();
        // Miri does not support such mappings.
        if cfg!(not(miri)) {
            options.no_reserve_swap();
        }
        loop {
            match options.len(len).map_anon() {
                Ok(map) => return Ok(Region(map.into())),
                Err(_) if len / 2 >= LEAST => len /= 2,
                Err(error) => return Err(error),
            }
        }
    }

    /// Like [`anonymous`](Region::anonymous), but aborts the process if no memory is left, as an allocation does.
    pub fn private(len: usize) -> Region {
        Region::anonymous(len).unwrap_or_else(|_| std::process::abort())
    }

    /// Returns the number of bytes reserved.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the address at which the region begins.
    pub fn start(&self) -> usize {
        self.0.as_mut_ptr() as usize
    }

    /// Returns the words of the region.
    ///
    /// # Safety
    /// The caller must drop every copy of the view, and everything taken from it, before the region, and must touch
    /// only what the file has blocks for.
    pub unsafe fn words(&self) -> Words {
        let first =
            NonNull::new(self.0.as_mut_ptr().cast::<AtomicU64>()).expect("a mapping is not at 0");
        // SAFETY: page-aligned and mapped for reading and writing over the whole length; the caller promises the
        // rest. The bytes are accessed only through AtomicU64, here and by readers.
        unsafe { Words::new(first, self.0.len() / 8) }
    }

    /// Has the kernel bring in the pages from `start` to `end` for writing, so that a lack of space is an error now
    /// rather than a SIGBUS at the first store.
    pub fn populate(&self, start: usize, end: usize) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            assert!(start <= end && end <= self.0.len());
            let advice = memmap2::Advice::PopulateWrite;
            match self.0.advise_range(advice, start, end - start) {
                // Kernels before 5.14 do not know this advice; there, fallocate alone must do.
                Err(error) if error.raw_os_error() != Some(libc::EINVAL) => return Err(error),
                _ => {}
            }
        }
        let _ = (start, end);
        Ok(())
    }
}

/// Maps private memory of zeros over the range of a region: in the child of a fork, which did not inherit the
/// region, and at an exit that folds the file.
///
/// # Safety
/// `start..start + len` must be the range of a live [`Region`].
pub unsafe fn replace(start: usize, len: usize) {
    // FreeBSD has no such flag and reserves nothing.
    #[cfg(target_os = "freebsd")]
    const NO_RESERVE: libc::c_int = 0;
    #[cfg(not(target_os = "freebsd"))]
    const NO_RESERVE: libc::c_int = libc::MAP_NORESERVE;
    // SAFETY: the range belongs to a region, so nothing else of this process can be there, and its mapping is
    // accessed only through atomic words. mmap is async-signal-safe in practice on Linux. If it fails in a child, a
    // later write ends the child with SIGSEGV, which is better than writing to another process's file. If it fails
    // at an exit, threads keep writing to the file until it is folded; what they count after that is lost with the
    // process, as it is without folding.
    unsafe {
        libc::mmap(
            ptr::with_exposed_provenance_mut(start),
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | NO_RESERVE,
            -1,
            0,
        );
    }
}
