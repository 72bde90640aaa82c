//! What a process does with files by itself, where the environment asks for it.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Doomed;
use super::clean::Cleaner;
use super::fold::{Folding, fold};
use crate::sys::files::FileName;
use crate::sys::fork;
use crate::sys::identity::Process;
use crate::sys::paths::Settings;

/// How long an end waits for others who fold into the same file.
const PATIENCE: Duration = Duration::from_secs(5);

/// Folds files of this process that nobody writes any more (`MMSTATS_FOLD`). What cannot be folded stays
/// as it is.
pub fn at_end(files: &[FileName]) {
    let mut left: Vec<Doomed> = (files.iter())
        .map(|file| Doomed {
            path: PathBuf::from(std::ffi::OsStr::from_bytes(file.path.to_bytes())),
            identity: (file.device, file.inode),
        })
        .collect();
    while let Some(directory) = left.first().and_then(|file| file.path.parent()) {
        let directory = directory.to_owned();
        let (these, others) = (left.into_iter())
            .partition::<Vec<_>, _>(|file| file.path.parent() == Some(&*directory));
        left = others;
        let mut folding = Folding::default();
        let result = fold(&directory, &these, PATIENCE, &mut folding);
        for (path, problem) in folding.kept {
            warn(&path, &problem);
        }
        if let Err(error) = result {
            warn(&directory, &error.to_string());
        }
    }
}

fn warn(path: &Path, problem: &str) {
    // A logger that uses thread-locals may panic this late; an exit handler must not.
    let _ = std::panic::catch_unwind(|| {
        log::warn!("mmstats: {}: not folded: {problem}", path.display());
    });
}

/// The process, in forks, that has cleaned; 0: none. (The first has number 0: one is added.)
static CLEANED: AtomicU64 = AtomicU64::new(0);

/// Before the first file of this process: cleans the root of what others of this user have left
/// (`MMSTATS_CLEAN`).
pub fn before_the_first_file(root: &Path) {
    let settings = Settings::get();
    // Relaxed: of two threads one does it; nothing else depends on it.
    if !settings.clean
        || CLEANED.swap(fork::generation() + 1, Ordering::Relaxed) > fork::generation()
    {
        return;
    }
    let cleaner = Cleaner::new()
        .fold(settings.fold)
        .only_of(Process::this().uid());
    match cleaner.clean(root) {
        Ok(cleaned) => {
            for problem in cleaned.problems() {
                let (path, error) = (problem.path().display(), problem.error());
                log::warn!("mmstats: {path}: not cleaned: {error}");
            }
        }
        Err(error) => log::warn!("mmstats: MMSTATS_CLEAN: {error}"),
    }
}
