//! One open stats file.
//!
//! A pass asks the kernel for the length, reads the header's changing words, decodes new records (`contents`)
//! and copies all values (`copy`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::contents::Contents;
use super::copy::{Scratch, copy};
use super::plan::Plans;
use super::preamble::Preamble;
use super::source::{Pass, ReadError, Source};
use super::v1::OldFile;
use crate::format::header::{Header, Owner};
use crate::sys::memory::read_map::{self, FileStat, RegularFile};

/// How long it may take, in nanoseconds, from the creation time that a file states until the file appears.
const MAKING: u64 = 1_000_000_000;

/// How often a file is copied at most because it has grown meanwhile. Each growth doubles something, or is a
/// few contexts of an entry each. More than two passes have not been observed.
const PASSES: usize = 8;

/// A stats file that is being read.
#[derive(Debug)]
pub struct OpenFile {
    /// Its path.
    pub path: Arc<Path>,
    /// The root that holds its `.lock`.
    pub root: Arc<Path>,
    /// Its header.
    pub header: Arc<Header>,
    /// The owner word as of the last pass.
    pub owner: Owner,
    /// Length as of the last pass, in bytes.
    pub len: u64,
    /// Its decoded records, and the values as of the last pass.
    pub contents: Contents,
    /// The words of the values as of the last snapshot, for deltas. `None` if there is nothing to compare
    /// with, or deltas are off.
    pub before: Option<Vec<u64>>,
    /// The merge table that the shapes of the instances belong to; 0 for none.
    table: u64,
    /// The user who owns it.
    pub uid: u32,
    /// Whether its values are left out of this snapshot: it could not be read, a retired file has them, or it
    /// is a copy.
    pub left_out: bool,
    identity: (u64, u64),
    format: Format,
    /// Whether a pass failed. Someone may be overwriting the file, so the decoded records may no longer be
    /// valid.
    spoiled: bool,
}

/// How a file is read.
#[derive(Debug)]
enum Format {
    /// Format 1, of python-mmstats.
    One(OldFile),
    /// Format 3, of this library.
    Three(Source),
}

impl OpenFile {
    /// Opens a file and reads its header. [`OpenFile::refresh`] reads its records and values.
    pub fn open(
        path: PathBuf,
        root: &Arc<Path>,
        directory_is_private: bool,
    ) -> Result<OpenFile, ReadError> {
        let opened = read_map::open(&path).map_err(|error| ReadError::io("open it", error))?;
        OpenFile::of_opened(path, opened, root, directory_is_private)
    }

    /// Like [`open`](Self::open), for a file that is already open and was found at `path`.
    pub fn of_opened(
        path: PathBuf,
        opened: RegularFile,
        root: &Arc<Path>,
        directory_is_private: bool,
    ) -> Result<OpenFile, ReadError> {
        let start = Preamble::read(&path, &opened)?;
        let (header, stat) = (start.header, opened.stat);
        let format = match start.committed {
            None => Format::One(OldFile::default()),
            // Map what is committed now. `refresh` checks whether it has grown, and whether the committed
            // length is valid; here it is only limited to the file. (Not with `clamp`, which panics if the
            // bounds contradict each other.)
            Some(committed) => {
                let mapped = committed.max(header.len as u64).min(stat.len);
                Format::Three(Source::new(opened, mapped, directory_is_private))
            }
        };
        Ok(OpenFile::new(path, root, header, stat, format))
    }

    fn new(
        path: PathBuf,
        root: &Arc<Path>,
        header: Header,
        stat: FileStat,
        format: Format,
    ) -> OpenFile {
        let owner = Owner {
            tid: header.tid,
            ..Owner::unpack(0)
        };
        OpenFile {
            path: path.into(),
            root: Arc::clone(root),
            contents: Contents::new(header.len as u64),
            header: Arc::new(header),
            owner,
            len: stat.len,
            before: None,
            table: 0,
            uid: stat.uid,
            left_out: false,
            identity: stat.identity,
            format,
            spoiled: false,
        }
    }

    /// Returns its format: 1 or 3.
    pub fn format(&self) -> u8 {
        match self.format {
            Format::One(_) => 1,
            Format::Three(_) => 3,
        }
    }

    /// Makes one pass: decodes new records and copies all values.
    pub fn refresh(&mut self, plans: &mut Plans, scratch: &mut Scratch) -> Result<(), ReadError> {
        let result = self.refresh_with(plans, scratch, || {});
        self.spoiled |= result.is_err();
        result
    }

    /// Keeps the values of the last snapshot, unless the file was left out of it.
    pub fn keep_values(&mut self) {
        if self.left_out {
            self.before = None;
        } else {
            let before = self.before.get_or_insert_default();
            before.clone_from(&self.contents.values.words);
        }
    }

    /// Makes the kept values comparable with the current ones. Values that are new in the file count as zero
    /// before. If the file was created after the last snapshot began, all of them do.
    pub fn compare(&mut self, last: Option<u64>) {
        let is_new = |last: u64| self.header.created.saturating_add(MAKING) >= last;
        if self.before.is_none() && last.is_some_and(is_new) {
            self.before = Some(Vec::new());
        }
        if let Some(before) = &mut self.before {
            before.resize(self.contents.values.words.len(), 0);
        }
    }

    /// Returns whether the file should be opened anew rather than read again.
    pub fn is_spoiled(&self) -> bool {
        self.spoiled
    }

    /// Returns its device and inode.
    pub fn identity(&self) -> (u64, u64) {
        self.identity
    }

    /// Returns whether `now` describes this file, unchanged in length. While the file is held open or mapped,
    /// no other file can have its inode number.
    pub fn is_still(&self, now: &FileStat) -> bool {
        let holds = matches!(&self.format, Format::Three(source) if source.holds());
        now.identity == self.identity && now.len == self.len && holds
    }

    /// Like [`refresh`](Self::refresh), but calls `before_copy` just before the values are first copied.
    pub fn refresh_with(
        &mut self,
        plans: &mut Plans,
        scratch: &mut Scratch,
        before_copy: impl FnOnce(),
    ) -> Result<(), ReadError> {
        let source = match &mut self.format {
            Format::Three(source) => source,
            Format::One(old) => {
                let (path, contents) = (&self.path, &mut self.contents);
                self.len = old.refresh(path, self.identity, contents, plans)?.len;
                return Ok(());
            }
        };
        let mut before_copy = Some(before_copy);
        for _ in 0..PASSES {
            let Pass {
                access,
                len,
                committed,
                owner,
            } = source.begin(&self.path, self.identity)?;
            self.len = len;
            self.owner = Owner::unpack(owner);
            let allocated = || access.allocated(&self.path, self.identity);
            self.contents.walk(&access, plans, committed, allocated)?;
            self.contents.renew(&access, self.before.as_mut())?;
            if let Some(before_copy) = before_copy.take() {
                before_copy();
            }
            copy(&access, &mut self.contents, scratch)?;
            self.contents.confirm(&access)?;
            // A copied value may refer to a context in a record that has been added since.
            if !self.contents.refers || access.committed()? == committed {
                break;
            }
        }
        Ok(())
    }

    /// Ties the file to a merge table, and forgets its shapes in any other one.
    pub fn enter(&mut self, table: u64) {
        if self.table != table {
            self.table = table;
            for instance in &mut self.contents.instances {
                instance.shape = None;
            }
        }
    }

    /// Returns whether the shapes of its instances belong to this merge table.
    pub fn is_in(&self, table: u64) -> bool {
        self.table == table
    }

    /// Returns the time from which its values count, in nanoseconds since 1970-01-01 UTC: its creation time,
    /// or that of the earliest file that was folded into it.
    pub fn since(&self) -> u64 {
        match &self.contents.retired {
            Some(retired) => retired.since.min(self.header.created),
            None => self.header.created,
        }
    }

    /// Returns whether it is mapped.
    #[cfg(test)]
    pub fn is_mapped(&self) -> bool {
        matches!(self.format, Format::Three(Source::Mapped(..)))
    }
}
