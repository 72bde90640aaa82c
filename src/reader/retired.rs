//! The retired file of a model's directory. A reader looks at it before and after the other files.
//! [`format::retired`](crate::format::retired) proves that each file is then counted once.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::copy::Scratch;
use super::file::OpenFile;
use super::plan::Plans;
use super::snapshot::Problem;
use super::source::Trouble;
use crate::format::retired::{FileId, NAMED, RETIRED_FILE};
use crate::sys::memory::read_map::Stat;

/// The retired file of one directory.
#[derive(Debug, Default)]
pub struct RetiredFile {
    /// The file as of the last look, if it exists and can be read.
    pub file: Option<Box<OpenFile>>,
    /// The files that it named at the look before the others, or names now.
    named: HashSet<FileId>,
    /// How many files had been folded at the look before the others.
    folds: u64,
    /// How many files had been folded as of the last snapshot.
    folds_before: u64,
    /// Why it cannot be read, if so.
    trouble: Option<String>,
}

/// How often opening is tried while the file is replaced each time between two system calls.
const TRIES: u32 = 16;

impl RetiredFile {
    /// Looks at the retired file before the directory is listed.
    pub fn before(
        &mut self,
        directory: &Path,
        root: &Arc<Path>,
        plans: &mut Plans,
        scratch: &mut Scratch,
    ) {
        self.named.clear();
        self.look(directory, root, plans, scratch);
        self.folds = self.folds_now();
    }

    /// Looks at the retired file after all files were read. Returns whether it still names every file that
    /// was folded meanwhile. If not, the caller must start over.
    pub fn after(
        &mut self,
        directory: &Path,
        root: &Arc<Path>,
        plans: &mut Plans,
        scratch: &mut Scratch,
        problems: &mut Vec<Problem>,
    ) -> bool {
        self.look(directory, root, plans, scratch);
        self.report(directory, problems);
        // `None` if there are fewer than before: someone has removed the file.
        let meanwhile = self.folds_now().checked_sub(self.folds);
        meanwhile.is_some_and(|meanwhile| meanwhile <= NAMED as u64)
    }

    /// Returns whether a file of the directory must be ignored because its values are in the retired file.
    pub fn names(&self, file: &OpenFile) -> bool {
        // A retired file can hide only files of the user who owns it.
        !self.named.is_empty()
            && self.named.contains(&FileId::of(&file.header))
            && self
                .file
                .as_ref()
                .is_some_and(|retired| retired.uid == file.uid)
    }

    /// Notes how many files were folded as of the last snapshot.
    pub fn keep_folds(&mut self) {
        self.folds_before = self.folds_now();
    }

    /// Returns whether the totals may include what a file had in the last snapshot: it is named, or more
    /// files have been folded since than are named.
    pub fn may_have(&self, file: &OpenFile) -> bool {
        let folded = self.folds_now().saturating_sub(self.folds_before);
        folded > NAMED as u64 || self.names(file)
    }

    fn folds_now(&self) -> u64 {
        let retired = self
            .file
            .as_ref()
            .and_then(|file| file.contents.retired.as_ref());
        retired.map_or(0, |retired| retired.folds)
    }

    /// Opens the file that has the name now, unless it is the known one. It is found by its name and not in a
    /// listing, which could miss it while it is being replaced.
    fn look(
        &mut self,
        directory: &Path,
        root: &Arc<Path>,
        plans: &mut Plans,
        scratch: &mut Scratch,
    ) {
        let path = directory.join(RETIRED_FILE);
        self.trouble = None;
        for _ in 0..TRIES {
            // Nothing was folded here, or the retired file was removed.
            let Ok(now) = Stat::of_path(&path) else {
                self.file = None;
                break;
            };
            // A retired file never changes.
            if self.file.as_ref().is_some_and(|file| file.is_still(&now)) {
                break;
            }
            let opened = OpenFile::open(path.clone(), root, false);
            match opened.and_then(|mut file| file.refresh(plans, scratch).map(|()| file)) {
                Ok(file) if file.contents.retired.is_some() => self.file = Some(Box::new(file)),
                // Nobody knows whose totals these are, so the whole file is bad.
                Ok(file) => {
                    let why = (file.contents.problems.first())
                        .map_or_else(String::new, |problem| format!(" ({problem})"));
                    let problem = format!(
                        "it does not list the files folded into it{why}: not read; move it away"
                    );
                    (self.file, self.trouble) = (None, Some(problem));
                }
                // Replaced just now.
                Err(Trouble::Gone) => continue,
                Err(Trouble::Bad(problem)) => {
                    (self.file, self.trouble) = (None, Some(problem));
                }
            }
            break;
        }
        let retired = self.file.iter().flat_map(|file| &file.contents.retired);
        self.named
            .extend(retired.flat_map(|retired| retired.named.iter().map(|file| file.id)));
    }

    fn report(&self, directory: &Path, problems: &mut Vec<Problem>) {
        let path = directory.join(RETIRED_FILE);
        let parts = self.file.iter().flat_map(|file| &file.contents.problems);
        for problem in self.trouble.iter().chain(parts) {
            problems.push(Problem::new(&path, problem));
        }
    }
}
