//! The table of views that the handler of SIGBUS reads: which addresses are in a view, and whether it was cut.
//!
//! # Proof
//!
//! *No mix.* Who has the list of free places changes entries, one thread at a time; a handler reads them at any moment.
//! The words of an entry have the protocol of [`generation`]: even and the same before and after, they are of one view. (Or
//! zeros, which are no view. As they stand between any two views, the last ordering of the protocol, that of the end, is
//! not needed here.)
//!
//! *The own view is found.* The thread that faults holds a borrow of its view, so the entry was written before (by this
//! thread, or by one that it has the view from), and is not changed: its generation is even and stays the same.
//!
//! *No other view is found for its address.* A view leaves the table before it is unmapped. Where another one is mapped in
//! its place, the kernel has unmapped the first one before: so the handler of the second view sees that the first one has
//! left.
//!
//! *Zeros are known to be zeros.* `cut` is stored before there are pages of zeros, with a fence between them (Release), and
//! loaded after the words of the view, with a fence between them (Acquire). So who has loaded a zero from such a page sees
//! `cut`, whichever thread has faulted. In the thread that has faulted itself the fences keep the compiler from moving the
//! load and the store of `cut` over the words.
//!
//! *A new view is not cut by an old one.* `cut` is stored by who holds a borrow of the view, so before it leaves the table;
//! the list of free places orders that before its place is given to another, and `cut` is cleared then.
//!
//! `tests/loom/sigbus.rs` runs this code, and weakens each ordering.

use crate::format::generation::{self, Orders, fence_unless_relaxed};
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// One view, or none.
#[derive(Debug)]
pub struct Guarded {
    /// Odd while the entry changes.
    generation: AtomicU64,
    /// First byte, 0: the entry is free.
    start: AtomicUsize,
    /// Bytes.
    len: AtomicUsize,
    /// Whether the handler put pages of zeros there.
    cut: AtomicBool,
}

impl Guarded {
    /// A free entry. (Const but under loom, which enters its atomics into the model that runs.)
    #[cfg(not(loom))]
    const fn new() -> Guarded {
        Guarded {
            generation: AtomicU64::new(0),
            start: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            cut: AtomicBool::new(false),
        }
    }

    #[cfg(loom)]
    fn new() -> Guarded {
        Guarded {
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

    /// The view's first byte and length. `None`: there is none, or it changes.
    fn view(&self, orders: Orders) -> Option<(usize, usize)> {
        let first = self.generation.load(Ordering::Relaxed);
        generation::after_first_look_ordered(orders);
        let start = self.start.load(Ordering::Relaxed);
        let len = self.len.load(Ordering::Relaxed);
        generation::before_second_look_ordered(orders);
        let whole = generation::is_there(first) && self.generation.load(Ordering::Relaxed) == first;
        (whole && start != 0).then_some((start, len))
    }

    /// Notes that there are pages of zeros under the view. To be called before they are put there.
    pub fn cut(&self) {
        self.cut_ordered(Ordering::Release);
    }

    /// [`cut`](Self::cut) with another fence: for the model checker.
    pub fn cut_ordered(&self, before_zeros: Ordering) {
        self.cut.store(true, Ordering::Relaxed);
        fence_unless_relaxed(before_zeros);
    }

    /// Whether there are pages of zeros under the view. If a word that this thread has loaded from the view before is of
    /// such a page, it is true.
    pub fn is_cut(&self) -> bool {
        self.is_cut_ordered(Ordering::Acquire)
    }

    /// [`is_cut`](Self::is_cut) with another fence: for the model checker.
    pub fn is_cut_ordered(&self, after_words: Ordering) -> bool {
        fence_unless_relaxed(after_words);
        self.cut.load(Ordering::Relaxed)
    }
}

/// The views that the handler knows, at most `VIEWS`. All zeros at first.
#[derive(Debug)]
pub struct ViewTable<const VIEWS: usize> {
    /// Entries that were ever used: the handler looks no further.
    used: AtomicUsize,
    entries: [Guarded; VIEWS],
}

impl<const VIEWS: usize> ViewTable<VIEWS> {
    /// An empty table.
    #[cfg(not(loom))]
    pub const fn new() -> ViewTable<VIEWS> {
        ViewTable {
            used: AtomicUsize::new(0),
            entries: [const { Guarded::new() }; VIEWS],
        }
    }

    /// An empty table.
    #[cfg(loom)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> ViewTable<VIEWS> {
        ViewTable {
            used: AtomicUsize::new(0),
            entries: std::array::from_fn(|_| Guarded::new()),
        }
    }

    /// Enters a view, and returns its place. `None`: the table is full.
    ///
    /// `free` are the free places among those that were ever used: there is one list for each table.
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
                // Relaxed: changed only by who has the list.
                let used = self.used.load(Ordering::Relaxed);
                if used >= VIEWS {
                    return None;
                }
                // Relaxed: a handler that sees it finds zeros at least, which is a free entry, or its generation.
                self.used.store(used + 1, Ordering::Relaxed);
                used as u16
            }
        };
        self.entry(place).change(orders, start, len);
        Some(place)
    }

    /// Takes a view out.
    pub fn leave(&self, free: &mut Vec<u16>, place: u16) {
        self.leave_ordered(Orders::PROVED, free, place);
    }

    /// [`leave`](Self::leave) with orderings of the caller's choice: for the model checker.
    pub fn leave_ordered(&self, orders: Orders, free: &mut Vec<u16>, place: u16) {
        self.entry(place).change(orders, 0, 0);
        free.push(place);
    }

    /// The entry at a place that [`enter`](Self::enter) returned.
    pub fn entry(&self, place: u16) -> &Guarded {
        &self.entries[usize::from(place)]
    }

    /// The entry of the view in which `address` lies, with the view's first byte and length. To be called by who holds a
    /// borrow of that view, if there is one.
    pub fn find(&self, address: usize) -> Option<(&Guarded, usize, usize)> {
        self.find_ordered(Orders::PROVED, address)
    }

    /// [`find`](Self::find) with orderings of the caller's choice: for the model checker.
    pub fn find_ordered(&self, orders: Orders, address: usize) -> Option<(&Guarded, usize, usize)> {
        // Relaxed: who holds a borrow of the view sees that its place is used.
        let used = self.used.load(Ordering::Relaxed).min(VIEWS);
        self.entries[..used].iter().find_map(|entry| {
            let (start, len) = entry.view(orders)?;
            (address.wrapping_sub(start) < len).then_some((entry, start, len))
        })
    }
}
