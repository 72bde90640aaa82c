//! The cells of a thread, in which `local` finds its files. They are emptied when the thread ends, and in the child
//! of a fork.

use std::cell::Cell;
use std::ptr;

/// The cells of a thread's `local` files, in a list that lives in the thread's own storage.
#[derive(Debug)]
pub struct ThreadCell {
    /// What `local` uses; null: nothing.
    pub model: Cell<*const ()>,
    /// The model, while `model` is null because the next call of `local` has something to do first.
    pub parked: Cell<*const ()>,
    next: Cell<*const ThreadCell>,
    entered: Cell<bool>,
}

thread_local! {
    /// The first of this thread's cells.
    static CELLS: Cell<*const ThreadCell> = const { Cell::new(ptr::null()) };
}

impl ThreadCell {
    /// An empty cell.
    pub const fn new() -> ThreadCell {
        ThreadCell {
            model: Cell::new(ptr::null()),
            parked: Cell::new(ptr::null()),
            next: Cell::new(ptr::null()),
            entered: Cell::new(false),
        }
    }

    /// Enters the cell into its thread's list, once.
    ///
    /// # Safety
    /// The cell must be a thread-local of this thread that needs no drop, so that it lives as long as the thread.
    pub unsafe fn enter(&self) {
        if !self.entered.replace(true) {
            self.next.set(CELLS.replace(self));
        }
    }
}

/// Empties every cell of this thread.
pub fn clear_thread_cells() {
    let mut cell = CELLS.get();
    // SAFETY: by the contract of `enter`, cells in the list live as long as this thread.
    while let Some(this) = unsafe { cell.as_ref() } {
        this.model.set(ptr::null());
        this.parked.set(ptr::null());
        cell = this.next.get();
    }
}

/// Parks the model of every cell of this thread: the next `local` of each takes the path of a first call.
pub fn park_thread_cells() {
    let mut cell = CELLS.get();
    // SAFETY: as in `clear_thread_cells`.
    while let Some(this) = unsafe { cell.as_ref() } {
        let model = this.model.replace(ptr::null());
        if !model.is_null() {
            this.parked.set(model);
        }
        cell = this.next.get();
    }
}
