//! The memory of a file that this process writes: there are no files, and it is never entered anywhere.

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
    /// There are no files to enter.
    pub fn register<D>(&self, _: FileName, _: Option<D>) {}
}

impl Deref for FileRegion {
    type Target = Region;

    fn deref(&self) -> &Region {
        &self.0
    }
}
