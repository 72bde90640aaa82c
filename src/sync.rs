//! The one switch between the real atomics and loom's.
//!
//! `format::slot` and everything else that a proof speaks of imports its atomics from here, so that
//! `tests/loom.rs` checks the very code that runs in production.

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU64, Ordering, fence};
