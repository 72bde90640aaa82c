//! A value made without the program's allocator, for code that this allocator may call: its memory is from the
//! system's allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;

/// An owned value, like a `Box`.
pub struct MappedBox<T> {
    value: NonNull<T>,
}

// SAFETY: it owns its value, like a `Box`.
unsafe impl<T: Send> Send for MappedBox<T> {}
// SAFETY: it lends only shared references, like a `Box`.
unsafe impl<T: Sync> Sync for MappedBox<T> {}

impl<T> MappedBox<T> {
    /// Places a value in new memory. Aborts the process if no memory is left, as an allocation does.
    pub fn new(value: T) -> MappedBox<T> {
        const { assert!(size_of::<T>() > 0, "no allocation is of nothing") };
        // SAFETY: the size of the layout is not 0.
        let place = unsafe { System.alloc(Layout::new::<T>()) }.cast::<T>();
        let place = NonNull::new(place).unwrap_or_else(|| std::process::abort());
        // SAFETY: the memory is allocated for a `T`, and ours.
        unsafe { place.write(value) };
        MappedBox { value: place }
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
        // SAFETY: allocated in `new` with this layout, and the value in it is gone.
        unsafe { System.dealloc(self.value.as_ptr().cast(), Layout::new::<T>()) };
    }
}

impl<T: fmt::Debug> fmt::Debug for MappedBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
