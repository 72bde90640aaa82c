//! Format 3: what the bytes of a stats file mean; and [format 1](v1), for reading what python-mmstats
//! wrote. Pure: no I/O, nothing of the platform.
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

/// `n` rounded up to a multiple of the power of two `to`.
pub const fn round_up(n: usize, to: usize) -> usize {
    (n + to - 1) & !(to - 1)
}
