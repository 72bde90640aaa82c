//! A value made without the program's allocator, for who may be called by it: the system's has its memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;

/// An owned value, as a `Box` is one.
pub struct MappedBox<T> {
    value: NonNull<T>,
}

// SAFETY: it owns its value, as a `Box` does.
unsafe impl<T: Send> Send for MappedBox<T> {}
// SAFETY: it lends only shared references, as a `Box` does.
unsafe impl<T: Sync> Sync for MappedBox<T> {}

impl<T> MappedBox<T> {
    /// Places a value. Like an allocation, it ends the process where there is no memory at all.
    pub fn new(value: T) -> MappedBox<T> {
        const { assert!(size_of::<T>() > 0, "no allocation is of nothing") };
        // SAFETY: the layout is not of zero bytes.
        let place = unsafe { System.alloc(Layout::new::<T>()) }.cast::<T>();
        let place = NonNull::new(place).unwrap_or_else(|| std::process::abort());
        // SAFETY: allocated for a T, and ours.
        unsafe { place.write(value) };
        MappedBox { value: place }
    }
}

impl<T: 'static> MappedBox<T> {
    /// Where it lies.
    pub fn as_ptr(&self) -> *mut T {
        self.value.as_ptr()
    }
}

impl<T> Deref for MappedBox<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: written in `new`, dropped in `drop` only; shared references only.
        unsafe { self.value.as_ref() }
    }
}

impl<T> Drop for MappedBox<T> {
    fn drop(&mut self) {
        // SAFETY: as in `deref`; `&mut self`: no reference to it is left.
        unsafe { self.value.drop_in_place() };
        // SAFETY: allocated in `new` with this layout, and nothing is in it any more.
        unsafe { System.dealloc(self.value.as_ptr().cast(), Layout::new::<T>()) };
    }
}

impl<T: fmt::Debug> fmt::Debug for MappedBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
