//! A list that only grows, and a table of such lists. They take no lock, so a fork cannot catch one held, and a
//! reentrant call from an allocator while a list grows does no harm.

use std::ptr;

use crate::sync::{AtomicPtr, FIND, PUBLISH};

/// A list that only grows. Entries stay until the list is dropped. Meant for few entries.
#[derive(Debug)]
pub struct AppendList<T: 'static> {
    first: AtomicPtr<Node<T>>,
}

#[derive(Debug)]
struct Node<T: 'static> {
    value: T,
    next: *const Node<T>,
}

// SAFETY: a node is written before it is shared and never again, so threads only share `&T`. A value moves into the
// list on one thread and may be dropped with it on another.
unsafe impl<T: Send + Sync> Sync for AppendList<T> {}

impl<T> AppendList<T> {
    /// An empty list.
    #[cfg(not(loom))]
    pub const fn new() -> AppendList<T> {
        AppendList {
            first: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// An empty list. (Not const: loom registers its atomics with the running model.)
    #[cfg(loom)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> AppendList<T> {
        AppendList {
            first: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Returns the entries, newest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        // Acquire: whoever sees a node sees its contents.
        from(self.first.load(FIND))
    }

    /// Adds an entry unless the list has one for which `same` holds. Returns whether it was added.
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
                // SAFETY: as above; it was never shared.
                drop(unsafe { Box::from_raw(new) });
                return false;
            }
            node.next = first;
            // If another thread was faster, its node is compared next.
            match self.first.compare_exchange(first, new, PUBLISH, FIND) {
                Ok(_) => return true,
                Err(now) => first = now,
            }
        }
    }
}

// (loom's atomics do not outlive the model they belong to.)
#[cfg(not(loom))]
impl<T> Drop for AppendList<T> {
    fn drop(&mut self) {
        let mut first = *self.first.get_mut();
        while !first.is_null() {
            // SAFETY: from `into_raw`; with `&mut self`, nobody has a reference into the list.
            let node = unsafe { Box::from_raw(first) };
            first = node.next.cast_mut();
        }
    }
}

/// A table whose entries are found by hash. Entries stay until the table is dropped.
#[cfg(any(feature = "metrics", feature = "tracing", test))]
#[derive(Debug)]
pub struct AppendTable<T: 'static> {
    lists: [AppendList<T>; LISTS],
}

/// Enough to keep lists short in a table of some thousand entries.
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

    /// Returns the entry with this hash for which `is` holds.
    pub fn find(&self, hash: u64, is: impl Fn(&T) -> bool) -> Option<&T> {
        self.list(hash).iter().find(|entry| is(entry))
    }

    /// Returns the entry with this hash for which `is` holds; adds `new` if there is none.
    pub fn find_or_push(&self, hash: u64, is: impl Fn(&T) -> bool, new: T) -> &T {
        let list = self.list(hash);
        list.push_unless(new, |other, _| is(other));
        list.iter().find(|entry| is(entry)).expect("it is there")
    }

    fn list(&self, hash: u64) -> &AppendList<T> {
        // The upper bits are those that hashers mix best.
        &self.lists[(hash >> 32) as usize % LISTS]
    }
}

/// Returns the values from a node on.
fn from<'a, T>(first: *const Node<T>) -> impl Iterator<Item = &'a T> {
    // SAFETY: null or a shared node, which is never written again, and freed only with the list.
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
            // Each hash is used twice.
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
