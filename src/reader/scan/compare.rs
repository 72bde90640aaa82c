//! Compares one snapshot with the next: which values are compared, and which files are gone.

use super::{Files, KnownFile, in_order};
use crate::reader::file::OpenFile;

impl Files {
    /// Keeps the values of the last snapshot, for comparison with the next one.
    pub fn keep_values(&mut self) {
        self.gone.clear();
        for directory in self.directories.values_mut() {
            let files = directory.files.values_mut();
            files.for_each(|known| known.file.keep_values());
            directory.retired.keep_folds();
        }
    }

    /// Returns all files [in order](Self::in_order), ready to be compared with the `last` snapshot, and the
    /// files of that snapshot that may be in a retired file now. Called after [`retire`](Self::retire) and
    /// [`without_copies`](super::without_copies).
    pub fn compared(&mut self, last: Option<u64>) -> (Vec<&mut OpenFile>, Vec<&OpenFile>) {
        self.gone.iter_mut().for_each(|file| file.compare(None));
        // The counts of a file that was removed are lost: no other file has them.
        let directories = &self.directories;
        let is_retired = |file: &&OpenFile| {
            let directory = (file.path.parent()).and_then(|path| directories.get(path));
            directory.is_some_and(|directory| directory.retired.may_have(file))
        };
        let mut gone: Vec<_> = self.gone.iter().filter(is_retired).collect();
        let mut files = Vec::new();
        for directory in self.directories.values_mut() {
            for KnownFile { file, .. } in directory.files.values_mut() {
                file.compare(last);
                if !file.left_out {
                    files.push(file);
                } else if file.before.is_some() && directory.retired.may_have(file) {
                    gone.push(file);
                }
            }
            let retired = directory.retired.file.iter_mut();
            files.extend(retired.filter(|_| directory.listed));
        }
        (in_order(files.into_iter()), gone)
    }
}
