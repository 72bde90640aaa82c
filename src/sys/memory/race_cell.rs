//! A value that is made at its first use, without a lock: a fork could catch one, and its child would wait for ever.
//!
//! Threads that come first at the same time each make a value, and the first to put it there wins. Where a value must be
//! made only once, its users agree on a lock that a fork takes first, as the clock does. For what no fork can catch, and
//! where no allocator comes back, there is `std::sync::OnceLock`.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::mapped::MappedBox;
use crate::sync::{FIND, PUBLISH};

/// The cell, in a static. Its value is never freed.
pub struct RaceCell<T: 'static>(AtomicPtr<T>);

impl<T: Sync> RaceCell<T> {
    /// An empty cell.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> RaceCell<T> {
        RaceCell(AtomicPtr::new(ptr::null_mut()))
    }

    /// The value, if it is there.
    #[inline(always)]
    pub fn get(&self) -> Option<&'static T> {
        // Who sees the pointer sees the value.
        let value = self.0.load(FIND);
        // SAFETY: null or put there by `keep`, whose caller promises that it stays.
        unsafe { value.as_ref() }
    }

    /// The value, made if it is not there. It may lead to other memory of the allocator.
    pub fn get_or_box(&self, make: impl FnOnce() -> T) -> &'static T {
        if let Some(known) = self.get() {
            return known;
        }
        let new = Box::into_raw(Box::new(make()));
        // SAFETY: of a box that nobody else has, and that is freed only if it is not kept.
        let kept = unsafe { self.keep(new) };
        kept.unwrap_or_else(|known| {
            // SAFETY: from `Box::into_raw`, and not kept: nobody else has it.
            drop(unsafe { Box::from_raw(new) });
            known
        })
    }

    /// The value, made if it is not there. Nothing is allocated: it is in a mapping of its own. It must not lead to
    /// memory of the allocator, which leak detectors would not find there.
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

    /// Puts a value there. An error: another one is there already.
    ///
    /// # Safety
    /// The value is never written, and if it is kept never freed.
    unsafe fn keep(&self, new: *mut T) -> Result<&'static T, &'static T> {
        match (self.0).compare_exchange(ptr::null_mut(), new, PUBLISH, FIND) {
            // SAFETY: the caller's promise.
            Ok(_) => Ok(unsafe { &*new }),
            // SAFETY: the promise of who was first, whose value FIND makes visible.
            Err(known) => Err(unsafe { &*known }),
        }
    }

    /// Empties the cell, in the child of a fork: the value is its parent's. Who has it keeps it.
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

    /// How many there are now.
    static LIVE: AtomicIsize = AtomicIsize::new(0);

    /// Values stay for ever, and this cell does not: in sight of leak detectors.
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
                // All four have found it empty before any value is there.
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
