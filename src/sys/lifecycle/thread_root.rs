//! A root of one thread, in place of the process's: only a test gives it one (`testing::Root`).

use std::path::Path;

#[cfg(feature = "testing")]
pub use of_tests::{begin, end};

/// The root of this thread, if it has one of its own.
pub fn get() -> Option<&'static Path> {
    #[cfg(feature = "testing")]
    return of_tests::ROOT.get();
    #[cfg(not(feature = "testing"))]
    None
}

/// Runs `f` while this thread has none.
pub fn without<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(feature = "testing")]
    let _without = of_tests::Without::begin();
    f()
}

#[cfg(feature = "testing")]
mod of_tests {
    use std::cell::Cell;
    use std::path::Path;

    use crate::sys::process::fork::clear_thread_cells;

    thread_local! {
        /// Leaked, so that it needs no destructor: it can be read while the thread is torn down.
        pub static ROOT: Cell<Option<&'static Path>> = const { Cell::new(None) };
    }

    /// Gives this thread a root of its own. What it counts from here on is in other files than before: those of before
    /// stay as they are, and go with the thread. False: it has one already.
    pub fn begin(root: &Path) -> bool {
        let begins = ROOT.get().is_none();
        if begins {
            ROOT.set(Some(Box::leak(root.into())));
            clear_thread_cells();
        }
        begins
    }

    /// This thread has the process's root again, and counts in other files than before.
    ///
    /// No file is dropped here: a caller of `local` may still have a reference into one.
    pub fn end() {
        ROOT.set(None);
        clear_thread_cells();
    }

    /// Gives the root back when it is dropped.
    pub struct Without(Option<&'static Path>);

    impl Without {
        pub fn begin() -> Without {
            Without(ROOT.take())
        }
    }

    impl Drop for Without {
        fn drop(&mut self) {
            ROOT.set(self.0);
        }
    }
}
