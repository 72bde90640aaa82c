//! A writer's memory: a range of addresses reserved once, under which its file grows.
//!
//! A mapping longer than its file is legal; only touching it beyond the file's end is not. So the
//! pointers handed out never move while the file grows, and whoever hands them out (the writer's
//! `file.rs`) reserves the file's blocks first.

use std::fs::File;
use std::io::{self, Read};
use std::ptr::{self, NonNull};

use memmap2::{MmapOptions, MmapRaw};
use rustix::process::{Resource, getrlimit};

use super::words::Words;
use crate::sync::AtomicU64;

/// Bytes of addresses that are reserved, unless a setting says otherwise.
pub const USUAL: usize = 16 << 20;
/// The least that is reserved where the address space is scarce (RLIMIT_AS).
const LEAST: usize = 64 * 1024;

/// What a region may take where the process has a limit on its addresses (RLIMIT_AS): the program needs the
/// rest. Sixty threads, each with a file, leave it two fifths of what there was.
const FRACTION: usize = 64;

/// A [`FRACTION`] of the addresses that the limit leaves to the process, at least [`LEAST`]; all, where
/// there is no limit. Allocates nothing.
fn small_fraction() -> usize {
    let Some(limit) = getrlimit(Resource::As).current else {
        return usize::MAX;
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    // Where /proc does not say, half of them are taken.
    let taken = addresses_taken().unwrap_or(limit / 2);
    let page = page_size();
    (limit.saturating_sub(taken) / FRACTION / page * page).max(LEAST)
}

/// Bytes of addresses that the process has: the first number of /proc/self/statm, in pages.
fn addresses_taken() -> Option<usize> {
    let mut text = [0; 128];
    let len = File::open("/proc/self/statm").ok()?.read(&mut text).ok()?;
    let pages = text[..len].split(|byte| *byte == b' ').next()?;
    let pages: usize = std::str::from_utf8(pages).ok()?.parse().ok()?;
    Some(pages * page_size())
}

/// Bytes of a page. Async-signal-safe: a value that the C library has stored.
pub(super) fn page_size() -> usize {
    // SAFETY: a sysconf query has no preconditions.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// A reserved range of addresses over a file, or over private memory.
///
/// After a fork, the child finds private memory of zeros in the place of every file (`sys::lifecycle::files`):
/// inherited pointers stay valid, and the parent's file stays the parent's.
#[derive(Debug)]
pub struct Region(MmapRaw);

impl Region {
    /// Reserves up to `most` bytes over a file: less where the limit on addresses forbids it, but at
    /// least `least`. The file may be shorter than that; see the module.
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
        // The child of a fork gets private memory instead: it must not write into this file. (Where
        // the advice does not exist the fork handler maps over what was inherited.)
        #[cfg(target_os = "linux")]
        map.advise(memmap2::Advice::DontFork)?;
        Ok(Region(map))
    }

    /// Reserves up to `len` bytes of private memory, all of it usable; less where the limit on
    /// addresses forbids it, but at least [`LEAST`]. Its pages cost nothing until they are touched.
    pub fn anonymous(len: usize) -> io::Result<Region> {
        let mut len = len.min(small_fraction());
        let mut options = MmapOptions::new();
        // Miri knows no such mappings.
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

    /// [`anonymous`](Region::anonymous) for who cannot do without. Like an allocation, it ends the
    /// process where there is no memory at all.
    pub fn private(len: usize) -> Region {
        Region::anonymous(len).unwrap_or_else(|_| std::process::abort())
    }

    /// Bytes that are reserved.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Where it begins.
    pub fn start(&self) -> usize {
        self.0.as_mut_ptr() as usize
    }

    /// The words of the region.
    ///
    /// # Safety
    /// The caller drops every copy of the view, and what is taken from it, before the region, and
    /// touches only what the file has blocks for.
    pub unsafe fn words(&self) -> Words {
        let first =
            NonNull::new(self.0.as_mut_ptr().cast::<AtomicU64>()).expect("a mapping is not at 0");
        // SAFETY: page-aligned and mapped for reading and writing over the whole length; the rest is
        // the caller's promise. The bytes are only accessed through AtomicU64, here and by readers.
        unsafe { Words::new(first, self.0.len() / 8) }
    }

    /// Has the kernel bring the pages from `start` to `end` in for writing, so that a lack of space
    /// shows now, as an error, and not at the first store, as SIGBUS.
    pub fn populate(&self, start: usize, end: usize) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            assert!(start <= end && end <= self.0.len());
            let advice = memmap2::Advice::PopulateWrite;
            match self.0.advise_range(advice, start, end - start) {
                // Kernels before 5.14 do not know the advice: there fallocate alone has to do.
                Err(error) if error.raw_os_error() != Some(libc::EINVAL) => return Err(error),
                _ => {}
            }
        }
        let _ = (start, end);
        Ok(())
    }
}

/// Puts private memory of zeros where a region is, or was: in the child of a fork, which did not inherit
/// it, and at an exit that folds the file.
///
/// # Safety
/// `start..start + len` is the range of a live [`Region`].
pub unsafe fn replace(start: usize, len: usize) {
    // FreeBSD has no such flag, and reserves nothing.
    #[cfg(target_os = "freebsd")]
    const NO_RESERVE: libc::c_int = 0;
    #[cfg(not(target_os = "freebsd"))]
    const NO_RESERVE: libc::c_int = libc::MAP_NORESERVE;
    // SAFETY: the range belongs to a region, so nothing else of this process can be there, and its
    // mapping is only accessed through atomic words; mmap is async-signal-safe in practice on Linux. If
    // it fails in a child, a later write ends it with SIGSEGV, which is better than a foreign file.
    // If it fails at an exit, threads write on into the file until it is folded: what they count after
    // that goes with the process, as it does without folding.
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
