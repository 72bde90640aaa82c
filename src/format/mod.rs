//! Format 3: the meaning of the bytes of a stats file; and [format 1](v1), for reading files of
//! python-mmstats. Pure: no I/O, nothing that depends on the platform.
//!
//! The normative text is `docs/FORMAT.md`; `tests/` compares its offsets with the constants here.
//!
//! ```text
//! | header | record | record | … | committed length                 | reserved, zero …
//!            schema   instance      ^ one Release store publishes a record
//! ```

pub mod bytes;
pub mod description;
pub mod extent;
pub mod float_histogram;
pub mod generation;
pub mod header;
pub mod histogram;
pub mod labels;
pub mod level;
pub mod note;
pub mod owner;

pub mod record;
pub mod removal;
pub mod retired;
#[cfg(all(test, not(loom)))]
mod roundtrip;
pub mod scalar;
pub mod schema;
pub mod slot;
pub mod temp_name;
pub mod v1;

/// Alignment of a block of values in the file: a cache line.
pub const LINE: usize = 64;

/// Rounds `n` up to a multiple of `to`, which is a power of two.
pub const fn round_up(n: usize, to: usize) -> usize {
    (n + to - 1) & !(to - 1)
}
