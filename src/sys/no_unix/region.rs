//! A writer's memory: private, from the system's allocator, not the program's, which may be the one being measured.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::File;
use std::io;
use std::ptr::NonNull;

use crate::sync::AtomicU64;
use crate::sys::memory::words::Words;
use crate::sys::unsupported;

/// The size of a region in bytes, unless a setting overrides it. Less than on Unix, where the bytes are only
/// addresses until they are touched: here they may be memory from the beginning.
pub const USUAL: usize = 1 << 20;

/// The alignment, as that of a page: data laid out by cache lines is aligned to them.
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
    /// Fails: there are no files.
    pub fn over_file(_: &File, _: usize, _: usize) -> io::Result<Region> {
        Err(unsupported())
    }

    /// Allocates `len` bytes of zeros.
    pub fn anonymous(len: usize) -> io::Result<Region> {
        let layout = Layout::from_size_align(len.max(ALIGN), ALIGN)
            .map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        // SAFETY: the size of the layout is not 0.
        let first = unsafe { System.alloc_zeroed(layout) }.cast();
        let first = NonNull::new(first).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Region { first, layout })
    }

    /// Like [`anonymous`](Region::anonymous), but aborts the process if no memory is left, as an allocation does.
    pub fn private(len: usize) -> Region {
        Region::anonymous(len).unwrap_or_else(|_| std::process::abort())
    }

    /// Returns the number of bytes reserved.
    pub fn len(&self) -> usize {
        self.layout.size()
    }

    /// Returns the words of the region.
    ///
    /// # Safety
    /// The caller must drop every copy of the view, and everything taken from it, before the region.
    pub unsafe fn words(&self) -> Words {
        // SAFETY: aligned, allocated over the whole length and zeroed; the caller promises the rest. The bytes are
        // only accessed through AtomicU64.
        unsafe { Words::new(self.first, self.len() / 8) }
    }

    /// Does nothing: all of the memory is there.
    pub fn populate(&self, _: usize, _: usize) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout; the caller of `words` promised that views of it are gone.
        unsafe { System.dealloc(self.first.as_ptr().cast(), self.layout) };
    }
}
