//! The cells of a table, by number.

use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering};

use super::ThreadTable;
use crate::shared::number::Number;

/// The cells of a table. They are replaced when the table grows; the old ones stay, because other threads may be
/// looking at them.
pub(super) struct Slots {
    pub(super) cells: Box<[AtomicPtr<()>]>,
    pub(super) table: &'static ThreadTable,
    /// The slots that these replace, kept in sight of leak detectors.
    _older: Option<&'static Slots>,
}

/// The minimum number of cells in a table.
pub(super) const FEW: usize = 64;

impl Slots {
    pub(super) fn new(
        table: &'static ThreadTable,
        len: usize,
        old: Option<&'static Self>,
    ) -> &'static Self {
        let cells = (0..len).map(|_| AtomicPtr::new(ptr::null_mut()));
        Box::leak(Box::new(Slots {
            cells: cells.collect(),
            table,
            _older: old,
        }))
    }

    /// Returns the cell of a number. For the table's own thread `order` is Relaxed: that thread made the cell
    /// itself, or took it over through the list of orphans. A thread that looks into the table of another thread
    /// needs FIND, to see what is in the cell.
    #[inline(always)]
    pub(super) fn find<C>(&self, number: Number<C>, order: Ordering) -> Option<&'static C> {
        let cell = self.cells.get(number.index())?.load(order);
        // SAFETY: null, or put here by `put` under a number of cells `C`. A number is given to one kind of cell. What
        // was put here is never freed.
        Some(unsafe { NonNull::new(cell.cast::<C>())?.as_ref() })
    }
}
