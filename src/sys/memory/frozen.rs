//! Collections that only grow and return references to their values meanwhile.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::ptr::NonNull;

use hashbrown::{Equivalent, HashMap};

use super::hashing::{self, RandomState};

/// A map from keys to values. A value stays at its address until it is taken out, and after that until the
/// [`Taken`] returned by [`take`](FrozenMap::take) is dropped.
///
/// The `Hash` and `Eq` of a key may be the user's. They run while the table is borrowed: a reentrant lookup may
/// find nothing, and a reentrant insertion panics.
///
/// Values are stored as pointers from `Box::into_raw`: a `Box` in the table would be moved when the table grows,
/// which invalidates every reference into it (Stacked Borrows).
pub struct FrozenMap<K, T, S = RandomState> {
    values: RefCell<HashMap<K, NonNull<T>, S>>,
}

impl<K, T> Default for FrozenMap<K, T> {
    fn default() -> FrozenMap<K, T> {
        FrozenMap::with_hasher(hashing::random_state())
    }
}

impl<K, T, S> FrozenMap<K, T, S> {
    /// An empty map whose keys `hasher` hashes.
    pub fn with_hasher(hasher: S) -> FrozenMap<K, T, S> {
        FrozenMap {
            values: RefCell::new(HashMap::with_hasher(hasher)),
        }
    }
}

impl<K: Eq + Hash, T, S: BuildHasher + Clone + Default> FrozenMap<K, T, S> {
    /// Returns the value of a key. An equivalent of the key will do, if it has the same hash.
    #[inline]
    pub fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<&T> {
        let value = *self.values.try_borrow().ok()?.get(key)?;
        // SAFETY: from `Box::into_raw` in `insert`; freed only in `drop` and `drain`, which have `&mut self`, or by
        // `Taken`, whose owner promises that no reference is left. Only shared references are made.
        Some(unsafe { value.as_ref() })
    }

    /// Takes a value out of the map. References to it stay valid until the returned [`Taken`] is dropped.
    ///
    /// # Safety
    /// The caller must not drop the value while references to it exist. (A forgotten value leaks.)
    pub unsafe fn take<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<(K, Taken<T>)> {
        let (key, value) = self.values.try_borrow_mut().ok()?.remove_entry(key)?;
        Some((key, Taken(value)))
    }

    /// Adds a value and returns it, or returns the existing one, if any.
    ///
    /// Nothing is allocated or freed while the table is borrowed, because an instrumented allocator may call back
    /// into this map.
    pub fn insert(&self, key: K, value: Box<T>) -> &T {
        self.make_room();
        if let Some(known) = self.get(&key) {
            return known;
        }
        // SAFETY: `Box::into_raw` is never null.
        let value = unsafe { NonNull::new_unchecked(Box::into_raw(value)) };
        self.values.borrow_mut().insert(key, value);
        // SAFETY: as in `get`.
        unsafe { value.as_ref() }
    }

    /// Puts back a value that was taken out. (If the key has another value by now, it leaks.)
    pub fn put_back(&self, key: K, value: Taken<T>) {
        self.make_room();
        if self.get(&key).is_none() {
            self.values.borrow_mut().insert(key, value.0);
        }
        std::mem::forget(value);
    }

    /// Takes all values out. No references to them exist: the map is borrowed exclusively.
    pub fn drain(&mut self) -> impl Iterator<Item = Box<T>> {
        let values = std::mem::take(self.values.get_mut());
        values.into_values().map(|value| {
            // SAFETY: as in `drop`.
            unsafe { Box::from_raw(value.as_ptr()) }
        })
    }

    /// Makes room for one more value, in a second table beside the present one.
    fn make_room(&self) {
        loop {
            let (len, hasher) = {
                let values = self.values.borrow();
                if values.len() < values.capacity() {
                    return;
                }
                (values.len(), values.hasher().clone())
            };
            let mut table = HashMap::with_capacity_and_hasher(2 * len + 4, hasher);
            let mut values = self.values.borrow_mut();
            // The allocator may have added too many values in between.
            if values.len() < table.capacity() {
                table.extend(values.drain());
                std::mem::swap(&mut *values, &mut table);
            }
            drop(values);
        }
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.values.borrow().len()
    }

    /// Returns the keys, in no particular order. `K::clone` must not allocate: the table is borrowed.
    pub fn keys(&self) -> Vec<K>
    where
        K: Clone,
    {
        let mut keys = Vec::new();
        // As in `insert`, space is allocated before the table is borrowed.
        while keys.capacity() < self.len() {
            keys.reserve(self.len());
        }
        keys.extend(self.values.borrow().keys().take(keys.capacity()).cloned());
        keys
    }
}

/// A value that was taken out of a [`FrozenMap`].
///
/// (Not a `Box`: moving one would invalidate references that still exist.)
pub struct Taken<T>(NonNull<T>);

impl<T> Taken<T> {
    /// Returns the value.
    pub fn value(&self) -> &T {
        // SAFETY: as in `FrozenMap::get`.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Drop for Taken<T> {
    fn drop(&mut self) {
        // SAFETY: from `Box::into_raw`; the caller of `take` promised that no reference is left.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

impl<K, T, S> Drop for FrozenMap<K, T, S> {
    fn drop(&mut self) {
        for value in self.values.get_mut().values() {
            // SAFETY: from `Box::into_raw`; with `&mut self`, no reference into the map is left.
            drop(unsafe { Box::from_raw(value.as_ptr()) });
        }
    }
}

impl<K, T, S> fmt::Debug for FrozenMap<K, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the keys: printing them may allocate, and the table must not be borrowed then.
        write!(f, "{} values", self.values.borrow().len())
    }
}

/// Values of any types, each at a fixed address until the list is dropped.
#[derive(Default)]
pub struct FrozenList {
    values: RefCell<Vec<NonNull<dyn Any>>>,
}

impl FrozenList {
    /// Adds a value and returns a reference to it.
    pub fn push<T: 'static>(&self, value: T) -> &T {
        let value = Box::into_raw(Box::new(value));
        // SAFETY: `Box::into_raw` is never null.
        let kept: NonNull<T> = unsafe { NonNull::new_unchecked(value) };
        self.make_room();
        self.values.borrow_mut().push(kept);
        // SAFETY: freed only in `drop`; only shared references are made.
        unsafe { &*value }
    }
}

impl FrozenList {
    /// Makes room for one more value. As in [`FrozenMap`], nothing is allocated or freed while the list is
    /// borrowed.
    fn make_room(&self) {
        loop {
            let len = self.values.borrow().len();
            if len < self.values.borrow().capacity() {
                return;
            }
            let mut list = Vec::with_capacity(2 * len + 4);
            let mut values = self.values.borrow_mut();
            if values.len() < list.capacity() {
                list.append(&mut values);
                std::mem::swap(&mut *values, &mut list);
            }
            drop(values);
        }
    }
}

impl Drop for FrozenList {
    fn drop(&mut self) {
        for value in self.values.get_mut() {
            // SAFETY: from `Box::into_raw`; with `&mut self`, no reference into the list is left.
            drop(unsafe { Box::from_raw(value.as_ptr()) });
        }
    }
}

impl fmt::Debug for FrozenList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values", self.values.borrow().len())
    }
}
