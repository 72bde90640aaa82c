//! Space for what is appended. Blocks are reserved before a byte is written, so a lack of blocks is an error value
//! and never a signal.

use std::fs::File;

use super::{Backing, PAGE, StatsFile};
use crate::Error;
use crate::format::bytes::words;
use crate::format::{LINE, round_up};
use crate::sync::Ordering;
use crate::sys::lifecycle::retained::Retained;
use crate::sys::memory::fallocate::reserve;
use crate::sys::memory::words::Words;
use crate::sys::process::fork;
use crate::writer::directory;

/// The number of octaves of each distribution for which space is reserved before the first value.
const FIRST_OCTAVES: usize = 4;

impl StatsFile {
    /// Returns the words of the region: see [`Region::words`].
    pub(in crate::writer) fn words(&self) -> Words {
        // SAFETY: every view that leaves this file goes into a handle that is dropped before the
        // file: `Stats` and `Writer` drop their handles first, and those that need the file later
        // keep it alive by an Rc. Only what `ensure` has reserved is handed out.
        unsafe { self.region.words() }
    }

    /// Returns a copy of what is committed.
    #[cfg(feature = "testing")]
    pub(in crate::writer) fn image(&self) -> Vec<u8> {
        use crate::format::header::COMMITTED;
        use crate::sync::Ordering;

        // Relaxed: this thread has written all of it.
        let word = |index| self.words().word(index).load(Ordering::Relaxed);
        let committed = word(COMMITTED / 8) as usize;
        (0..committed / 8)
            .flat_map(|index| word(index).to_le_bytes())
            .collect()
    }

    /// Reserves blocks up to `end`, and a few more if the file already has its name.
    pub(super) fn ensure(&self, end: usize, from_aside: bool) -> Result<(), Error> {
        let kept = if from_aside { 0 } else { self.aside.get() } + self.for_notes.get();
        let wanted = end + kept;
        let size = self.size.get();
        if wanted <= size {
            return Ok(());
        }
        let most = self.region.len();
        if round_up(wanted, PAGE) > most {
            return Err(Error::Full {
                path: self.path.borrow().clone(),
                wanted: wanted - size,
                most,
            });
        }
        if self.generation != fork::generation() {
            // The file is the parent's and stays as it is. Here, private memory lies under the whole
            // range (see `region::replace_in_child`).
            return Ok(());
        }
        let backing = self.backing.borrow();
        let file;
        let (file, spare) = match &*backing {
            Backing::Anonymous => {
                return Err(Error::Full {
                    path: self.path.borrow().clone(),
                    wanted,
                    most,
                });
            }
            Backing::Nameless { nameless, .. } => {
                (&nameless.as_ref().expect("until it appears").file, 0)
            }
            Backing::Named {
                device,
                inode,
                retained,
            } => {
                file = match retained.as_ref().and_then(Retained::file) {
                    Some(file) => file,
                    None => directory::reopen(&self.path.borrow(), (*device, *inode))?,
                };
                (&file, (size / 8).clamp(4 * PAGE, 64 * PAGE))
            }
        };
        let grow = |to: usize| self.grow(file, size, round_up(to, PAGE).min(most));
        // Without the spare part if there is no space for it.
        grow(wanted + spare).or_else(|error| if spare > 0 { grow(wanted) } else { Err(error) })
    }

    fn grow(&self, file: &File, from: usize, to: usize) -> Result<(), Error> {
        let fail = |error| Error::io(&self.path.borrow(), "reserve space for", error);
        reserve(file, from as u64, to as u64).map_err(fail)?;
        self.region.populate(from, to).map_err(fail)?;
        self.size.set(to);
        Ok(())
    }

    /// Writes bytes at an offset (a multiple of 8) that is reserved and not yet published.
    pub(super) fn write(&self, offset: usize, bytes: &[u8]) {
        let place = self.words().part(offset / 8, bytes.len().div_ceil(8));
        for (cell, word) in place.iter().zip(words(bytes)) {
            // Relaxed: `publish` orders them.
            cell.store(word, Ordering::Relaxed);
        }
    }

    /// Appends a record: its bytes at the tail, followed by zeros up to `end`.
    pub(super) fn append(&self, bytes: &[u8], end: usize, from_aside: bool) -> Result<(), Error> {
        debug_assert!(self.appending.get(), "within an `Append`");
        self.ensure(end, from_aside)?;
        self.write(self.tail.get(), bytes);
        self.tail.set(end);
        Ok(())
    }

    /// Reserves space for the first octaves of `distributions` distributions, as far as there is space.
    pub fn expect_octaves(&self, bytes: usize, distributions: usize) {
        let wanted = (FIRST_OCTAVES * distributions * (bytes + LINE)).min(16 * PAGE);
        // Only a head start: without it the first values ask again.
        let _ = self.ensure(self.tail.get() + wanted, false);
    }
}
