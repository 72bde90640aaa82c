//! Cells that can end, and how they are taken out of a table.

use std::ptr;
use std::sync::atomic::Ordering;

use super::ThreadTable;
use crate::format::generation::is_there;
use crate::sync::told_before_looking;
use crate::sys::lifecycle::idle;
use crate::writer::Writer;

/// A cell that can end.
#[derive(Clone, Copy)]
pub(super) struct EndableCell {
    pub(super) cell: *const (),
    pub(super) file: &'static Writer,
    /// The offset of its block.
    pub(super) block: u32,
    pub(super) place: &'static dyn idle::Place,
}

/// Where a thread finds a cell that can end: its table, and the index there.
#[derive(Debug)]
pub(super) struct CellPlace(pub(super) &'static ThreadTable, pub(super) usize);

impl idle::Place for CellPlace {
    fn forget(&self) {
        self.0.forget(self.1);
    }
}

impl ThreadTable {
    /// Takes out a cell that has ended. Its thread begins it anew when it is written again. Any thread may call
    /// this.
    fn forget(&self, index: usize) {
        // Pairs with those in `put` and `forget_ended`.
        told_before_looking();
        if let Some(cell) = self.slots().cells.get(index) {
            // Relaxed: a null pointer leads to nothing that is read.
            cell.store(ptr::null_mut(), Ordering::Relaxed);
        }
    }

    /// Takes out the cells that have ended. To be called when the table has grown: a cell that ended meanwhile may
    /// have been taken out of the old slots only.
    ///
    /// A thread that ends a metric stores its generation, and then loads the slots (`forget`). This thread has
    /// stored the slots, and now loads the generations. So the cell is taken out of the new slots, by that thread or
    /// by this one.
    pub(super) fn forget_ended(&self) {
        told_before_looking();
        for (index, ends) in self.mine.ending.borrow().iter() {
            self.forget_if_ended(*index, ends);
        }
    }

    /// Takes out a cell if it has ended. To be called after `told_before_looking`: the cell was stored before that,
    /// and a thread that ends it stores its generation before it takes the cell out. So either this call sees the
    /// generation, or the cell is taken out after it was stored.
    pub(super) fn forget_if_ended(&self, index: usize, ends: &EndableCell) {
        // Relaxed: see `told_before_looking`.
        if !is_there(ends.file.generation(ends.block).load(Ordering::Relaxed)) {
            self.forget(index);
        }
    }
}
