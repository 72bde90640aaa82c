//! Extents, as a kind has them: further space of a metric, in records of their own.

use std::collections::BTreeMap;

use crate::format::extent::Shape;

/// What a kind's extents are.
#[derive(Debug)]
pub struct Extents {
    /// Whether extents of this shape are its.
    pub is_extent: fn(Shape) -> bool,
    /// Words at the begin of a cell's buffer that change while the extent means the same.
    pub changing: usize,
    /// How a retired file takes in an extent; `None`: it has none of them.
    pub fold: Option<FoldExtent>,
}

/// Takes one more extent in: the words of its one cell that tell what it means (without zeros at the end), and
/// those that change. `words` are those of the metric, `into` the extents that the retired file has, by what
/// they mean.
pub type FoldExtent =
    fn(words: &mut [u64], into: &mut BTreeMap<Vec<u64>, Vec<u64>>, fixed: &[u64], changing: &[u64]);
