//! A list that only grows, and a table of such lists: no lock, so a fork catches none, and an allocator that comes back
//! here while it grows does no harm.

use std::ptr;

use crate::sync::{AtomicPtr, FIND, PUBLISH};

/// The list. What is in it stays there as long as the list: for few entries.
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
// moves into the list on one thread and may be dropped with it on another.
unsafe impl<T: Send + Sync> Sync for AppendList<T> {}

impl<T> AppendList<T> {
    /// An empty list.
    #[cfg(not(loom))]
    pub const fn new() -> AppendList<T> {
        AppendList {
            first: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// An empty list. (Not const: loom enters its atomics into the model that runs.)
    #[cfg(loom)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> AppendList<T> {
        AppendList {
            first: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// The entries, the latest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        // Who sees a node sees what is in it.
        from(self.first.load(FIND))
    }

    /// Adds an entry unless one is there that is the `same`. Whether it was added.
    pub fn push_unless(&self, value: T, same: impl Fn(&T, &T) -> bool) -> bool {
        let new = Box::into_raw(Box::new(Node {
            value,
            next: ptr::null(),
        }));
        let mut first = self.first.load(FIND);
        loop {
            // SAFETY: from `into_raw` above, and not shared before the exchange below succeeds.
            let node = unsafe { &mut *new };
            if from(first).any(|other| same(other, &node.value)) {
                // SAFETY: as above; it never was shared.
                drop(unsafe { Box::from_raw(new) });
                return false;
            }
            node.next = first;
            // Where another one was faster, its node is looked at next.
            match self.first.compare_exchange(first, new, PUBLISH, FIND) {
                Ok(_) => return true,
                Err(now) => first = now,
            }
        }
    }
}

// (loom's atomics are gone with the model that they are of.)
#[cfg(not(loom))]
impl<T> Drop for AppendList<T> {
    fn drop(&mut self) {
        let mut first = *self.first.get_mut();
        while !first.is_null() {
            // SAFETY: from `into_raw`; `&mut self`: nobody has a reference into the list.
            let node = unsafe { Box::from_raw(first) };
            first = node.next.cast_mut();
        }
    }
}

/// A table whose entries are found by a hash. What is in it stays there as long as the table.
#[cfg(any(feature = "metrics", feature = "tracing", test))]
#[derive(Debug)]
pub struct AppendTable<T: 'static> {
    lists: [AppendList<T>; LISTS],
}

/// So many that lists are short where a table has some thousand entries.
#[cfg(any(feature = "metrics", feature = "tracing", test))]
const LISTS: usize = 1024;

#[cfg(all(any(feature = "metrics", feature = "tracing", test), not(loom)))]
impl<T> AppendTable<T> {
    /// An empty table.
    pub fn new() -> AppendTable<T> {
        AppendTable {
            lists: [const { AppendList::new() }; LISTS],
        }
    }

    /// The entry of this hash for which `is` holds.
    pub fn find(&self, hash: u64, is: impl Fn(&T) -> bool) -> Option<&T> {
        self.list(hash).iter().find(|entry| is(entry))
    }

    /// The entry of this hash for which `is` holds: the one that is there, or else `new`.
    pub fn find_or_push(&self, hash: u64, is: impl Fn(&T) -> bool, new: T) -> &T {
        let list = self.list(hash);
        list.push_unless(new, |other, _| is(other));
        list.iter().find(|entry| is(entry)).expect("it is there")
    }

    fn list(&self, hash: u64) -> &AppendList<T> {
        // The upper bits: hashers mix them best.
        &self.lists[(hash >> 32) as usize % LISTS]
    }
}

/// The values from a node on.
fn from<'a, T>(first: *const Node<T>) -> impl Iterator<Item = &'a T> {
    // SAFETY: null, or a node that was shared: never written again, and never freed.
    let node = |node: *const Node<T>| unsafe { node.as_ref() };
    std::iter::successors(node(first), move |this| node(this.next)).map(|node| &node.value)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_table_finds_what_was_put_there_and_drops_it_once() {
        let value = std::sync::Arc::new(());
        let table = AppendTable::new();
        for n in 0..3000u64 {
            // Some have the hash of others.
            let hash = (n % 1500) << 32;
            assert!(table.find(hash, |(m, _)| *m == n).is_none());
            for _ in 0..2 {
                let entry = table.find_or_push(hash, |(m, _)| *m == n, (n, value.clone()));
                assert_eq!(entry.0, n);
            }
        }
        assert_eq!(std::sync::Arc::strong_count(&value), 3001);
        drop(table);
        assert_eq!(std::sync::Arc::strong_count(&value), 1);
    }

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
