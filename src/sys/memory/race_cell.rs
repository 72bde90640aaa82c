//! A value that is made at its first use, without a lock: a fork could catch a held lock, and its child would wait
//! forever.
//!
//! Threads that arrive first at the same time each make a value; the first to store its value wins. Where a value
//! must be made only once, its users agree on a lock that a fork takes first, as the clock does. Where no fork can
//! interfere and no allocator calls back, use `std::sync::OnceLock`.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::mapped::MappedBox;
use crate::sync::{FIND, PUBLISH};

/// A cell, for use in a static. Its value is never freed.
pub struct RaceCell<T: 'static>(AtomicPtr<T>);

impl<T: Sync> RaceCell<T> {
    /// An empty cell.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> RaceCell<T> {
        RaceCell(AtomicPtr::new(ptr::null_mut()))
    }

    /// Returns the value, if there is one.
    #[inline(always)]
    pub fn get(&self) -> Option<&'static T> {
        // Acquire: whoever sees the pointer sees the value.
        let value = self.0.load(FIND);
        // SAFETY: null or stored by `keep`, whose caller promises that the value stays.
        unsafe { value.as_ref() }
    }

    /// Returns the value; makes it if there is none. It may point to other memory of the allocator.
    pub fn get_or_box(&self, make: impl FnOnce() -> T) -> &'static T {
        if let Some(known) = self.get() {
            return known;
        }
        let new = Box::into_raw(Box::new(make()));
        // SAFETY: the pointer is from a box that nobody else has, and that is freed only if it is not kept.
        let kept = unsafe { self.keep(new) };
        kept.unwrap_or_else(|known| {
            // SAFETY: from `Box::into_raw`, and not kept: nobody else has it.
            drop(unsafe { Box::from_raw(new) });
            known
        })
    }

    /// Returns the value; makes it if there is none. Allocates nothing: the value is in a mapping of its own. It
    /// must not point to memory of the allocator, because leak detectors would not find the pointers there.
    pub fn get_or_map(&self, make: impl FnOnce() -> T) -> &'static T {
        if let Some(known) = self.get() {
            return known;
        }
        let new = MappedBox::new(make());
        // SAFETY: nobody else has it, and it is dropped only if it is not kept.
        match unsafe { self.keep(new.as_ptr()) } {
            Ok(kept) => {
                std::mem::forget(new);
                kept
            }
            Err(known) => known,
        }
    }

    /// Stores a value. If there already is one, the error is that value.
    ///
    /// # Safety
    /// The value must never be written again, and never be freed if it is kept.
    unsafe fn keep(&self, new: *mut T) -> Result<&'static T, &'static T> {
        match (self.0).compare_exchange(ptr::null_mut(), new, PUBLISH, FIND) {
            // SAFETY: the caller's promise.
            Ok(_) => Ok(unsafe { &*new }),
            // SAFETY: the promise of the caller that was first; FIND makes its value visible.
            Err(known) => Err(unsafe { &*known }),
        }
    }

    /// Empties the cell in the child of a fork, because the value is the parent's. References to it stay valid.
    pub fn forget_in_child(&self) {
        // Relaxed: the child has one thread.
        self.0.store(ptr::null_mut(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicIsize;
    use std::sync::{Barrier, Mutex};

    /// The number of values that exist now.
    static LIVE: AtomicIsize = AtomicIsize::new(0);

    /// Values are never freed, but this cell goes away: keeps them reachable for leak detectors.
    static IN_SIGHT: Mutex<Vec<&Counted>> = Mutex::new(Vec::new());

    #[derive(Debug)]
    struct Counted(usize);

    impl Counted {
        fn new(number: usize) -> Counted {
            LIVE.fetch_add(1, Ordering::Relaxed);
            Counted(number)
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            LIVE.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn all_threads_get_the_value_of_one_and_the_others_are_dropped() {
        type Get = fn(&RaceCell<Counted>, &dyn Fn() -> Counted) -> &'static Counted;
        let ways: [Get; 2] = [
            |cell, make| cell.get_or_box(make),
            |cell, make| cell.get_or_map(make),
        ];
        for get in ways {
            let cell = RaceCell::new();
            let before = LIVE.load(Ordering::Relaxed);
            let together = Barrier::new(4);
            let race = &|number| {
                // All four find the cell empty before there is any value.
                let make = || {
                    together.wait();
                    Counted::new(number)
                };
                get(&cell, &make).0
            };
            let got: Vec<usize> = std::thread::scope(|scope| {
                let threads = [0, 1, 2, 3].map(|number| scope.spawn(move || race(number)));
                threads.map(|thread| thread.join().unwrap()).to_vec()
            });
            let kept = cell.get().unwrap();
            assert_eq!(got, [kept.0; 4]);
            assert_eq!(LIVE.load(Ordering::Relaxed) - before, 1);
            cell.forget_in_child();
            assert!(cell.get().is_none());
            let new = get(&cell, &|| Counted::new(7));
            assert_eq!(new.0, 7);
            assert!(kept.0 < 4, "who has the old value keeps it");
            IN_SIGHT.lock().unwrap().extend([kept, new]);
        }
    }
}
