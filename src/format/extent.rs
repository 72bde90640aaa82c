//! Extents: further space of a metric, appended when it is first needed.
//!
//! The body of an extent record, after the record's head (8 bytes):
//!
//! ```text
//!   8  u32  offset in the file of the place of the metric that it belongs to, 0: a context of the file
//!  12  u32  number of the extent
//!  16  u32  offset of its values in the file, inside this record, a multiple of 64
//!  20  u32  number of cells
//!  24  u16  buffers of each cell: a power of two from 1 to 64
//!  26  u16  words of each buffer
//!  28  u32  plain words after the cells
//! ```
//!
//! A *cell* is a slot: a sequence and its buffers. The metric's kind defines what the cells mean. So a reader
//! copies all cells in the same way, as it copies the metrics of a block.

use super::bytes::{Bytes, Malformed};
use super::record::{PlacedRecord, Type, begin, place, placed};

/// Bytes of an extent record before its values.
pub const FIXED: usize = 32;

/// The layout of the values of an extent: cells, then plain words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Number of cells.
    pub cells: u32,
    /// Buffers of each cell.
    pub buffers: u16,
    /// Words of each buffer.
    pub words: u16,
    /// Plain words after the cells.
    pub plain: u32,
}

impl Shape {
    /// Words of a cell in the file: the sequence and the buffers.
    pub const fn cell(self) -> usize {
        1 + self.buffers as usize * self.words as usize
    }

    /// Words in the file.
    pub const fn total_words(self) -> usize {
        self.cells as usize * self.cell() + self.plain as usize
    }

    /// Bytes in the file, for any shape. (The methods that return a `usize`, which may have 32 bits, are only
    /// for shapes that fit into a record.)
    const fn bytes(self) -> u64 {
        let cell = 1 + self.buffers as u64 * self.words as u64;
        8 * (self.cells as u64 * cell + self.plain as u64)
    }

    /// Whether this is the shape of a context: one cell of one buffer.
    pub const fn is_context(self) -> bool {
        self.cells == 1 && self.buffers == 1 && self.words > 0 && self.plain == 0
    }

    /// Words of the values: for each cell the sequence and one buffer, then the plain words.
    pub const fn value_words(self) -> usize {
        self.cells as usize * (1 + self.words as usize) + self.plain as usize
    }
}

/// An extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Offset of the metric's place; 0 if it belongs to none.
    pub owner: u32,
    /// Its number.
    pub number: u32,
    /// Offset of its values.
    pub values: u32,
    /// Their layout.
    pub shape: Shape,
}

impl Extent {
    /// The record of an extent that begins at `at`. `self.values` is ignored; the record states where the
    /// values were placed.
    pub fn encode(&self, at: usize) -> PlacedRecord {
        let mut out = begin(Type::Extent);
        let (values, end) = place(at, FIXED, self.shape.total_words(), None);
        out.extend(self.owner.to_le_bytes());
        out.extend(self.number.to_le_bytes());
        out.extend((values as u32).to_le_bytes());
        out.extend(self.shape.cells.to_le_bytes());
        out.extend(self.shape.buffers.to_le_bytes());
        out.extend(self.shape.words.to_le_bytes());
        out.extend(self.shape.plain.to_le_bytes());
        placed(out, at, values, end)
    }

    /// Decodes the body of an extent record.
    pub fn decode(mut body: Bytes<'_>) -> Result<Extent, Malformed> {
        let extent = Extent {
            owner: body.u32("the owner's offset")?,
            number: body.u32("the extent's number")?,
            values: body.u32("the values' offset")?,
            shape: Shape {
                cells: body.u32("the number of cells")?,
                buffers: body.u16("the buffers of a cell")?,
                words: body.u16("the words of a buffer")?,
                plain: body.u32("the number of plain words")?,
            },
        };
        let buffers = extent.shape.buffers;
        if !buffers.is_power_of_two() || buffers > 64 {
            return Err(body.error(format!(
                "cells of {buffers} buffers, not a power of two from 1 to 64"
            )));
        }
        if extent.shape.bytes() > u32::MAX.into() {
            return Err(body.error("values of more bytes than a record can have".to_owned()));
        }
        Ok(extent)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::format::LINE;
    use crate::format::record::{HEAD, Head};

    #[test]
    fn what_was_encoded_is_decoded() {
        let extent = Extent {
            owner: 2048,
            number: 3,
            values: 0,
            shape: Shape {
                cells: 8,
                buffers: 1,
                words: 3,
                plain: 2,
            },
        };
        let placed = extent.encode(776);
        assert_eq!(placed.metadata.len(), FIXED);
        assert_eq!(placed.values % LINE, 0);
        assert!(placed.end >= placed.values + 8 * (8 * 4 + 2));
        let head = Head::decode(&placed.metadata, 776, 1 << 20).unwrap();
        assert_eq!(head.kind, Some(Type::Extent));
        assert_eq!(head.len, placed.end - 776);
        let read = Extent::decode(Bytes::new(&placed.metadata[HEAD..], 784)).unwrap();
        assert_eq!(
            read,
            Extent {
                values: placed.values as u32,
                ..extent
            }
        );
    }

    #[test]
    fn a_shape_of_more_bytes_than_a_record_is_refused() {
        let mut bytes = vec![0; 12];
        bytes.extend(u32::MAX.to_le_bytes()); // cells
        bytes.extend(64u16.to_le_bytes());
        bytes.extend(u16::MAX.to_le_bytes());
        bytes.extend(u32::MAX.to_le_bytes());
        assert!(Extent::decode(Bytes::new(&bytes, 8)).is_err());
        // One word less than 4 GiB.
        bytes[12..].fill(0);
        bytes[16] = 1;
        bytes[20..].copy_from_slice(&(u32::MAX / 8).to_le_bytes());
        let extent = Extent::decode(Bytes::new(&bytes, 8)).unwrap();
        assert_eq!(8 * extent.shape.total_words(), u32::MAX as usize - 7);
    }
}
