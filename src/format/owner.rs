//! How a file passes from one thread of its process to the next: what is done with the owner word.
//!
//! ```text
//! live (a thread writes) --abandon--> orphan --adopt--> live (another thread writes) --abandon--> …
//!                                          --end-->    ended, or panicked
//! ```
//!
//! Between the two threads the file lies in a list under a lock (`sys::lifecycle::orphans`), so that one thread
//! takes it out, and what the thread before wrote happens before what this one does: it counts on from
//! the very counts that were left.
//!
//! # Proof
//!
//! A reader loads the owner word first (acquire) and the values after it.
//!
//! 1. *Who sees the orphan sees its last counts and no level of its thread.* `abandon` stores the
//!    state after them, with Release.
//! 2. *Who sees the adopted file sees the same.* `adopt` exchanges the word that `abandon` released, and
//!    an exchange goes on with the release of the store before it, whatever its own ordering.
//! 3. *Counts never go backwards.* Each is one word, which is only ever raised, by one thread at a
//!    time that has read the last value of the thread before.

use super::header::{Owner, OwnerState};
use crate::sync::{AtomicU64, Ordering};

/// The thread that writes ends: its levels become zero, then the file an orphan.
///
/// Must be called by the only writer of the file.
pub fn abandon<'a>(owner: &AtomicU64, levels: impl IntoIterator<Item = &'a AtomicU64>) {
    // Release: step 1.
    abandon_ordered(Ordering::Release, owner, levels);
}

/// [`abandon`] with an ordering of the caller's choice: for the model checker.
pub fn abandon_ordered<'a>(
    order: Ordering,
    owner: &AtomicU64,
    levels: impl IntoIterator<Item = &'a AtomicU64>,
) {
    for level in levels {
        level.store(0, Ordering::Relaxed);
    }
    set_state(order, owner, OwnerState::Orphan);
}

/// This thread, `tid`, goes on with an orphan.
///
/// Must be called by the thread that took it out of the list.
pub fn adopt(owner: &AtomicU64, tid: u32) {
    // Relaxed: step 2.
    change(Ordering::Relaxed, owner, |before| Owner {
        tid,
        state: OwnerState::Live,
        adoptions: before.adoptions + 1,
    });
}

/// Every thread of the process writes the file: it never becomes an orphan.
///
/// Must be called before the file has a name.
pub fn belong_to_process(owner: &AtomicU64) {
    // Relaxed: nobody sees the file yet.
    change(Ordering::Relaxed, owner, |before| Owner {
        tid: Owner::OF_PROCESS,
        ..before
    });
}

/// The process ends, as `state` says, and leaves the file.
pub fn end(owner: &AtomicU64, state: OwnerState) {
    // Release, as for `abandon`: who sees the end sees the last values.
    set_state(Ordering::Release, owner, state);
}

fn set_state(order: Ordering, owner: &AtomicU64, state: OwnerState) {
    change(order, owner, |before| Owner { state, ..before });
}

/// Changes the word, unless it states the end: that is the last change, whatever a thread does that goes
/// on meanwhile. (The exit handler ends the files of threads that may be ending themselves, so the word
/// is exchanged, not stored.)
fn change(order: Ordering, owner: &AtomicU64, to: impl Fn(Owner) -> Owner) {
    // Relaxed, here and on failure: nothing is read by it but the word itself.
    let mut word = owner.load(Ordering::Relaxed);
    loop {
        let before = Owner::unpack(word);
        if matches!(before.state, OwnerState::Ended | OwnerState::Panicked) {
            return;
        }
        match owner.compare_exchange_weak(word, to(before).pack(), order, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => word = now,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_the_last_state_whatever_a_thread_does_meanwhile() {
        for end_state in [OwnerState::Ended, OwnerState::Panicked] {
            let first = Owner {
                tid: 1,
                state: OwnerState::Live,
                adoptions: 0,
            };
            let word = AtomicU64::new(first.pack());
            let state = || Owner::unpack(word.load(Ordering::Relaxed)).state;
            // The process ends while the thread's levels become zero.
            let mut ends = || {
                end(&word, end_state);
                None
            };
            abandon(&word, std::iter::from_fn(&mut ends));
            assert_eq!(state(), end_state);
            adopt(&word, 2);
            assert_eq!(state(), end_state);
            end(&word, OwnerState::Ended);
            assert_eq!(state(), end_state);
        }
    }
}
