//! The preamble: the part of a file before its records. It is enough for a reader that only needs to know
//! whose file it is.

use std::fs::File;
use std::io;
use std::path::Path;

use super::source::{Access, ReadError};
use super::v1;
use crate::format::bytes::Bytes;
use crate::format::header::{COMMITTED, Header, NAME_MOST};
use crate::sys::memory::read_map::{FileExt, RegularFile};

/// Bytes that are read first, a multiple of 8. One call is enough for every header but those with very long
/// paths.
const FIRST: usize = 1024;

/// The start of a file, in either format.
#[derive(Debug)]
pub struct Preamble {
    /// Its header.
    pub header: Header,
    /// The committed length, in bytes; `None` for format 1, which has none.
    pub committed: Option<u64>,
}

impl Preamble {
    /// Reads the start of a file that was just opened.
    pub fn read(path: &Path, opened: &RegularFile) -> Result<Preamble, ReadError> {
        // An array of words, so that the words that change are not torn.
        let mut words = [0u64; FIRST / 8];
        let first: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        let read = fill(&opened.file, first).map_err(|error| ReadError::io("read it", error))?;
        let first = &first[..read];
        if v1::is_old(first) {
            let header = v1::header(path, opened)?;
            return Ok(Preamble {
                header,
                committed: None,
            });
        }
        let stat = &opened.stat;
        let have = usize::try_from(stat.len).unwrap_or(usize::MAX).min(32);
        // Files consist of whole words.
        if read < have.next_multiple_of(8) {
            return Err(ReadError::cut());
        }
        let len = Header::length(&first[..have])?;
        if len as u64 > stat.len {
            return Err(ReadError::Bad(format!(
                "a header of {len} bytes in a file of {}",
                stat.len
            )));
        }
        if len <= FIRST {
            Preamble::decode(first.get(..len).ok_or_else(ReadError::cut)?)
        } else {
            Preamble::decode(&Access::Read(&opened.file).bytes(0, len)?)
        }
    }

    /// Decodes a whole header of format 3.
    fn decode(bytes: &[u8]) -> Result<Preamble, ReadError> {
        let header = Header::decode(bytes)?;
        if !(1..=NAME_MOST).contains(&header.model.len()) {
            let len = header.model.len();
            return Err(ReadError::Bad(format!("a model's name of {len} bytes")));
        }
        let mut committed = Bytes::new(&bytes[COMMITTED..], COMMITTED as u64);
        let committed = committed.u64("the committed length")?;
        Ok(Preamble {
            header,
            committed: Some(committed),
        })
    }
}

/// Reads from the start of a file until `bytes` is full or the file ends. Returns how many bytes were read.
fn fill(file: &File, bytes: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
