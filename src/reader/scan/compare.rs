//! From one snapshot to the next: which values are compared with which, and which files have gone.

use super::{Files, Known, created_first};
use crate::reader::file::StatsFile;

impl Files {
    /// Keeps the values of the last snapshot, to compare those of the next one with.
    pub fn keep_values(&mut self) {
        self.gone.clear();
        for directory in self.directories.values_mut() {
            let files = directory.files.values_mut();
            files.for_each(|known| known.file.keep_values());
        }
    }

    /// After [`retire`](Self::retire): all files [in order](Self::in_order), ready to be compared with
    /// the `last` snapshot; and those that were in that one and no longer are.
    pub fn compared(&mut self, last: Option<u64>) -> (Vec<&StatsFile>, Vec<&StatsFile>) {
        self.gone.iter_mut().for_each(|file| file.compare(None));
        for directory in self.directories.values_mut() {
            let files = directory.files.values_mut();
            files.for_each(|known| known.file.compare(last));
        }
        let (mut files, mut gone) = (Vec::new(), Vec::from_iter(&self.gone));
        for directory in self.directories.values() {
            files.extend(directory.retired.file.iter().filter(|_| directory.listed));
            for Known { file, .. } in directory.files.values() {
                if !file.left_out {
                    files.push(file);
                } else if file.before.is_some() && (file.gone || !file.is_spoiled()) {
                    // Folded, or removed. (One that could not be read may be there again.)
                    gone.push(file);
                }
            }
        }
        let mut files: Vec<&StatsFile> = files.into_iter().map(|file| &**file).collect();
        files.sort_unstable_by(|a, b| created_first(a, b));
        (files, gone)
    }
}
