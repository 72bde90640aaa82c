//! The entries of an error log, as a file has them.
//!
//! An entry is an extent of the file (`format::extent`) of one cell of two buffers, each of which has all that
//! the entry says:
//!
//! ```text
//! | count | first | last | context | lengths | flags | name, site, message, sources … |
//! ```
//!
//! A *message* entry is one distinct error. It is used again for another one when the log is full. A *total*
//! entry counts all errors of one name and place, and is kept for ever.
//!
//! # Why a reader never mixes two errors
//!
//! Counts and texts are words of one publication. The slot protocol (`format::slot`, unchanged, checked in
//! `tests/loom.rs`) gives a reader all words of one publication or none. A known error stores only the first
//! words: "Some words only" there asks that the others were the same in the last two publications, so a
//! new text is published twice, once into each buffer.

use crate::format::extent::Shape;
use crate::sys::memory::words::Width;

/// Buffers of a cell.
pub(in crate::metric) const BUFFERS: usize = 2;
/// Words at the begin of a buffer that change while the entry means the same: count, first time, last time,
/// context.
pub(in crate::metric) const CHANGING: usize = 4;
/// Words before the texts.
pub(in crate::metric) const FIXED: usize = CHANGING + 2;

/// Flag: it is a note.
pub(in crate::metric) const NOTE: u64 = 1;
/// Flag: it is a total.
pub(in crate::metric) const TOTAL: u64 = 2;

/// Most entries of either sort, of one log in one file.
pub(in crate::metric) const MOST: usize = 256;
/// A message: 2 KiB with the head of its record. All have one size, so that each fits into the extent of each.
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

/// The extent of an entry with so many words.
pub(in crate::metric) fn shape_of(words: usize) -> Shape {
    Shape {
        cells: 1,
        buffers: BUFFERS as u16,
        words: words as u16,
        plain: 0,
    }
}

/// Numbers of the plain words of the metric.
pub(super) mod plain {
    /// All errors.
    pub const ALL: usize = 0;
    /// Those that no message ever had: the file had no space for any.
    pub const OVERFLOW: usize = 1;
    /// How many times a message was dropped for a new one.
    pub const EVICTED: usize = 2;
    /// Errors that no total has.
    pub const UNNAMED: usize = 3;
}

/// How many plain words there are.
pub(in crate::metric) const PLAIN: usize = 4;
