//! The one switch between the real atomics and loom's.
//!
//! `format::slot`, the list of orphans with its lock, and everything else that a proof speaks of imports its atomics from here, so that
//! `tests/loom.rs` checks the very code that runs in production.

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub use loom::thread::yield_now;
#[cfg(not(loom))]
pub use std::thread::yield_now;
