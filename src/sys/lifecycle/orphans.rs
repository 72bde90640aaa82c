//! What threads leave behind when they end, for the next thread that needs the same.
//!
//! A list whose nodes are made beforehand, so pushing and taking are a few assignments under a lock.

use std::any::{Any, TypeId};
use std::cell::UnsafeCell;

/// Something that can change hands, with its type.
pub struct Orphan {
    /// The type by which it is found.
    pub key: TypeId,
    /// The thing itself.
    pub value: Box<dyn Any + Send>,
    next: Option<Box<Orphan>>,
}

impl Orphan {
    /// Makes a node for `value` that is not in the list yet.
    pub fn new(key: TypeId, value: Box<dyn Any + Send>) -> Box<Orphan> {
        Box::new(Orphan {
            key,
            value,
            next: None,
        })
    }
}

/// A list of orphans. Whoever touches it must hold its lock.
pub struct Orphans(UnsafeCell<Option<Box<Orphan>>>);
// SAFETY: by the contract of the methods, only one thread at a time touches it, and the lock orders them; its
// contents are Send.
unsafe impl Sync for Orphans {}

impl Orphans {
    /// An empty list.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Orphans {
        Orphans(UnsafeCell::new(None))
    }

    /// Adds an orphan.
    ///
    /// # Safety
    /// The calling thread must hold the list's lock.
    pub unsafe fn push(&self, mut orphan: Box<Orphan>) {
        // SAFETY: the caller's promise; the reference ends with this call.
        let list = unsafe { &mut *self.0.get() };
        orphan.next = list.take();
        *list = Some(orphan);
    }

    /// Takes out the newest orphan with this key.
    ///
    /// # Safety
    /// The calling thread must hold the list's lock.
    pub unsafe fn take(&self, key: TypeId) -> Option<Box<Orphan>> {
        // SAFETY: the caller's promise; the reference ends with this call.
        let mut link = unsafe { &mut *self.0.get() };
        loop {
            if link.as_ref()?.key == key {
                let mut found = link.take()?;
                *link = found.next.take();
                return Some(found);
            }
            link = &mut link.as_mut()?.next;
        }
    }
}

/// The orphans of this process.
#[cfg(not(loom))]
mod of_process {
    use super::{Orphan, Orphans, TypeId};
    use crate::sys::process::lock::{self, RawLock};

    /// Guards the list. Nothing is allocated under it. A fork takes it first (`handlers`).
    pub static LIST: RawLock = RawLock::new();

    static ORPHANS: Orphans = Orphans::new();

    /// Adds an orphan.
    pub fn push(orphan: Box<Orphan>) {
        // SAFETY: under LIST.
        lock::with(&LIST, || unsafe { ORPHANS.push(orphan) });
    }

    /// Takes out the newest orphan with this key.
    pub fn take(key: TypeId) -> Option<Box<Orphan>> {
        // SAFETY: under LIST.
        lock::with(&LIST, || unsafe { ORPHANS.take(key) })
    }

    /// Empties the list in the child of a fork: the orphans are the parent's. They are forgotten, not dropped.
    ///
    /// # Safety
    /// The calling thread must hold LIST and be the only thread.
    pub unsafe fn forget_in_child() {
        // SAFETY: the caller's promise.
        std::mem::forget(unsafe { (*ORPHANS.0.get()).take() });
    }
}
#[cfg(all(not(loom), unix))]
pub use of_process::{LIST, forget_in_child};
#[cfg(not(loom))]
pub use of_process::{push, take};
