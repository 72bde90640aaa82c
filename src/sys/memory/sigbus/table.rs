//! The table of views that the SIGBUS handler reads: which addresses are in a view, and whether it was cut.
//!
//! # Proof
//!
//! *No mix.* Only the thread that has the list of free places changes entries; a handler reads them at any moment.
//! The words of an entry follow the protocol of [`generation`]: if the generation is even and the same before and
//! after, the words are of one view. (Or they are zeros, which are no view. Zeros stand between any two views, so
//! the last ordering of the protocol, that of the end, is not needed here.)
//!
//! *The own view is found.* The thread that faults holds a borrow of its view, so the entry was written before (by
//! this thread, or by the one that it has the view from) and does not change: its generation is even and stays the
//! same.
//!
//! *No other view is found for its address.* A view leaves the table before it is unmapped. If another view is
//! mapped at the same address, the kernel has unmapped the first one before, so the handler of the second view sees
//! that the first one has left.
//!
//! *Zeros are known to be zeros.* `cut` is stored before there are pages of zeros, with a fence between (Release),
//! and loaded after the words of the view, with a fence between (Acquire). So a thread that has loaded a zero from
//! such a page sees `cut`, whichever thread faulted. In the thread that faulted, the fences keep the compiler from
//! moving the load and the store of `cut` across the accesses to the words.
//!
//! *A new view is not cut by an old one.* `cut` is stored by a thread that holds a borrow of the view, so before
//! the view leaves the table. The list of free places orders that store before its place is given to another view,
//! which clears `cut`.
//!
//! `tests/loom/sigbus.rs` runs this code, and weakens each ordering.

use crate::format::generation::{self, Orders, fence_unless_relaxed};
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// One view, or none.
#[derive(Debug)]
pub struct GuardedView {
    /// Odd while the entry changes.
    generation: AtomicU64,
    /// Address of the first byte; 0: the entry is free.
    start: AtomicUsize,
    /// Length in bytes.
    len: AtomicUsize,
    /// Whether the handler put pages of zeros under the view.
    cut: AtomicBool,
}

impl GuardedView {
    /// Returns a free entry. (Const except under loom, which registers its atomics with the running model.)
    #[cfg(not(loom))]
    const fn new() -> GuardedView {
        GuardedView {
            generation: AtomicU64::new(0),
            start: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            cut: AtomicBool::new(false),
        }
    }

    #[cfg(loom)]
    fn new() -> GuardedView {
        GuardedView {
            generation: AtomicU64::new(0),
            start: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            cut: AtomicBool::new(false),
        }
    }

    /// Changes the entry. Only one thread at a time may do so.
    fn change(&self, orders: Orders, start: usize, len: usize) {
        generation::begin_reuse_ordered(orders, &self.generation);
        self.cut.store(false, Ordering::Relaxed);
        self.len.store(len, Ordering::Relaxed);
        self.start.store(start, Ordering::Relaxed);
        generation::end_reuse_ordered(orders, &self.generation);
    }

    /// Returns the view's first byte and length; `None` if the entry is free or changing.
    fn view(&self, orders: Orders) -> Option<(usize, usize)> {
        let first = self.generation.load(Ordering::Relaxed);
        generation::after_first_look_ordered(orders);
        let start = self.start.load(Ordering::Relaxed);
        let len = self.len.load(Ordering::Relaxed);
        generation::before_second_look_ordered(orders);
        let whole = generation::is_there(first) && self.generation.load(Ordering::Relaxed) == first;
        (whole && start != 0).then_some((start, len))
    }

    /// Marks that there are pages of zeros under the view. Call it before they are put there.
    pub fn cut(&self) {
        self.cut_ordered(Ordering::Release);
    }

    /// [`cut`](Self::cut) with another fence: for the model checker.
    pub fn cut_ordered(&self, before_zeros: Ordering) {
        self.cut.store(true, Ordering::Relaxed);
        fence_unless_relaxed(before_zeros);
    }

    /// Returns whether there are pages of zeros under the view. True if this thread has already loaded a word of
    /// such a page through the view.
    pub fn is_cut(&self) -> bool {
        self.is_cut_ordered(Ordering::Acquire)
    }

    /// [`is_cut`](Self::is_cut) with another fence: for the model checker.
    pub fn is_cut_ordered(&self, after_words: Ordering) -> bool {
        fence_unless_relaxed(after_words);
        self.cut.load(Ordering::Relaxed)
    }
}

/// The views known to the handler, at most `VIEWS`. All zeros at first.
#[derive(Debug)]
pub struct ViewTable<const VIEWS: usize> {
    /// Number of entries ever used; the handler looks no further.
    used: AtomicUsize,
    entries: [GuardedView; VIEWS],
}

impl<const VIEWS: usize> ViewTable<VIEWS> {
    /// An empty table.
    #[cfg(not(loom))]
    pub const fn new() -> ViewTable<VIEWS> {
        ViewTable {
            used: AtomicUsize::new(0),
            entries: [const { GuardedView::new() }; VIEWS],
        }
    }

    /// An empty table.
    #[cfg(loom)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> ViewTable<VIEWS> {
        ViewTable {
            used: AtomicUsize::new(0),
            entries: std::array::from_fn(|_| GuardedView::new()),
        }
    }

    /// Enters a view and returns its place; `None` if the table is full.
    ///
    /// `free` holds the free places among those ever used; there is one list per table.
    pub fn enter(&self, free: &mut Vec<u16>, start: usize, len: usize) -> Option<u16> {
        self.enter_ordered(Orders::PROVED, free, start, len)
    }

    /// [`enter`](Self::enter) with orderings of the caller's choice: for the model checker.
    pub fn enter_ordered(
        &self,
        orders: Orders,
        free: &mut Vec<u16>,
        start: usize,
        len: usize,
    ) -> Option<u16> {
        let place = match free.pop() {
            Some(place) => place,
            None => {
                // Relaxed: changed only by the thread that has the list.
                let used = self.used.load(Ordering::Relaxed);
                if used >= VIEWS {
                    return None;
                }
                // Relaxed: a handler that sees it finds either zeros, which are a free entry, or the generation of
                // a change.
                self.used.store(used + 1, Ordering::Relaxed);
                used as u16
            }
        };
        self.entry(place).change(orders, start, len);
        Some(place)
    }

    /// Removes a view.
    pub fn leave(&self, free: &mut Vec<u16>, place: u16) {
        self.leave_ordered(Orders::PROVED, free, place);
    }

    /// [`leave`](Self::leave) with orderings of the caller's choice: for the model checker.
    pub fn leave_ordered(&self, orders: Orders, free: &mut Vec<u16>, place: u16) {
        self.entry(place).change(orders, 0, 0);
        free.push(place);
    }

    /// The entry at a place that [`enter`](Self::enter) returned.
    pub fn entry(&self, place: u16) -> &GuardedView {
        &self.entries[usize::from(place)]
    }

    /// Returns the entry of the view in which `address` lies, with the view's first byte and length. If there is
    /// such a view, the caller must hold a borrow of it.
    pub fn find(&self, address: usize) -> Option<(&GuardedView, usize, usize)> {
        self.find_ordered(Orders::PROVED, address)
    }

    /// [`find`](Self::find) with orderings of the caller's choice: for the model checker.
    pub fn find_ordered(
        &self,
        orders: Orders,
        address: usize,
    ) -> Option<(&GuardedView, usize, usize)> {
        // Relaxed: a thread that holds a borrow of the view sees that its place is used.
        let used = self.used.load(Ordering::Relaxed).min(VIEWS);
        self.entries[..used].iter().find_map(|entry| {
            let (start, len) = entry.view(orders)?;
            (address.wrapping_sub(start) < len).then_some((entry, start, len))
        })
    }
}
