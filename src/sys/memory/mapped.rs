//! A value in a mapping of its own, for code that an allocator may call: it is made without an allocation.

use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;

use memmap2::{MmapMut, MmapOptions};

/// An owned value, like a `Box`, whose memory does not come from the allocator.
pub struct MappedBox<T> {
    value: NonNull<T>,
    /// The memory of the value; unmapped after the value is dropped.
    _memory: MmapMut,
}

impl<T> MappedBox<T> {
    /// Places a value in a new mapping. Aborts the process if no memory is left, as an allocation does.
    pub fn new(value: T) -> MappedBox<T> {
        const { assert!(align_of::<T>() <= 4096, "a mapping begins at a page") };
        let memory = MmapOptions::new().len(size_of::<T>().max(1)).map_anon();
        let mut memory = memory.unwrap_or_else(|_| std::process::abort());
        let place = NonNull::new(memory.as_mut_ptr().cast::<T>()).expect("a mapping is not at 0");
        // SAFETY: the memory is as large as a `T`, page-aligned, and ours.
        unsafe { place.write(value) };
        MappedBox {
            value: place,
            _memory: memory,
        }
    }
}

impl<T: 'static> MappedBox<T> {
    /// Returns the address of the value.
    pub fn as_ptr(&self) -> *mut T {
        self.value.as_ptr()
    }
}

impl<T> Deref for MappedBox<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: written in `new`, dropped only in `drop`; only shared references are made.
        unsafe { self.value.as_ref() }
    }
}

impl<T> Drop for MappedBox<T> {
    fn drop(&mut self) {
        // SAFETY: as in `deref`; with `&mut self`, no reference to the value is left.
        unsafe { self.value.drop_in_place() };
    }
}

impl<T: fmt::Debug> fmt::Debug for MappedBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
