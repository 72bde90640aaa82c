//! Pairs of a key and a value by which a group is looked up, in any order.
//!
//! To find them nothing is copied: they are put in order by their indices, on the stack, and the table compares
//! them with its own by [`ByKey`].

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use crate::format::labels::{LABELS_MOST, Labels};

/// Pairs that can be read in ascending order of their keys.
pub trait ByKey {
    /// How many there are.
    fn len(&self) -> usize;

    /// The key and the value of number `index`, in that order.
    fn pair(&self, index: usize) -> (&str, &str);
}

impl Hash for dyn ByKey + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for index in 0..self.len() {
            self.pair(index).hash(state);
        }
    }
}

impl PartialEq for dyn ByKey + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && (0..self.len()).all(|index| self.pair(index) == other.pair(index))
    }
}

impl Eq for dyn ByKey + '_ {}

/// Pairs in the table. To clone them allocates nothing.
#[derive(Clone)]
pub struct Pairs(Rc<Labels>);

impl Pairs {
    /// A copy of these.
    pub fn new(pairs: &dyn ByKey) -> Pairs {
        Pairs(labels(pairs).into())
    }
}

/// A copy of pairs, as labels.
pub fn labels(pairs: &dyn ByKey) -> Labels {
    let pair = |index| {
        let (key, value) = pairs.pair(index);
        (key.to_owned(), value.to_owned())
    };
    (0..pairs.len()).map(pair).collect()
}

impl ByKey for Pairs {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn pair(&self, index: usize) -> (&str, &str) {
        let (key, value) = &self.0[index];
        (key, value)
    }
}

impl<'a> Borrow<dyn ByKey + 'a> for Pairs {
    fn borrow(&self) -> &(dyn ByKey + 'a) {
        self
    }
}

// As what it borrows as.
impl Hash for Pairs {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Borrow::<dyn ByKey>::borrow(self).hash(state);
    }
}

impl PartialEq for Pairs {
    fn eq(&self, other: &Pairs) -> bool {
        self.0 == other.0
    }
}

impl Eq for Pairs {}

/// The user's pairs, which may stand in any order.
pub struct Sorted<'a> {
    pairs: &'a [(&'a str, &'a str)],
    /// The first ones are the indices of the pairs.
    order: [u8; LABELS_MOST],
}

impl<'a> Sorted<'a> {
    /// Puts the pairs in order; `None` if they are more than a group can have. Of two pairs with one key the order
    /// is as it was: they are no labels.
    #[inline]
    pub fn new(pairs: &'a [(&'a str, &'a str)]) -> Option<Sorted<'a>> {
        if pairs.len() > LABELS_MOST {
            return None;
        }
        let mut order = [0; LABELS_MOST];
        // By insertion: a handful of pairs, most often in order.
        for (index, (key, _)) in pairs.iter().enumerate() {
            let mut at = index;
            while at > 0 && pairs[usize::from(order[at - 1])].0 > *key {
                order[at] = order[at - 1];
                at -= 1;
            }
            order[at] = index as u8;
        }
        Some(Sorted { pairs, order })
    }
}

impl ByKey for Sorted<'_> {
    fn len(&self) -> usize {
        self.pairs.len()
    }

    fn pair(&self, index: usize) -> (&str, &str) {
        self.pairs[usize::from(self.order[index])]
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::*;
    use crate::sys::memory::hashing;

    #[test]
    fn the_order_of_pairs_does_not_matter() {
        let state = hashing::random_state();
        let pairs = [("b", "2"), ("a", "1"), ("c", "3"), ("aa", "")];
        let first = Sorted::new(&pairs).unwrap();
        let kept = Pairs::new(&first);
        let keys: Vec<&str> = (0..4).map(|index| first.pair(index).0).collect();
        assert_eq!(keys, ["a", "aa", "b", "c"]);
        for [a, b, c, d] in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
            let pairs = [pairs[a], pairs[b], pairs[c], pairs[d]];
            let sorted = Sorted::new(&pairs).unwrap();
            let sorted: &dyn ByKey = &sorted;
            assert!(sorted == Borrow::<dyn ByKey>::borrow(&kept));
            assert_eq!(state.hash_one(sorted), state.hash_one(&kept));
        }
        for other in [
            &pairs[..3],
            &[("b", "2"), ("a", "1"), ("c", "3"), ("aa", "x")],
        ] {
            let sorted = Sorted::new(other).unwrap();
            let sorted: &dyn ByKey = &sorted;
            assert!(sorted != Borrow::<dyn ByKey>::borrow(&kept), "{other:?}");
        }
        assert!(Sorted::new(&[("", ""); LABELS_MOST]).is_some());
        assert!(Sorted::new(&[("", ""); LABELS_MOST + 1]).is_none());
    }
}
