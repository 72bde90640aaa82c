//! A shared object that counts, for `unloaded.rs`: built as an example, since it is a crate of its own.

use mmstats::{Counter, MmStats};

#[derive(MmStats)]
struct Plugin {
    n: Counter,
}

#[derive(MmStats)]
struct Windowed {
    #[mmstats(window = "1s")]
    n: Counter,
}

/// Counts.
// SAFETY: no other function of the process has this name, and it is looked up in this object.
#[unsafe(no_mangle)]
pub extern "C" fn mmstats_test_plain() {
    Plugin::local(|s| s.n.inc());
}

/// Installs the panic hook.
// SAFETY: as above.
#[unsafe(no_mangle)]
pub extern "C" fn mmstats_test_hook() {
    mmstats::install_panic_hook();
}

/// Counts with a window, for which the object starts a thread.
// SAFETY: as above.
#[unsafe(no_mangle)]
pub extern "C" fn mmstats_test_window() {
    Windowed::local(|s| s.n.inc());
}
