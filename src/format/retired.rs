//! The record of a retired file that names the files folded into it.
//!
//! A model's directory has at most one retired file, [`RETIRED_FILE`]. It is an ordinary stats file whose
//! instances have the totals of processes that have ended, with a record of type 4:
//!
//! ```text
//!   8  u64  how many files were folded into it, ever
//!  16  u32  how many of them are named here: the first one and the last 1024, or all; the latest last
//!  20  u32  how many of these, the last ones, may still be there
//!  24  bytes  the names, one after another
//!   .  u64  creation time of the earliest file that was ever folded into it; may be missing
//! ```
//!
//! Each name, padded to a multiple of 8:
//!
//! ```text
//!   0  u64  creation time, as in the header of the file
//!   8  u64  lock token, likewise
//!  16  u64  start time of the process, likewise
//!  24  u32  pid of the creator
//!  28  u32  tid of the creator
//!  32  u16  length of the file's name
//!  34  bytes  the file's name in this directory
//! ```
//!
//! The file never changes: folding writes a new one and renames it over the old one. So one step both adds
//! the totals of some files (at most 1024) and names them. A process that is killed before or after that step
//! has lost nothing and doubled nothing: readers ignore the files that are named, and the next process that
//! folds removes them.
//!
//! # Proof that a reader counts each file once
//!
//! A reader looks at the retired file (A), lists and reads the other files, and looks at the retired file
//! again (B). It uses the totals of B, and ignores the files that A or B name. Let a file F, in the listing
//! or not, be folded by the step f.
//!
//! 1. *f after B.* F is not in B's totals. It existed when the directory was listed, because files are
//!    removed only after they have been folded. So it is read and counted: neither A nor B names it, because
//!    f comes later.
//! 2. *f before B.* F is in B's totals. If it was read, it must be ignored. Nothing is folded before all
//!    files of the previous step are gone, and one step folds at most [`NAMED`] files. So a file that still
//!    exists is named. If f is before A, and F still existed after A, A names it. If f is between A and B, B
//!    names it, unless more than [`NAMED`] files were folded between A and B. In that case the reader sees
//!    from both counts that it must start over.

use super::bytes::{Bytes, Malformed, cut, pad};
use super::header::{Header, NAME_MOST};
use super::record::{self, Type};

/// Name of the retired file in a model's directory.
pub const RETIRED_FILE: &str = "mmstats-retired";

/// How many files stay named after they are gone, and how many one step may fold. This is more than others
/// can fold while a directory is read.
pub const NAMED: usize = 1024;

/// What was folded into a retired file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retired {
    /// How many files were ever folded.
    pub folds: u64,
    /// How many of the named files, the last ones, may still exist.
    pub unseen: usize,
    /// The first file, by which these totals are known elsewhere, and the last [`NAMED`], or all; the latest
    /// is last.
    pub named: Vec<Folded>,
    /// Creation time of the earliest of all, in nanoseconds since 1970-01-01 UTC. Earlier versions did not
    /// write it; for these it is that of the earliest named file.
    pub since: u64,
}

/// A file that was folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    /// Identifies it.
    pub id: FileId,
    /// Its name in the directory.
    pub name: String,
}

/// Identifies a file wherever it lies, by what its creator wrote into its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    created: u64,
    token: u64,
    start_time: u64,
    pid: u32,
    tid: u32,
}

impl FileId {
    /// The identity of the file with this header.
    pub fn of(header: &Header) -> FileId {
        FileId {
            created: header.created,
            token: header.lock.token,
            start_time: header.start_time,
            pid: header.pid,
            tid: header.tid,
        }
    }
}

#[cfg(feature = "push")]
impl FileId {
    /// The identity as words.
    pub(crate) fn words(&self) -> [u64; 4] {
        let ids = u64::from(self.pid) << 32 | u64::from(self.tid);
        [self.created, self.token, self.start_time, ids]
    }
}

impl Default for Retired {
    fn default() -> Retired {
        Retired {
            folds: 0,
            unseen: 0,
            named: Vec::new(),
            since: u64::MAX,
        }
    }
}

impl Retired {
    /// The record.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = record::begin(Type::Retired);
        out.extend(self.folds.to_le_bytes());
        for count in [self.named.len(), self.unseen] {
            out.extend((count as u32).to_le_bytes());
        }
        for Folded { id, name } in &self.named {
            for word in [id.created, id.token, id.start_time] {
                out.extend(word.to_le_bytes());
            }
            for id in [id.pid, id.tid] {
                out.extend(id.to_le_bytes());
            }
            let name = cut(name, NAME_MOST);
            out.extend((name.len() as u16).to_le_bytes());
            out.extend(name.as_bytes());
            pad(&mut out, 8);
        }
        out.extend(self.since.to_le_bytes());
        record::end(out)
    }

    /// Decodes the body of the record.
    pub fn decode(mut body: Bytes<'_>) -> Result<Retired, Malformed> {
        let folds = body.u64("the number of folded files")?;
        let count = body.u32("the number of names")?;
        let unseen = body.u32("how many may be there")? as usize;
        let mut named = Vec::new();
        for _ in 0..count {
            let id = FileId {
                created: body.u64("the creation time")?,
                token: body.u64("the lock token")?,
                start_time: body.u64("the start time")?,
                pid: body.u32("the pid")?,
                tid: body.u32("the tid")?,
            };
            let len = usize::from(body.u16("the name's length")?);
            let name = body.text(len, "the file's name")?;
            body.align(8, "padding")?;
            named.push(Folded { id, name });
        }
        let named_first = named.iter().map(|file| file.id.created).min();
        let since = if body.left() < 8 {
            named_first.unwrap_or(u64::MAX)
        } else {
            body.u64("the earliest creation time")?
        };
        Ok(Retired {
            since,
            folds,
            unseen: unseen.min(named.len()),
            named,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::record::HEAD;

    fn some(count: u64) -> Retired {
        let folded = |n: u64| Folded {
            id: FileId {
                created: 1_795_214_569_920_000_000 + n,
                token: 77,
                start_time: 4711,
                pid: 812,
                tid: 815 + n as u32,
            },
            name: format!("mmstats-812-{}", 815 + n * 1000),
        };
        Retired {
            folds: 4000 + count,
            unseen: count.min(1) as usize,
            named: (0..count).map(folded).collect(),
            since: 1_795_000_000_000_000_000,
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        for count in [0, 1, 2, 9] {
            let record = some(count).encode();
            assert_eq!(record.len() % 8, 0);
            let read = Retired::decode(Bytes::new(&record[HEAD..], HEAD as u64)).unwrap();
            assert_eq!(read, some(count));
        }
    }

    #[test]
    fn a_record_without_the_earliest_time_has_that_of_the_names() {
        let mut record = some(2).encode();
        record.truncate(record.len() - 8);
        let read = Retired::decode(Bytes::new(&record[HEAD..], HEAD as u64)).unwrap();
        assert_eq!(read.since, 1_795_214_569_920_000_000);
    }

    #[test]
    fn a_count_of_names_that_are_not_there_is_refused_before_anything_is_allocated() {
        let mut record = some(2).encode();
        record[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
        let refused = Retired::decode(Bytes::new(&record[HEAD..], HEAD as u64)).unwrap_err();
        assert!(refused.to_string().contains("lock token"), "{refused}");
    }
}
