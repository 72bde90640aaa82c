//! The one switch between the real atomics and loom's.
//!
//! `format::slot`, the list of orphans with its lock, and everything else that a proof speaks of imports its atomics from here, so that
//! `tests/loom.rs` checks the very code that runs in production.

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
#[cfg(loom)]
pub use loom::thread::yield_now;
#[cfg(not(loom))]
pub use std::thread::yield_now;

/// How something is shared that was made before: a pointer to it, a flag that it is ready, or a word that says how far it
/// goes. Who [`FIND`]s it sees all that its maker did before.
///
/// # Proof
///
/// The maker's stores are sequenced before the store that publishes. Who loads that value, or one that a chain of
/// exchanges has put in its place, synchronizes with the maker: the store is Release and the load Acquire. So the maker's
/// stores happen before all that the finder does next. With either of them relaxed, the finder may have the pointer and
/// see what was there before. `tests/loom/published.rs` weakens each, and runs the list of `sys::memory::append_list`.
pub const PUBLISH: Ordering = Ordering::Release;

/// See [`PUBLISH`].
pub const FIND: Ordering = Ordering::Acquire;

/// Stands between a store and a load of two threads that each tell the other something and then look whether the other
/// has told them: at least one of the two sees what the other has stored.
///
/// # Proof
///
/// Thread A stores x, passes this fence F(a), and loads y; thread B stores y, passes F(b), and loads x. Both fences are
/// SeqCst, so they are in one single order; let F(a) be the earlier one. The store of x is sequenced before F(a), and the
/// load of x after F(b). Then the load takes the value of that store or of a later one (C++ [atomics.order], on two
/// fences). If F(b) is the earlier one, the same holds for y. Without the fences, or with weaker ones, both may read
/// what was there before.
#[inline]
pub fn told_before_looking() {
    told_before_looking_ordered(Ordering::SeqCst);
}

/// [`told_before_looking`] with another ordering, so that the model checker can weaken it.
#[doc(hidden)]
#[inline]
pub fn told_before_looking_ordered(order: Ordering) {
    fence(order);
}
