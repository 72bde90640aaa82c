//! What a Timer or Percentile publishes with every value: count, sums, extremes and the last value.

use crate::sync::{AtomicU64, Ordering};

/// Words of the moments: one cache line.
///
/// ```text
/// 0 count   1,2 total (u128, low word first)   3,4 sum of squares (likewise, saturating)
/// 5 !minimum (so that zeros are "nothing yet")   6 maximum   7 last
/// ```
///
/// A last value that is not within minimum and maximum is not known. In a retired file none is known.
pub const MOMENTS: usize = 8;

/// Count, total, sum of squares, extremes and the last value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moments {
    /// Number of values.
    pub count: u64,
    /// Their sum.
    pub total: u128,
    /// The sum of their squares; `u128::MAX` if it did not fit.
    pub squares: u128,
    /// One's complement of the least value, so that 0 stands for no values.
    pub not_min: u64,
    /// The greatest value; 0 if there are no values.
    pub max: u64,
    /// The last value.
    pub last: u64,
}

impl Moments {
    /// Decodes the words of a slot.
    #[inline(always)]
    pub fn from_words(words: &[u64; MOMENTS]) -> Moments {
        let wide = |low: u64, high: u64| u128::from(low) | u128::from(high) << 64;
        Moments {
            count: words[0],
            total: wide(words[1], words[2]),
            squares: wide(words[3], words[4]),
            not_min: words[5],
            max: words[6],
            last: words[7],
        }
    }

    /// Loads what this thread, the only writer, has published in a buffer.
    #[inline(always)]
    pub fn load(buffer: &[AtomicU64]) -> Moments {
        // Relaxed: as the only writer, this thread reads its own stores.
        Moments::from_words(&std::array::from_fn(|i| buffer[i].load(Ordering::Relaxed)))
    }

    /// Returns the words of a slot.
    #[inline(always)]
    pub fn to_words(self) -> [u64; MOMENTS] {
        [
            self.count,
            self.total as u64,
            (self.total >> 64) as u64,
            self.squares as u64,
            (self.squares >> 64) as u64,
            self.not_min,
            self.max,
            self.last,
        ]
    }

    /// Adds a value. The total cannot overflow: 2⁶⁴ values below 2⁶⁴ fit.
    #[inline(always)]
    pub fn with(self, value: u64) -> Moments {
        let wide = u128::from(value);
        Moments {
            count: self.count.wrapping_add(1),
            total: self.total.wrapping_add(wide),
            squares: match self.squares.checked_add(wide * wide) {
                Some(squares) => squares,
                None => too_large(),
            },
            not_min: self.not_min.max(!value),
            max: self.max.max(value),
            last: value,
        }
    }

    /// The words that [`often`](Self::often) leaves as they are: the upper halves of the sums, and the
    /// extremes.
    pub const SELDOM: [usize; 4] = [2, 4, 5, 6];

    /// Returns the words that a value usually changes, with their new contents: the count, the lower halves of
    /// the sums, and the last value. `None` if it changes others as well: it is a new extreme, its square does
    /// not fit into a word, or a sum has a carry.
    #[inline(always)]
    pub fn often(before: &[AtomicU64], value: u64) -> Option<[(usize, u64); 4]> {
        // Relaxed: as in `load`.
        let word = |i: usize| before[i].load(Ordering::Relaxed);
        // In this order everything fits into the registers that a function may use without saving them.
        if !value > word(5) || value > word(6) {
            return None;
        }
        let squares = value.checked_mul(value)?.checked_add(word(3))?;
        let total = word(1).checked_add(value)?;
        Some([
            (0, word(0).wrapping_add(1)),
            (1, total),
            (3, squares),
            (7, value),
        ])
    }

    /// Merges both. The last value has no time, so of two writers' values neither is the last. The caller has
    /// to say so (`Distribution` does, and a retired file does by being one). The word is 0.
    pub fn merge(self, other: Moments) -> Moments {
        // Without values there are no extremes, whatever a file contains.
        let extremes = |of: Moments| match of.count {
            0 => (0, 0),
            _ => (of.not_min, of.max),
        };
        let ((own_min, own_max), (other_min, other_max)) = (extremes(self), extremes(other));
        Moments {
            count: self.count.saturating_add(other.count),
            total: self.total.saturating_add(other.total),
            squares: self.squares.saturating_add(other.squares),
            not_min: own_min.max(other_min),
            max: own_max.max(other_max),
            last: 0,
        }
    }
}

/// Returns the sum that stands for one that does not fit. It is out of line, so that there is a branch and not
/// a dependency.
#[cold]
#[inline(never)]
fn too_large() -> u128 {
    u128::MAX
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_changes_often_is_what_a_value_changes() {
        let full = |count, total, squares| Moments {
            count,
            total,
            squares,
            not_min: !10,
            max: 1000,
            last: 10,
        };
        let carried = u128::from(u64::MAX);
        for (moments, value, often) in [
            (full(2, 1010, 1_000_100), 10, true),
            (full(2, 1010, 1_000_100), 500, true),
            (full(2, 1010, 1_000_100), 1000, true),
            (full(2, 1010, 1_000_100), 9, false),
            (full(2, 1010, 1_000_100), 1001, false),
            (full(9, carried - 10, carried << 32), 10, true),
            (full(9, carried - 10, carried << 32), 11, false),
            (full(9, carried, carried - 400), 20, false),
            (full(9, 5, carried - 400), 20, true),
            (full(9, 5, carried - 399), 20, false),
            // The square alone is larger than a word.
            (
                Moments {
                    max: u64::MAX,
                    ..full(2, 5, 5)
                },
                1 << 32,
                false,
            ),
            (Moments::default(), 0, false),
            (Moments::default(), 7, false),
        ] {
            let words = moments.to_words().map(AtomicU64::new);
            let after = moments.with(value);
            let changed = Moments::often(&words, value);
            assert_eq!(changed.is_some(), often, "{moments:?} and {value}");
            for (index, word) in changed.into_iter().flatten() {
                words[index].store(word, Ordering::Relaxed);
            }
            if often {
                assert_eq!(Moments::load(&words), after);
            }
            let seldom = |moments: Moments| Moments::SELDOM.map(|i| moments.to_words()[i]);
            assert_eq!(seldom(moments) == seldom(after), often);
        }
    }

    #[test]
    fn no_values_have_no_extremes() {
        let nothing = Moments {
            not_min: u64::MAX,
            max: u64::MAX,
            ..Moments::default()
        };
        let five = Moments::default().with(5);
        for merged in [five.merge(nothing), nothing.merge(five)] {
            assert_eq!((merged.count, !merged.not_min, merged.max), (1, 5, 5));
        }
    }
}
