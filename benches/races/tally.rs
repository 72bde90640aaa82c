//! What a reader counts, and how it reads: like the library, in tries with a pause between them.

use std::time::{Duration, Instant};

/// The result of one try to read a value.
pub enum Try {
    /// The whole value of this number.
    Whole(u64),
    /// Accepted, but mixed from two values.
    Torn,
    /// Not accepted.
    Rejected,
}

/// Tries before a snapshot gives up on a value, as many as in the library.
pub const BOUND: u64 = 4_000;

/// What a reader saw.
#[derive(Default)]
pub struct Tally {
    /// Values accepted.
    pub reads: u64,
    pub torn: u64,
    pub backwards: u64,
    pub rejected: u64,
    /// The longest run of tries without a value; `None` where the library does not report it.
    pub longest: Option<u64>,
    /// Values that could not be read whole within the bound.
    pub missed: u64,
    pub elapsed: Duration,
}

impl Tally {
    /// Counts a whole value, which should not be older than `last`.
    pub fn whole(&mut self, n: u64, last: &mut u64) {
        self.reads += 1;
        self.backwards += u64::from(n < *last);
        *last = n;
    }

    /// Counts a torn value.
    pub fn torn(&mut self) {
        self.reads += 1;
        self.torn += 1;
    }

    /// Reads repeatedly for `time`.
    #[inline(always)]
    pub fn run(time: Duration, mut attempt: impl FnMut() -> Try) -> Tally {
        let mut tally = Tally {
            longest: Some(0),
            ..Tally::default()
        };
        let (mut last, mut random) = (0, 0x9e37_79b9u32);
        let start = Instant::now();
        while start.elapsed() < time {
            for _ in 0..64 {
                let mut tries = 1;
                loop {
                    match attempt() {
                        Try::Whole(n) => tally.whole(n, &mut last),
                        Try::Torn => tally.torn(),
                        Try::Rejected => {
                            tally.rejected += 1;
                            if tries < BOUND {
                                tries += 1;
                                // xorshift32, as in the library's pause.
                                random ^= random << 13;
                                random ^= random >> 17;
                                random ^= random << 5;
                                (0..random % 32).for_each(|_| std::hint::spin_loop());
                                continue;
                            }
                            tally.missed += 1;
                            tries += 1;
                        }
                    }
                    break;
                }
                tally.longest = tally.longest.max(Some(tries - 1));
            }
        }
        tally.elapsed = start.elapsed();
        tally
    }

    /// Returns `of` per million reads.
    pub fn per_million(&self, of: u64) -> f64 {
        of as f64 * 1e6 / self.reads.max(1) as f64
    }

    /// Returns the percentage of tries that were rejected.
    pub fn rejected_percent(&self) -> f64 {
        let tries = self.reads + self.rejected;
        100.0 * self.rejected as f64 / tries.max(1) as f64
    }

    /// Returns the percentage of snapshots without the value.
    pub fn missed_percent(&self) -> f64 {
        let snapshots = self.reads + self.missed;
        100.0 * self.missed as f64 / snapshots.max(1) as f64
    }
}
