//! Collections that only grow, and hand out references while they do.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::ptr::NonNull;

use super::seed::{self, RandomState};

/// A map from names to values. What is in it stays there, at its address, as long as the map.
///
/// The values are kept as pointers from `Box::into_raw`: a `Box` in the table would be moved when
/// the table grows, which ends the validity of every reference into it (Stacked Borrows).
pub struct FrozenMap<T> {
    values: RefCell<HashMap<Box<str>, NonNull<T>, RandomState>>,
}

impl<T> Default for FrozenMap<T> {
    fn default() -> FrozenMap<T> {
        FrozenMap {
            values: RefCell::new(HashMap::with_hasher(seed::random_state())),
        }
    }
}

impl<T> FrozenMap<T> {
    /// The value of a name.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&T> {
        let value = *self.values.borrow().get(name)?;
        // SAFETY: from `Box::into_raw` in `insert`, freed only in `drop`; shared references only.
        Some(unsafe { value.as_ref() })
    }

    /// Adds a value; gives the one that is there already, if there is one.
    pub fn insert(&self, name: &str, value: T) -> &T {
        let new = || {
            // SAFETY: `Box::into_raw` is never null.
            unsafe { NonNull::new_unchecked(Box::into_raw(Box::new(value))) }
        };
        let value = *self
            .values
            .borrow_mut()
            .entry(name.into())
            .or_insert_with(new);
        // SAFETY: as in `get`.
        unsafe { value.as_ref() }
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.values.borrow().len()
    }

    /// The names, in no order.
    pub fn names(&self) -> Vec<String> {
        self.values
            .borrow()
            .keys()
            .map(|name| name.to_string())
            .collect()
    }
}

impl<T> Drop for FrozenMap<T> {
    fn drop(&mut self) {
        for value in self.values.get_mut().values() {
            // SAFETY: from `Box::into_raw`; `&mut self`: no reference into the map is left.
            drop(unsafe { Box::from_raw(value.as_ptr()) });
        }
    }
}

impl<T> fmt::Debug for FrozenMap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// Values of any types that stay at their addresses as long as the list.
#[derive(Default)]
pub struct FrozenList {
    values: RefCell<Vec<NonNull<dyn Any>>>,
}

impl FrozenList {
    /// Adds a value.
    pub fn push<T: 'static>(&self, value: T) -> &T {
        let value = Box::into_raw(Box::new(value));
        // SAFETY: `Box::into_raw` is never null.
        let kept: NonNull<T> = unsafe { NonNull::new_unchecked(value) };
        self.values.borrow_mut().push(kept);
        // SAFETY: freed only in `drop`; shared references only.
        unsafe { &*value }
    }
}

impl Drop for FrozenList {
    fn drop(&mut self) {
        for value in self.values.get_mut() {
            // SAFETY: from `Box::into_raw`; `&mut self`: no reference into the list is left.
            drop(unsafe { Box::from_raw(value.as_ptr()) });
        }
    }
}

impl fmt::Debug for FrozenList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values", self.values.borrow().len())
    }
}
