//! A list that only grows, for what a process knows once: no lock, so a fork catches none, and an
//! allocator that comes back here while it grows does no harm.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The list. What is in it stays there until the process ends: for statics, and for few entries.
#[derive(Debug)]
pub struct AppendList<T: 'static> {
    first: AtomicPtr<Node<T>>,
}

#[derive(Debug)]
struct Node<T: 'static> {
    value: T,
    next: *const Node<T>,
}

// SAFETY: nodes are written before they are shared and never again, so threads only share `&T`; a value
// moves into the list on one thread and is never dropped on another, since none is dropped.
unsafe impl<T: Send + Sync> Sync for AppendList<T> {}

impl<T> AppendList<T> {
    /// An empty list.
    pub const fn new() -> AppendList<T> {
        AppendList {
            first: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// The entries, the latest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        // Acquire: pairs with the Release in `push_unless`; who sees a node sees what is in it.
        from(self.first.load(Ordering::Acquire))
    }

    /// Adds an entry unless one is there that is the `same`. Whether it was added.
    pub fn push_unless(&self, value: T, same: impl Fn(&T, &T) -> bool) -> bool {
        let new = Box::into_raw(Box::new(Node {
            value,
            next: ptr::null(),
        }));
        let mut first = self.first.load(Ordering::Acquire);
        loop {
            // SAFETY: from `into_raw` above, and not shared before the exchange below succeeds.
            let node = unsafe { &mut *new };
            if from(first).any(|other| same(other, &node.value)) {
                // SAFETY: as above; it never was shared.
                drop(unsafe { Box::from_raw(new) });
                return false;
            }
            node.next = first;
            // Release: see `iter`. Acquire, where another one was faster: its node is looked at next.
            match self
                .first
                .compare_exchange(first, new, Ordering::Release, Ordering::Acquire)
            {
                Ok(_) => return true,
                Err(now) => first = now,
            }
        }
    }
}

/// The values from a node on.
fn from<'a, T>(first: *const Node<T>) -> impl Iterator<Item = &'a T> {
    // SAFETY: null, or a node that was shared: never written again, and never freed.
    let node = |node: *const Node<T>| unsafe { node.as_ref() };
    std::iter::successors(node(first), move |this| node(this.next)).map(|node| &node.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_is_added_once_whoever_is_first() {
        static LIST: AppendList<usize> = AppendList::new();
        let added: usize = std::thread::scope(|scope| {
            let add = || {
                (0..100)
                    .filter(|n| LIST.push_unless(*n, |a, b| a == b))
                    .count()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(add)).collect();
            (threads.into_iter())
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!((added, LIST.iter().count()), (100, 100));
        assert_eq!(LIST.iter().sum::<usize>(), 4950);
    }
}
