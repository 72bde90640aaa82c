//! One open stats file.
//!
//! A pass begins with what the kernel and the header say now, takes in the records that are new
//! (`contents`), and copies all values (`copy`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::contents::Contents;
use super::copy::{Scratch, copy};
use super::plan::Plans;
use super::preamble::Preamble;
use super::source::{Pass, Source, Trouble};
use super::v1::OldFile;
use crate::format::header::{Header, Owner};
use crate::sys::memory::read_map::{self, Opened, Stat};

/// How long it may take, in nanoseconds, from the creation time that a file states until it is there.
const MAKING: u64 = 1_000_000_000;

/// How often a file is copied again because it has grown meanwhile. What it grows by doubles, or is a few
/// contexts of an entry each: more than two are not seen.
const PASSES: usize = 8;

/// A stats file that is being read.
#[derive(Debug)]
pub struct OpenFile {
    /// Its path.
    pub path: Arc<Path>,
    /// The root, in which its `.lock` lies.
    pub root: Arc<Path>,
    /// Its header.
    pub header: Arc<Header>,
    /// The owner word as of the last pass.
    pub owner: Owner,
    /// Length as of the last pass, in bytes.
    pub len: u64,
    /// What its records say, and the values as of the last pass.
    pub contents: Contents,
    /// The words of the values as of the last snapshot, for deltas. `None`: there is
    /// nothing to compare with, or nobody has asked for it.
    pub before: Option<Vec<u64>>,
    /// The merge table that the shapes of the instances belong to, 0: none.
    table: u64,
    /// The user to whom it belongs.
    pub uid: u32,
    /// Whether its values are to be left out of this snapshot: it could not be read, or a retired file
    /// has them.
    pub left_out: bool,
    identity: (u64, u64),
    format: Format,
    /// Whether a pass failed: someone may be writing something else over the file, so that what was
    /// decoded no longer holds.
    spoiled: bool,
}

/// How a file is read.
#[derive(Debug)]
enum Format {
    /// Of python-mmstats.
    One(OldFile),
    /// Ours.
    Three(Source),
}

impl OpenFile {
    /// Opens a file and reads its header. Its records and values come with [`OpenFile::refresh`].
    pub fn open(
        path: PathBuf,
        root: &Arc<Path>,
        directory_is_private: bool,
    ) -> Result<OpenFile, Trouble> {
        let opened = read_map::open(&path).map_err(|error| Trouble::io("open it", error))?;
        OpenFile::of_opened(path, opened, root, directory_is_private)
    }

    /// [`open`](Self::open) for a file that is open already, and was found at `path`.
    pub fn of_opened(
        path: PathBuf,
        opened: Opened,
        root: &Arc<Path>,
        directory_is_private: bool,
    ) -> Result<OpenFile, Trouble> {
        let start = Preamble::read(&path, &opened)?;
        let (header, stat) = (start.header, opened.stat);
        let format = match start.committed {
            None => Format::One(OldFile::default()),
            // What is committed by now is mapped at once. Whether it is more in the meantime, `refresh`
            // sees; and whether it can be, for here it is only held within the file. (Not with `clamp`,
            // which panics where the bounds contradict each other.)
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
        stat: Stat,
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

    /// Which format it has: 1 or 3.
    pub fn format(&self) -> u8 {
        match self.format {
            Format::One(_) => 1,
            Format::Three(_) => 3,
        }
    }

    /// One pass: the records that are new, and all values.
    pub fn refresh(&mut self, plans: &mut Plans, scratch: &mut Scratch) -> Result<(), Trouble> {
        let result = self.refresh_with(plans, scratch, || {});
        self.spoiled |= result.is_err();
        result
    }

    /// Keeps the values of the last snapshot, if it had them.
    pub fn keep_values(&mut self) {
        if self.left_out {
            self.before = None;
        } else {
            let before = self.before.get_or_insert_default();
            before.clone_from(&self.contents.values.words);
        }
    }

    /// Makes the kept values comparable with those of now. What is new in the file was zeros, and so was
    /// all of it if it was created after the last snapshot began.
    pub fn compare(&mut self, last: Option<u64>) {
        let is_new = |last: u64| self.header.created.saturating_add(MAKING) >= last;
        if self.before.is_none() && last.is_some_and(is_new) {
            self.before = Some(Vec::new());
        }
        if let Some(before) = &mut self.before {
            before.resize(self.contents.values.words.len(), 0);
        }
    }

    /// Whether the file should be opened anew rather than read again.
    pub fn is_spoiled(&self) -> bool {
        self.spoiled
    }

    /// Its device and inode.
    pub fn identity(&self) -> (u64, u64) {
        self.identity
    }

    /// Whether a file of which this is said is this one. Its inode number is nobody else's while it is
    /// held open or mapped.
    pub fn is_still(&self, now: &Stat) -> bool {
        let holds = matches!(&self.format, Format::Three(source) if source.holds());
        now.identity == self.identity && now.len == self.len && holds
    }

    /// [`refresh`](Self::refresh), with something that happens just before the values are copied.
    pub fn refresh_with(
        &mut self,
        plans: &mut Plans,
        scratch: &mut Scratch,
        before_copy: impl FnOnce(),
    ) -> Result<(), Trouble> {
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
            // What was copied may refer to a context in a record that is new since.
            if !self.contents.refers || access.committed()? == committed {
                break;
            }
        }
        Ok(())
    }

    /// Ties the file to a merge table. The shapes that it had in another one are forgotten.
    pub fn enter(&mut self, table: u64) {
        if self.table != table {
            self.table = table;
            for instance in &mut self.contents.instances {
                instance.shape = None;
            }
        }
    }

    /// Whether its instances have their shapes in this merge table.
    pub fn is_in(&self, table: u64) -> bool {
        self.table == table
    }

    /// From when its values count, in nanoseconds since 1970-01-01 UTC: its creation, or that of the
    /// earliest file that was folded into it.
    pub fn since(&self) -> u64 {
        match &self.contents.retired {
            Some(retired) => retired.since.min(self.header.created),
            None => self.header.created,
        }
    }

    /// Whether it is mapped.
    #[cfg(test)]
    pub fn is_mapped(&self) -> bool {
        matches!(self.format, Format::Three(Source::Mapped(..)))
    }
}
