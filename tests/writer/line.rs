//! A value that shows whether it is torn.

use mmstats::MmValue;

/// Eight words that belong together: each is `n` times its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, MmValue)]
#[repr(C)]
pub struct Line {
    pub words: [u64; 8],
}

impl Line {
    /// Returns the whole value for `n`.
    pub fn of(n: u64) -> Line {
        Line {
            words: std::array::from_fn(|i| n.wrapping_mul(i as u64 + 1)),
        }
    }

    /// Returns `n` if the value is whole.
    pub fn whole(self) -> Option<u64> {
        (self == Line::of(self.words[0])).then_some(self.words[0])
    }
}
