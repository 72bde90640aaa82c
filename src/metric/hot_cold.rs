//! A slot in which most words change rarely: these are stored again only until every buffer has them.

use std::cell::Cell;

use crate::format::slot;
use crate::sync::{AtomicU64, Ordering};
use crate::sys::memory::words::{Slot, Width};

/// A slot in which most publications store only a few words: see "Some words only" in [`slot`].
pub(super) struct SeldomSlot<W: Width> {
    slot: Slot<W>,
    /// How many buffers may lack the seldom words of the last publication. 0: all have them.
    without: Cell<usize>,
}

impl<W: Width> SeldomSlot<W> {
    pub(super) fn new(slot: Slot<W>) -> SeldomSlot<W> {
        SeldomSlot {
            slot,
            without: Cell::new(slot.buffers()),
        }
    }

    /// Returns the buffer of the last publication.
    #[inline(always)]
    pub(super) fn last(&self) -> &[AtomicU64] {
        // Relaxed: this thread is the only writer.
        let p = slot::published(self.slot.sequence().load(Ordering::Relaxed));
        self.slot.buffer(p)
    }

    /// Publishes the words that `often` computes from the last publication. Returns false, and publishes
    /// nothing, if `often` returns `None` because other words change as well, or if not all buffers have
    /// those words. Then call [`update_all`](Self::update_all).
    ///
    /// To decide what to store, `often` may read nothing but the buffer: in the child of a fork all buffers
    /// of the file have become zeros, and this handle does not know it.
    #[inline(always)]
    pub(super) fn update_often<const K: usize>(
        &self,
        often: impl FnOnce(&[AtomicU64]) -> Option<[(usize, u64); K]>,
    ) -> bool {
        // A copy, because the compiler must assume that the stores below may change the handle.
        let slot = self.slot;
        self.without.get() == 0 && slot::update_some(slot.sequence(), |p| slot.buffer(p), often)
    }

    /// Publishes all words; `seldom` are the indices of those that `often` leaves out.
    #[inline(always)]
    pub(super) fn update_all<const N: usize>(
        &self,
        seldom: &[usize],
        next: impl FnOnce(&[AtomicU64]) -> [u64; N],
    ) {
        let slot = self.slot;
        let mut same = true;
        slot::update(
            slot.sequence(),
            |p| slot.buffer(p),
            |before| {
                let words = next(before);
                for &i in seldom {
                    // Relaxed: this thread is the only writer.
                    same &= before[i].load(Ordering::Relaxed) == words[i];
                }
                words
            },
        );
        let others = if same {
            self.without.get()
        } else {
            slot.buffers()
        };
        self.without.set(others.saturating_sub(1));
    }
}
