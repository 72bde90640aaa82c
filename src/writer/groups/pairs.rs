//! Pairs of a key and a value by which a group is looked up, in any order.
//!
//! A lookup copies and sorts nothing. The hash is the sum of the pairs' hashes, so it is the same in every order.
//! The keys of a group are distinct, so pairs are those of a group if there are as many of them and each pair of the
//! group is among them.

use std::hash::{BuildHasher, Hash, Hasher};
use std::rc::Rc;

use hashbrown::Equivalent;

use crate::format::labels::Labels;
use crate::sys::memory::hashing::RandomState;

/// Pairs, each at an index.
pub trait Pairs {
    /// Returns the number of pairs.
    fn len(&self) -> usize;

    /// Returns the key and the value at `index`.
    fn pair(&self, index: usize) -> (&str, &str);

    /// Returns a copy of the pairs.
    fn to_labels(&self) -> Labels {
        let pair = |index| {
            let (key, value) = self.pair(index);
            (key.to_owned(), value.to_owned())
        };
        (0..self.len()).map(pair).collect()
    }
}

/// The pairs that the user passes.
impl Pairs for &[(&str, &str)] {
    fn len(&self) -> usize {
        <[_]>::len(self)
    }

    fn pair(&self, index: usize) -> (&str, &str) {
        self[index]
    }
}

/// The hasher of pairs in the table. It passes on the sum of their hashes, which is a hash already.
#[derive(Clone, Debug, Default)]
pub struct AsHashed(u64);

impl Hasher for AsHashed {
    fn write(&mut self, _: &[u8]) {
        unreachable!("a key is hashed as one number");
    }

    #[inline]
    fn write_u64(&mut self, sum: u64) {
        self.0 = sum;
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

/// Pairs to look up.
pub struct LookupPairs<'a, P> {
    pub(super) pairs: &'a P,
    hash: u64,
}

impl<'a, P: Pairs> LookupPairs<'a, P> {
    /// Prepares a lookup in a table whose keys were hashed with the same `state`.
    #[inline]
    pub fn new(pairs: &'a P, state: &RandomState) -> LookupPairs<'a, P> {
        let hash = |index| {
            let mut hasher = state.build_hasher();
            let (key, value) = pairs.pair(index);
            // Unlike `Hash`, this adds no end marker after each text. Someone who knows the keys cannot use that to
            // make hashes equal.
            hasher.write(key.as_bytes());
            hasher.write(value.as_bytes());
            hasher.finish()
        };
        let hash = (0..pairs.len()).map(hash).fold(0, u64::wrapping_add);
        LookupPairs { pairs, hash }
    }

    /// Returns whether this pair is at this index.
    #[inline(always)]
    fn is_at(&self, index: usize, (key, value): &(String, String)) -> bool {
        let (wanted_key, wanted) = self.pairs.pair(index);
        is_same(wanted_key.as_bytes(), key.as_bytes())
            && is_same(wanted.as_bytes(), value.as_bytes())
    }

    /// Returns whether each of the kept pairs, of which there are as many, is at some index. Most often the pairs
    /// come in the order in which they first came, and this is not called.
    #[inline(never)]
    fn is_turned(&self, kept: &[(String, String)]) -> bool {
        kept.iter()
            .all(|pair| (0..kept.len()).any(|index| self.is_at(index, pair)))
    }

    /// Returns a copy of them for the table.
    pub fn to_kept(&self) -> OwnedPairs {
        OwnedPairs {
            pairs: self.pairs.to_labels().into(),
            hash: self.hash,
        }
    }
}

impl<P> Hash for LookupPairs<'_, P> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl<P: Pairs> Equivalent<OwnedPairs> for LookupPairs<'_, P> {
    #[inline]
    fn equivalent(&self, kept: &OwnedPairs) -> bool {
        let kept = &*kept.pairs;
        kept.len() == self.pairs.len()
            && ((kept.iter().enumerate()).all(|(index, pair)| self.is_at(index, pair))
                || self.is_turned(kept))
    }
}

/// Returns `a == b`, without a call if they are short, as keys and values are.
#[inline(always)]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    /// The first and the last `N` bytes, which overlap where there are fewer than `2 * N`.
    fn ends<const N: usize>(bytes: &[u8]) -> Option<(&[u8; N], &[u8; N])> {
        Some((bytes.first_chunk()?, bytes.last_chunk()?))
    }
    if a.len() != b.len() {
        return false;
    }
    match a.len() {
        17.. => a == b,
        8.. => ends::<8>(a) == ends(b),
        4.. => ends::<4>(a) == ends(b),
        1.. => ends::<1>(a) == ends(b) && a[a.len() / 2] == b[a.len() / 2],
        0 => true,
    }
}

/// The pairs of a group, and their hash. Cloning them does not allocate.
#[derive(Clone)]
pub struct OwnedPairs {
    pairs: Rc<[(String, String)]>,
    hash: u64,
}

// Hashes like `LookupPairs`.
impl Hash for OwnedPairs {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl PartialEq for OwnedPairs {
    fn eq(&self, other: &OwnedPairs) -> bool {
        self.pairs == other.pairs
    }
}

impl Eq for OwnedPairs {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::hashing;

    #[test]
    fn the_order_of_pairs_does_not_matter() {
        let state = hashing::random_state();
        let pairs = [("b", "2"), ("a", "1"), ("c", "3"), ("aa", "")];
        let kept = LookupPairs::new(&&pairs[..], &state).to_kept();
        let is = |pairs: &[(&str, &str)]| {
            let wanted = LookupPairs::new(&pairs, &state);
            let is = wanted.equivalent(&kept);
            if is {
                assert_eq!(state.hash_one(&wanted), state.hash_one(&kept));
            }
            is
        };
        for [a, b, c, d] in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
            assert!(is(&[pairs[a], pairs[b], pairs[c], pairs[d]]));
        }
        assert!(!is(&pairs[..3]));
        assert!(!is(&[("b", "2"), ("a", "1"), ("c", "3"), ("aa", "x")]));
        // The same number of pairs, but one of them twice.
        assert!(!is(&[("b", "2"), ("a", "1"), ("a", "1"), ("aa", "")]));
        assert!(!is(&[]));
    }

    #[test]
    fn short_texts_are_the_same_only_if_each_byte_is() {
        for len in 0..40 {
            let a: Vec<u8> = (0..len).collect();
            assert!(is_same(&a, &a.clone()));
            for at in 0..a.len() {
                let mut b = a.clone();
                b[at] ^= 128;
                assert!(!is_same(&a, &b), "{len} bytes, byte {at}");
            }
            assert!(!is_same(&a, &[&a[..], &[0]].concat()));
        }
    }
}
