//! What a file may make a reader allocate.

use crate::format::bytes::Malformed;
use crate::reader::plan::Plan;

/// What may be allocated for a file: a multiple of what it takes on the disk or in memory, for a
/// length says nothing (a sparse terabyte is no terabyte), and a little for file systems that keep
/// small or compressed files in next to nothing.
#[derive(Debug, Default)]
pub(super) struct Budget {
    charged: u64,
    pub(super) most: u64,
    /// Whether more is committed than there are blocks.
    pub(super) sparse: bool,
}

impl Budget {
    const FACTOR: u64 = 16;
    const CONSTANT: u64 = 1 << 20;
    /// What a value costs beside its words in a file with holes: its label's cell, and an entry of the
    /// snapshot, one of the file's own values, too. Where there are no holes a value has a word at least,
    /// so that this is in proportion by itself.
    const VALUE: u64 = 600;

    /// What the values of an instance cost once they are decoded: merged, and those of the file.
    pub(super) fn decoded(&self, plan: &Plan, labels: u64) -> u64 {
        let values = if self.sparse {
            labels + Self::VALUE * plan.metrics.len() as u64
        } else {
            0
        };
        values + labels + 2 * plan.decoded as u64
    }

    pub(super) fn charge(&mut self, bytes: u64, at: u64, what: &str) -> Result<(), Malformed> {
        self.charged = self.charged.saturating_add(bytes);
        if self.charged > self.most {
            return Err(Malformed {
                offset: at,
                what: format!("{what}: out of proportion to the space that the file takes"),
            });
        }
        Ok(())
    }
}

/// What may be allocated for a file that takes `allocated` bytes: see [`Budget`].
pub fn most(allocated: u64) -> u64 {
    Budget::FACTOR
        .saturating_mul(allocated)
        .saturating_add(Budget::CONSTANT)
}
