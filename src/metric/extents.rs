//! Extents as a kind defines them: further space of a metric, in records of their own.

use std::collections::BTreeMap;

use crate::format::extent::Shape;

/// The extents of a kind.
#[derive(Debug)]
pub struct Extents {
    /// Returns whether an extent of this shape belongs to the kind.
    pub is_extent: fn(Shape) -> bool,
    /// Words at the beginning of a cell's buffer that may change while the extent stands for the same thing.
    pub changing: usize,
    /// How a retired file takes in an extent; `None` if it keeps none of them.
    pub fold: Option<FoldExtent>,
}

/// Takes in one more extent. `fixed` are the words of its one cell that say what it stands for (without zeros
/// at the end), `changing` are those that change. `words` are the words of the metric, and `into` holds the
/// extents of the retired file, keyed by what they stand for.
pub type FoldExtent =
    fn(words: &mut [u64], into: &mut BTreeMap<Vec<u64>, Vec<u64>>, fixed: &[u64], changing: &[u64]);
