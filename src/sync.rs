//! The single switch between the real atomics and loom's.
//!
//! `format::slot`, the list of orphans with its lock, and everything else that has a proof import their atomics from
//! here. So `tests/loom.rs` checks the code that runs in production.

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
#[cfg(loom)]
pub use loom::thread::yield_now;
#[cfg(not(loom))]
pub use std::thread::yield_now;

/// The ordering of a store that publishes finished work: a pointer to it, a flag that it is ready, or a word that
/// says how far it extends. A thread that [`FIND`]s it sees everything that the maker did before.
///
/// # Proof
///
/// The maker's stores are sequenced before the store that publishes. A thread that loads that value, or one that a
/// chain of exchanges has put in its place, synchronizes with the maker, because the store is Release and the load is
/// Acquire. So the maker's stores happen before everything that the finder does next. If either is relaxed, the
/// finder may get the pointer and still see the old contents. `tests/loom/published.rs` weakens each, and runs the
/// list of `sys::memory::append_list`.
pub const PUBLISH: Ordering = Ordering::Release;

/// The ordering of the load that finds what was stored with [`PUBLISH`].
pub const FIND: Ordering = Ordering::Acquire;

/// A fence between a store and a load, for two threads that each store something for the other and then check what
/// the other has stored: at least one of the two sees the other's store.
///
/// # Proof
///
/// Thread A stores x, passes this fence F(a), and loads y; thread B stores y, passes F(b), and loads x. Both fences
/// are SeqCst, so they have a single total order. Let F(a) be the earlier one. The store of x is sequenced before
/// F(a), and the load of x after F(b). Then the load returns the value of that store or of a later one (C++
/// [atomics.order], on two fences). If F(b) is the earlier one, the same holds for y. Without the fences, or with
/// weaker ones, both loads may return the old values.
#[inline]
pub fn told_before_looking() {
    told_before_looking_ordered(Ordering::SeqCst);
}

/// [`told_before_looking`] with another ordering, which the model checker can weaken.
#[doc(hidden)]
#[inline]
pub fn told_before_looking_ordered(order: Ordering) {
    fence(order);
}
