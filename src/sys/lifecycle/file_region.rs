//! The memory of a file that this process writes: a region that is in the list of files while the file has a name.

use std::cell::RefCell;
use std::ops::Deref;
use std::os::fd::RawFd;

use super::files::{self, FileName, Registered};
use crate::sys::memory::region::Region;

/// A region, and its entry in the list.
#[derive(Debug)]
pub struct FileRegion {
    region: Region,
    /// The entry in the list that fork handlers and the exit handler walk; `None` for private memory, or a file
    /// without a name.
    registered: RefCell<Option<Box<Registered>>>,
}

impl From<Region> for FileRegion {
    fn from(region: Region) -> FileRegion {
        FileRegion {
            region,
            registered: RefCell::new(None),
        }
    }
}

impl FileRegion {
    /// Enters the region into the list of the process's files. `retained` is a descriptor of the file that stays
    /// open. [`handlers`](super::handlers) must be registered.
    pub fn register(&self, file: FileName, retained: Option<RawFd>) {
        let entry = files::enter(self.region.start(), self.region.len(), file, retained);
        *self.registered.borrow_mut() = Some(entry);
    }
}

impl Deref for FileRegion {
    type Target = Region;

    fn deref(&self) -> &Region {
        &self.region
    }
}

impl Drop for FileRegion {
    fn drop(&mut self) {
        // Removed from the list before the region goes and its addresses may be reused.
        if let Some(entry) = self.registered.take() {
            files::leave(entry);
        }
    }
}
