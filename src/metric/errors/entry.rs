//! The entries of an error log, as they are in a file.
//!
//! An entry is an extent of the file (`format::extent`) with one cell of two buffers. Each buffer holds the
//! whole entry:
//!
//! ```text
//! | count | first | last | context | lengths | flags | name, site, message, sources … |
//! ```
//!
//! A *message* entry is one distinct error. When the log is full, it is reused for another error. A *total*
//! entry counts all errors of one name and place, and is kept for ever.
//!
//! # Why a reader never mixes two errors
//!
//! Counts and texts are words of one publication. The slot protocol (`format::slot`, unchanged, checked in
//! `tests/loom.rs`) gives a reader all words of one publication or none. A known error stores only the first
//! words. "Some words only" there requires that the other words were the same in the last two publications. A
//! new text is therefore published twice, once into each buffer.

use crate::format::extent::Shape;
use crate::sys::memory::words::Width;

/// Buffers of a cell.
pub(in crate::metric) const BUFFERS: usize = 2;
/// Words at the beginning of a buffer that change while the entry stays the same error: count, first time, last
/// time, context.
pub(in crate::metric) const CHANGING: usize = 4;
/// Words before the texts.
pub(in crate::metric) const FIXED: usize = CHANGING + 2;

/// Flag: the entry is a note.
pub(in crate::metric) const NOTE: u64 = 1;
/// Flag: the entry is a total.
pub(in crate::metric) const TOTAL: u64 = 2;

/// The most entries of either sort, in one log of one file.
pub(in crate::metric) const MOST: usize = 256;
/// A message: 2 KiB with the head of its record. All have one size, so that each fits into the extent of any
/// other.
#[derive(Clone, Copy, Debug)]
pub(in crate::metric) struct MessageWidth;

impl Width for MessageWidth {
    const WORDS: usize = 123;
}

/// A total: 768 bytes with the head of its record.
#[derive(Clone, Copy, Debug)]
pub(in crate::metric) struct TotalWidth;

impl Width for TotalWidth {
    const WORDS: usize = 43;
}

/// Returns the shape of the extent of an entry with this many words.
pub(in crate::metric) fn shape_of(words: usize) -> Shape {
    Shape {
        cells: 1,
        buffers: BUFFERS as u16,
        words: words as u16,
        plain: 0,
    }
}

/// Indices of the metric's plain words.
pub(super) mod plain {
    /// All errors.
    pub const ALL: usize = 0;
    /// Errors that no message ever counted, because the file had no space for any.
    pub const OVERFLOW: usize = 1;
    /// How many times a message was dropped for a new one.
    pub const EVICTED: usize = 2;
    /// Errors that no total counts.
    pub const UNNAMED: usize = 3;
}

/// Number of plain words.
pub(in crate::metric) const PLAIN: usize = 4;
