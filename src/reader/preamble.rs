//! The preamble: what a file says before its records. A reader that only wants to know whose file it is needs no more.

use std::fs::File;
use std::io;
use std::path::Path;

use super::source::{Access, Trouble};
use super::v1;
use crate::format::bytes::Bytes;
use crate::format::header::{COMMITTED, Header, NAME_MOST};
use crate::sys::memory::read_map::{FileExt, Opened};

/// Bytes that are read at first, a multiple of 8: one call for every header but those with the longest
/// of paths.
const FIRST: usize = 1024;

/// The start of a file, in either format.
#[derive(Debug)]
pub struct Preamble {
    /// Its header.
    pub header: Header,
    /// What it says is complete, in bytes; `None`: it is of format 1, which says nothing of the kind.
    pub committed: Option<u64>,
}

impl Preamble {
    /// Reads the start of a file that was just opened.
    pub fn read(path: &Path, opened: &Opened) -> Result<Preamble, Trouble> {
        // Words, so that those that change are read whole.
        let mut words = [0u64; FIRST / 8];
        let first: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        let read = fill(&opened.file, first).map_err(|error| Trouble::io("read it", error))?;
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
        // Files are of whole words.
        if read < have.next_multiple_of(8) {
            return Err(Trouble::cut());
        }
        let len = Header::length(&first[..have])?;
        if len as u64 > stat.len {
            return Err(Trouble::Bad(format!(
                "a header of {len} bytes in a file of {}",
                stat.len
            )));
        }
        if len <= FIRST {
            Preamble::decode(first.get(..len).ok_or_else(Trouble::cut)?)
        } else {
            Preamble::decode(&Access::Read(&opened.file).bytes(0, len)?)
        }
    }

    /// Decodes a whole header of ours.
    fn decode(bytes: &[u8]) -> Result<Preamble, Trouble> {
        let header = Header::decode(bytes)?;
        if !(1..=NAME_MOST).contains(&header.model.len()) {
            let len = header.model.len();
            return Err(Trouble::Bad(format!("a model's name of {len} bytes")));
        }
        let mut committed = Bytes::new(&bytes[COMMITTED..], COMMITTED as u64);
        let committed = committed.u64("the committed length")?;
        Ok(Preamble {
            header,
            committed: Some(committed),
        })
    }
}

/// Reads from the begin of a file until `bytes` are full or it ends; how many there are.
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
