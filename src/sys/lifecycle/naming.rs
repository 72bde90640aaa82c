//! Files that are being given a name, or losing it, while the process exits: the exit waits for the threads that do
//! so.
//!
//! # Proof
//!
//! *A thread that names a file after the exit has begun sees the exit, or the exit waits for it.* The thread stores
//! that it is naming and then checks for the exit; the exit stores that it has begun and then checks for threads
//! that are naming. Both have a fence between the two steps:
//! [`told_before_looking`](crate::sync::told_before_looking).
//!
//! *The exit sees what the threads have done.* Each thread subtracts itself when it is done (Release), and the exit
//! waits until none is left (Acquire). All changes of the number are read-modify-writes, so the 0 that the exit
//! reads is in the release sequence of every one before it.
//!
//! `tests/loom/naming.rs` runs this code, and weakens each of the three orderings.

use std::time::{Duration, Instant};

use crate::sync::{AtomicBool, AtomicUsize, Ordering, told_before_looking_ordered};
use crate::sys::process::lock;

/// The orderings of the proof, so that the model checker can weaken each.
#[derive(Clone, Copy, Debug)]
pub struct Orders {
    /// The fence between telling and looking.
    pub told: Ordering,
    /// The end of a naming.
    pub done: Ordering,
    /// The load of the thread that waits.
    pub wait: Ordering,
}

impl Orders {
    /// The orderings of the proof.
    pub const PROVED: Orders = Orders {
        told: Ordering::SeqCst,
        done: Ordering::Release,
        wait: Ordering::Acquire,
    };
}

/// The state shared by the threads that name files and the exit of their process.
#[derive(Debug)]
pub struct Names {
    /// Whether the exit has begun: no more names then.
    over: AtomicBool,
    /// The number of threads between giving a file its name and entering it in the list, or between taking it out
    /// and removing it. The exit waits for them, because nobody else would remove what they leave.
    naming: AtomicUsize,
}

/// A thread that names a file, until dropped.
#[derive(Debug)]
pub struct Naming<'a> {
    names: &'a Names,
    /// The ordering of its end.
    done: Ordering,
}

impl Names {
    /// The state before the exit, with no thread naming. (Const except under loom, which registers its atomics with
    /// the running model.)
    #[cfg(not(loom))]
    pub const fn new() -> Names {
        Names {
            over: AtomicBool::new(false),
            naming: AtomicUsize::new(0),
        }
    }

    /// The state before the exit, with no thread naming.
    #[cfg(loom)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Names {
        Names {
            over: AtomicBool::new(false),
            naming: AtomicUsize::new(0),
        }
    }

    /// Returns whether the exit has begun.
    pub fn are_over(&self) -> bool {
        // Relaxed: see `told_before_looking`.
        self.over.load(Ordering::Relaxed)
    }

    /// Begins the exit: after this, no file is given a name.
    pub fn end(&self) {
        self.end_ordered(Orders::PROVED);
    }

    /// [`end`](Self::end) with orderings of the caller's choice: for the model checker.
    pub fn end_ordered(&self, orders: Orders) {
        self.over.store(true, Ordering::Relaxed);
        // Pairs with the fence in `begin`.
        told_before_looking_ordered(orders.told);
    }

    /// Begins to name a file. Removing a name is allowed at any time; to give one, see [`Naming::unless_over`].
    pub fn begin(&self) -> Naming<'_> {
        self.begin_ordered(Orders::PROVED)
    }

    /// [`begin`](Self::begin) with orderings of the caller's choice: for the model checker.
    pub fn begin_ordered(&self, orders: Orders) -> Naming<'_> {
        self.naming.fetch_add(1, Ordering::Relaxed);
        // Pairs with the fence in `end`: either this thread sees the exit, or the exit waits for it.
        told_before_looking_ordered(orders.told);
        Naming {
            names: self,
            done: orders.done,
        }
    }

    /// Waits for all threads that are naming, for at most `patience`: a thread that takes longer is stopped, or its
    /// file system is.
    pub fn wait_for_all(&self, patience: Duration) {
        self.wait_for_all_ordered(Orders::PROVED, patience);
    }

    /// [`wait_for_all`](Self::wait_for_all) with orderings of the caller's choice: for the model checker.
    pub fn wait_for_all_ordered(&self, orders: Orders, patience: Duration) {
        let start = Instant::now();
        let mut tries = 0;
        while self.naming.load(orders.wait) > 0 && start.elapsed() < patience {
            lock::wait(&mut tries);
        }
    }

    /// Resets the count in the child of a fork: a thread that was naming a file is the parent's.
    pub fn forget_in_child(&self) {
        self.naming.store(0, Ordering::Relaxed);
    }
}

impl Naming<'_> {
    /// Returns `self` if a file may still be given a name; `None` once the process is exiting.
    pub fn unless_over(self) -> Option<Self> {
        (!self.names.are_over()).then_some(self)
    }
}

impl Drop for Naming<'_> {
    fn drop(&mut self) {
        self.names.naming.fetch_sub(1, self.done);
    }
}
