//! A slot most of whose words change seldom: they are stored again only until every buffer has them.

use std::cell::Cell;

use crate::format::slot;
use crate::sync::{AtomicU64, Ordering};
use crate::sys::memory::words::{Slot, Width};

/// A slot of which most publications store a few words: see "Some words only" in [`slot`].
pub(super) struct SeldomSlot<W: Width> {
    slot: Slot<W>,
    /// Buffers that may not have the seldom words of the last publication. 0: all have them.
    without: Cell<usize>,
}

impl<W: Width> SeldomSlot<W> {
    pub(super) fn new(slot: Slot<W>) -> SeldomSlot<W> {
        SeldomSlot {
            slot,
            without: Cell::new(slot.buffers()),
        }
    }

    /// The buffer of the last publication.
    #[inline(always)]
    pub(super) fn last(&self) -> &[AtomicU64] {
        // Relaxed: this thread is the only writer.
        let p = slot::published(self.slot.sequence().load(Ordering::Relaxed));
        self.slot.buffer(p)
    }

    /// Publishes what `often` makes of the last publication, in the words that it names. False, and nothing
    /// is published, if it says that others change as well, or if not all buffers have those: then
    /// [`update_all`](Self::update_all) is to follow.
    ///
    /// `often` may read nothing but the buffer to decide what to store: in the child of a fork the file has
    /// become zeros, in all buffers, and this handle does not know.
    #[inline(always)]
    pub(super) fn update_often<const K: usize>(
        &self,
        often: impl FnOnce(&[AtomicU64]) -> Option<[(usize, u64); K]>,
    ) -> bool {
        // A copy: the stores below could be to the handle, for all that the compiler knows.
        let slot = self.slot;
        self.without.get() == 0 && slot::update_some(slot.sequence(), |p| slot.buffer(p), often)
    }

    /// Publishes all words; `seldom` are the numbers of those that `often` leaves out.
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
