//! How a file passes from one thread of its process to the next: the changes of the owner word.
//!
//! ```text
//! live (a thread writes) --abandon--> orphan --adopt--> live (another thread writes) --abandon--> …
//!                                          --end-->    ended, or panicked
//! ```
//!
//! Between the two threads the file is in a list under a lock (`sys::lifecycle::orphans`). So only one thread
//! takes it out, and everything that the previous thread wrote happens before everything that this thread
//! does: it continues from exactly the counts that were left.
//!
//! # Proof
//!
//! A reader loads the owner word first (acquire) and the values after it.
//!
//! 1. *A reader that sees the orphan sees its last counts, and its levels as zero.* `abandon` stores the
//!    state after them, with Release.
//! 2. *A reader that sees the adopted file sees the same.* `adopt` exchanges the word that `abandon`
//!    released, and an exchange continues the release sequence of the store before it, whatever its own
//!    ordering.
//! 3. *Counts never go backwards.* Each is one word that only rises. One thread at a time writes it, and that
//!    thread has read the last value of the previous one.

use super::header::{Owner, OwnerState};
use crate::sync::{AtomicU64, Ordering};

/// Gives up a file when its thread ends: sets its levels to zero, then makes it an orphan.
///
/// Must be called by the only writer of the file.
pub fn abandon<'a>(owner: &AtomicU64, levels: impl IntoIterator<Item = &'a AtomicU64>) {
    // Release: step 1.
    abandon_ordered(Ordering::Release, owner, levels);
}

/// [`abandon`] with an ordering of the caller's choice, for the model checker.
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

/// Makes this thread, `tid`, the writer of an orphan.
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

/// Makes the file one that all threads of the process write, which never becomes an orphan.
///
/// Must be called before the file has a name.
pub fn belong_to_process(owner: &AtomicU64) {
    // Relaxed: nobody sees the file yet.
    change(Ordering::Relaxed, owner, |before| Owner {
        tid: Owner::OF_PROCESS,
        ..before
    });
}

/// Records that the process ends, as `state` says, and leaves the file.
pub fn end(owner: &AtomicU64, state: OwnerState) {
    // Release, as for `abandon`: a reader that sees the end sees the last values.
    set_state(Ordering::Release, owner, state);
}

fn set_state(order: Ordering, owner: &AtomicU64, state: OwnerState) {
    change(order, owner, |before| Owner { state, ..before });
}

/// Changes the word, unless it states the end. The end is the last change, whatever a thread that is still
/// running does. (The exit handler ends the files of threads that may be ending themselves, so the word is
/// exchanged, not stored.)
fn change(order: Ordering, owner: &AtomicU64, to: impl Fn(Owner) -> Owner) {
    // Relaxed, here and on failure: nothing but the word itself is read.
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
