//! What threads leave behind when they end, for the next thread that needs the same.
//!
//! A list with nodes made beforehand: pushing and taking are a few assignments under
//! [`LIST`](super::fork::LIST).

use std::any::{Any, TypeId};
use std::cell::UnsafeCell;

use super::fork::LIST;
use super::lock;

/// Something that can change hands, and of what type it is.
pub struct Orphan {
    /// Of what it is.
    pub key: TypeId,
    /// The thing itself.
    pub value: Box<dyn Any + Send>,
    next: Option<Box<Orphan>>,
}

impl Orphan {
    /// A node for `value`, not in the list yet.
    pub fn new(key: TypeId, value: Box<dyn Any + Send>) -> Box<Orphan> {
        Box::new(Orphan {
            key,
            value,
            next: None,
        })
    }
}

struct List(UnsafeCell<Option<Box<Orphan>>>);
// SAFETY: only touched under LIST; what is in it is Send.
unsafe impl Sync for List {}
static ORPHANS: List = List(UnsafeCell::new(None));

/// Adds an orphan.
pub fn push(mut orphan: Box<Orphan>) {
    lock::with(&LIST, || {
        // SAFETY: under LIST.
        let list = unsafe { &mut *ORPHANS.0.get() };
        orphan.next = list.take();
        *list = Some(orphan);
    });
}

/// Takes one of this type out, the latest first.
pub fn take(key: TypeId) -> Option<Box<Orphan>> {
    lock::with(&LIST, || {
        // SAFETY: under LIST.
        let mut link = unsafe { &mut *ORPHANS.0.get() };
        loop {
            if link.as_ref()?.key == key {
                let mut found = link.take()?;
                *link = found.next.take();
                return Some(found);
            }
            link = &mut link.as_mut()?.next;
        }
    })
}

/// In the child of a fork: the orphans are the parent's. They are forgotten, not dropped.
///
/// # Safety
/// LIST is held by the calling thread, the only one.
pub unsafe fn forget_in_child() {
    // SAFETY: the caller's promise.
    std::mem::forget(unsafe { (*ORPHANS.0.get()).take() });
}
