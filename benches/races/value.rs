//! The value of the races: it shows which publication it is from, and whether all of it is from one.

use mmstats::MmValue;

pub const WORDS: usize = 8;

/// Eight words that belong together: each is `n` times its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, MmValue)]
#[repr(C)]
pub struct Line {
    pub words: [u64; WORDS],
}

impl Line {
    #[inline(always)]
    pub fn of(n: u64) -> Line {
        Line {
            words: std::array::from_fn(|i| n.wrapping_mul(i as u64 + 1)),
        }
    }

    /// Returns `n` if the value is whole.
    #[inline(always)]
    pub fn whole(self) -> Option<u64> {
        (self == Line::of(self.words[0])).then_some(self.words[0])
    }
}
