//! Notes: what a file does not record, and why, for its readers.
//!
//! The body of a note record, after the head of every record:
//!
//! ```text
//!   8  u16  cause: 1 group, 2 growth
//!  10  u16  length of the text
//!  12  u32  zero
//!  16  text
//! ```
//!
//! A writer reserves space for one note of each cause from the beginning, because the most frequent cause is
//! that a file cannot grow.

use super::bytes::{Bytes, Malformed, cut};
use super::record::{self, Type};

/// What a note is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// A group was refused: it and later groups are counted under `_other`.
    Group,
    /// The file could not grow: histograms count coarsely, and histories and error logs keep their present
    /// length.
    Growth,
    /// A cause that this version does not know. The text says what it is.
    Unknown(u16),
}

/// What is not recorded in a file, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub(crate) cause: Cause,
    pub(crate) text: String,
}

/// Bytes of the longest text that a writer stores.
const TEXT_MOST: usize = 240;
/// Bytes before the text.
const FIXED: usize = 16;
/// Bytes of the longest record.
pub const LONGEST: usize = FIXED + TEXT_MOST;
/// The number of causes for which a writer has notes.
const CAUSES: usize = 2;
/// Bytes that a writer reserves for notes.
pub const RESERVED: usize = CAUSES * LONGEST;

impl Cause {
    /// Its number in the file.
    pub(crate) fn code(self) -> u16 {
        match self {
            Cause::Group => 1,
            Cause::Growth => 2,
            Cause::Unknown(code) => code,
        }
    }

    fn of(code: u16) -> Cause {
        match code {
            1 => Cause::Group,
            2 => Cause::Growth,
            code => Cause::Unknown(code),
        }
    }
}

impl Note {
    /// Its cause.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// What happened and what to do, in a sentence. Escape it with [`printable`](crate::reader::printable)
    /// before you print it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The bytes of its record. A text that is too long is cut.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let text = cut(&self.text, TEXT_MOST);
        let mut out = record::begin(Type::Note);
        out.extend(self.cause.code().to_le_bytes());
        out.extend((text.len() as u16).to_le_bytes());
        out.extend(0u32.to_le_bytes());
        out.extend(text.as_bytes());
        record::end(out)
    }

    /// Decodes the body of a note record.
    pub(crate) fn decode(mut body: Bytes<'_>) -> Result<Note, Malformed> {
        let cause = Cause::of(body.u16("the cause")?);
        let len = body.u16("the text's length")?;
        body.u32("zero")?;
        let text = body.text(len.into(), "the text")?;
        Ok(Note { cause, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written_and_fits_its_space() {
        for (cause, text) in [
            (Cause::Group, "full".to_owned()),
            (Cause::Growth, "é".repeat(1000)),
            (Cause::Unknown(77), String::new()),
        ] {
            let record = Note {
                cause,
                text: text.clone(),
            }
            .encode();
            assert!(record.len() <= LONGEST && record.len().is_multiple_of(8));
            let note = Note::decode(Bytes::new(&record[record::HEAD..], 0)).unwrap();
            assert_eq!(
                (note.cause, note.text.as_str()),
                (cause, cut(&text, TEXT_MOST))
            );
        }
    }
}
