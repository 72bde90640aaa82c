//! The memory of a file that this process writes. There are no files, so it is in no list.

use std::ops::Deref;

use crate::sys::lifecycle::files::FileName;
use crate::sys::memory::region::Region;

/// A region.
#[derive(Debug)]
pub struct FileRegion(Region);

impl From<Region> for FileRegion {
    fn from(region: Region) -> FileRegion {
        FileRegion(region)
    }
}

impl FileRegion {
    /// Does nothing: there are no files to enter.
    pub fn register<D>(&self, _: FileName, _: Option<D>) {}
}

impl Deref for FileRegion {
    type Target = Region;

    fn deref(&self) -> &Region {
        &self.0
    }
}
