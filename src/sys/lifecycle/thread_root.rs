//! A root of one thread, in place of the process's. Only tests use one (`testing::Root`).

use std::path::Path;

#[cfg(feature = "testing")]
pub use of_tests::{begin, end};

/// Returns the root of this thread, if it has one of its own.
pub fn get() -> Option<&'static Path> {
    #[cfg(feature = "testing")]
    return of_tests::ROOT.get();
    #[cfg(not(feature = "testing"))]
    None
}

/// Runs `f` without this thread's own root.
pub fn without<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(feature = "testing")]
    let _without = of_tests::RootGuard::begin();
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

    /// Gives this thread a root of its own. From here on it counts in other files than before; the earlier files
    /// stay as they are, and end with the thread. Returns false if it already has a root.
    pub fn begin(root: &Path) -> bool {
        let begins = ROOT.get().is_none();
        if begins {
            ROOT.set(Some(Box::leak(root.into())));
            clear_thread_cells();
        }
        begins
    }

    /// Gives this thread the process's root again. From here on it counts in other files than before.
    ///
    /// No file is dropped here: a caller of `local` may still have a reference into one.
    pub fn end() {
        ROOT.set(None);
        clear_thread_cells();
    }

    /// Restores the root when dropped.
    pub struct RootGuard(Option<&'static Path>);

    impl RootGuard {
        pub fn begin() -> RootGuard {
            RootGuard(ROOT.take())
        }
    }

    impl Drop for RootGuard {
        fn drop(&mut self) {
            ROOT.set(self.0);
        }
    }
}
