//! Limits what a file may make a reader allocate.

use crate::format::bytes::Malformed;
use crate::reader::plan::Plan;

/// What may be allocated for a file: a multiple of the space that it takes on disk or in memory, plus a
/// constant for file systems that store small or compressed files in almost no space. The file's length does
/// not count, because a sparse terabyte takes no terabyte.
#[derive(Debug, Default)]
pub(super) struct Budget {
    charged: u64,
    pub(super) most: u64,
    /// Whether more bytes are committed than are allocated.
    pub(super) sparse: bool,
}

impl Budget {
    const FACTOR: u64 = 16;
    const CONSTANT: u64 = 1 << 20;
    /// What a value costs beside its words in a file with holes: the cell of its label, its entry in the
    /// snapshot, and its entry in the file's own values. In a file without holes a value takes at least a
    /// word, so this cost is in proportion anyway.
    const VALUE: u64 = 600;

    /// Returns what the values of an instance cost once they are decoded, both merged and as the file's own.
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

/// Returns what may be allocated for a file that takes `allocated` bytes: see [`Budget`].
pub fn most(allocated: u64) -> u64 {
    Budget::FACTOR
        .saturating_mul(allocated)
        .saturating_add(Budget::CONSTANT)
}
