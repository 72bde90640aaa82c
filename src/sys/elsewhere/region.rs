//! A writer's memory: private, from the system's allocator and not the program's, which may be what is measured.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::File;
use std::io;
use std::ptr::NonNull;

use crate::sync::AtomicU64;
use crate::sys::memory::words::Words;
use crate::sys::unsupported;

/// Bytes of a region, unless a setting says otherwise. Less than on Unix, where they are only addresses until they
/// are touched: here they may be memory from the beginning.
pub const USUAL: usize = 1 << 20;

/// As that of a page: what is laid out for lines of a cache lies on them.
const ALIGN: usize = 4096;

/// A range of private memory.
#[derive(Debug)]
pub struct Region {
    first: NonNull<AtomicU64>,
    layout: Layout,
}

// SAFETY: the memory is the region's own, and only accessed through atomic words.
unsafe impl Send for Region {}

impl Region {
    /// There are no files.
    pub fn over_file(_: &File, _: usize, _: usize) -> io::Result<Region> {
        Err(unsupported())
    }

    /// Takes `len` bytes of zeros.
    pub fn anonymous(len: usize) -> io::Result<Region> {
        let layout = Layout::from_size_align(len.max(ALIGN), ALIGN)
            .map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        // SAFETY: the layout is not of zero bytes.
        let first = unsafe { System.alloc_zeroed(layout) }.cast();
        let first = NonNull::new(first).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Region { first, layout })
    }

    /// [`anonymous`](Region::anonymous) for who cannot do without. Like an allocation, it ends the
    /// process where there is no memory at all.
    pub fn private(len: usize) -> Region {
        Region::anonymous(len).unwrap_or_else(|_| std::process::abort())
    }

    /// Bytes that are reserved.
    pub fn len(&self) -> usize {
        self.layout.size()
    }

    /// The words of the region.
    ///
    /// # Safety
    /// The caller drops every copy of the view, and what is taken from it, before the region.
    pub unsafe fn words(&self) -> Words {
        // SAFETY: aligned, allocated over the whole length and zeros; the rest is the caller's promise. The bytes
        // are only accessed through AtomicU64.
        unsafe { Words::new(self.first, self.len() / 8) }
    }

    /// All of it is there.
    pub fn populate(&self, _: usize, _: usize) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout; views of it are gone, by the promise of `words`.
        unsafe { System.dealloc(self.first.as_ptr().cast(), self.layout) };
    }
}
