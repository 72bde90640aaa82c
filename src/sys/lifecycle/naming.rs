//! Files that are being given or taken their names while the process comes to its end: who does so is waited for.
//!
//! # Proof
//!
//! *Who gives a file its name after the exit has begun sees that, or the exit waits.* The one stores that it names and then
//! looks for the exit; the other stores the exit and then looks for who names. A fence stands between the two steps of both:
//! [`told_before_looking`](crate::sync::told_before_looking).
//!
//! *The exit sees what the others have done.* Each that is done subtracts itself (Release), and the exit waits until none is
//! left (Acquire). All changes of the number are read-modify-writes, so the 0 that it reads is in the release sequence of
//! each that came before.
//!
//! `tests/loom/naming.rs` runs this code, and weakens each of the three orderings.

use std::time::{Duration, Instant};

use crate::sync::{AtomicBool, AtomicUsize, Ordering, told_before_looking_ordered};
use crate::sys::process::lock;

/// The orderings of the proof, so that the model checker can weaken each.
#[derive(Clone, Copy, Debug)]
pub struct Orders {
    /// Of the fence between telling and looking.
    pub told: Ordering,
    /// Of the end of who names.
    pub done: Ordering,
    /// Of the look of who waits.
    pub wait: Ordering,
}

impl Orders {
    /// Those of the proof.
    pub const PROVED: Orders = Orders {
        told: Ordering::SeqCst,
        done: Ordering::Release,
        wait: Ordering::Acquire,
    };
}

/// What threads that name files and the exit of their process know of each other.
#[derive(Debug)]
pub struct Names {
    /// Whether the exit has begun: no more names then.
    over: AtomicBool,
    /// How many threads are between giving a file its name and entering it, or between taking it out
    /// and removing it. The exit waits for them: nobody else would remove what they leave.
    naming: AtomicUsize,
}

/// One of those who name files, until it is dropped.
#[derive(Debug)]
pub struct Naming<'a> {
    names: &'a Names,
    /// Of the end.
    done: Ordering,
}

impl Names {
    /// Before the exit, and nobody names. (Const but under loom, which enters its atomics into the model that runs.)
    #[cfg(not(loom))]
    pub const fn new() -> Names {
        Names {
            over: AtomicBool::new(false),
            naming: AtomicUsize::new(0),
        }
    }

    /// Before the exit, and nobody names.
    #[cfg(loom)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Names {
        Names {
            over: AtomicBool::new(false),
            naming: AtomicUsize::new(0),
        }
    }

    /// Whether the exit has begun.
    pub fn are_over(&self) -> bool {
        // Relaxed: see `told_before_looking`.
        self.over.load(Ordering::Relaxed)
    }

    /// The exit begins: from here on no file is given a name.
    pub fn end(&self) {
        self.end_ordered(Orders::PROVED);
    }

    /// [`end`](Self::end) with orderings of the caller's choice: for the model checker.
    pub fn end_ordered(&self, orders: Orders) {
        self.over.store(true, Ordering::Relaxed);
        // Pairs with the one in `begin`.
        told_before_looking_ordered(orders.told);
    }

    /// For taking its name from a file, at any time.
    pub fn begin(&self) -> Naming<'_> {
        self.begin_ordered(Orders::PROVED)
    }

    /// [`begin`](Self::begin) with orderings of the caller's choice: for the model checker.
    pub fn begin_ordered(&self, orders: Orders) -> Naming<'_> {
        self.naming.fetch_add(1, Ordering::Relaxed);
        // Pairs with the one in `end`: either this thread sees the exit, or the exit waits for it.
        told_before_looking_ordered(orders.told);
        Naming {
            names: self,
            done: orders.done,
        }
    }

    /// Waits for all who name. A thread that takes longer than `patience` is stopped, or its file system is.
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

    /// In the child of a fork: whoever was naming a file is a thread of the parent.
    pub fn forget_in_child(&self) {
        self.naming.store(0, Ordering::Relaxed);
    }
}

impl Naming<'_> {
    /// For giving a name to a file: `None` once the process exits.
    pub fn unless_over(self) -> Option<Self> {
        (!self.names.are_over()).then_some(self)
    }
}

impl Drop for Naming<'_> {
    fn drop(&mut self) {
        self.names.naming.fetch_sub(1, self.done);
    }
}
