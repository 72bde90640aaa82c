//! What a process does with files on its own, if the environment asks for it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::clean::Cleaner;
use super::fold::{Folding, fold};
use super::{FileToRemove, dead};
use crate::sys::lifecycle::directory::Directory;
use crate::sys::lifecycle::directory_lock::Patience;
use crate::sys::lifecycle::files::FileName;
use crate::sys::lifecycle::paths::Settings;
use crate::sys::lifecycle::report;
use crate::sys::process::fork;
use crate::sys::process::identity::ProcessIdentity;

/// How long, in total, an end waits for other processes that fold into the same files.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Whether an end has waited in vain. Later ends, of other models or in drops, do not wait again.
static GAVE_UP: AtomicBool = AtomicBool::new(false);

/// Folds files of this process that nobody writes any more (`MMSTATS_FOLD`). A file that cannot be folded stays as
/// it is.
pub fn fold_ended(files: &[FileName]) {
    // Relaxed: only the waiting time depends on it.
    let patience = match GAVE_UP.load(Ordering::Relaxed) {
        true => Patience::of(Duration::ZERO),
        false => Patience::of(PATIENCE),
    };
    let mut left: Vec<(PathBuf, (u64, u64))> = (files.iter())
        .map(|file| (file.path().to_owned(), (file.device, file.inode)))
        .collect();
    while let Some(parent) = left.first().and_then(|(path, _)| path.parent()) {
        let parent = parent.to_owned();
        let (these, others) =
            (left.into_iter()).partition::<Vec<_>, _>(|(path, _)| path.parent() == Some(&*parent));
        left = others;
        let doomed: Vec<FileToRemove> = (these.iter())
            .map(|(path, identity)| FileToRemove {
                name: path.file_name().unwrap_or_default().to_owned(),
                identity: *identity,
            })
            .collect();
        let directory = match Directory::open(&parent) {
            Ok(directory) => directory,
            Err(error) => {
                warn(&parent, &parent, &error.to_string());
                continue;
            }
        };
        let mut folding = Folding::default();
        let result = fold(&directory, &doomed, &patience, &mut folding);
        for (name, problem) in folding.kept {
            warn(&parent, &parent.join(name), &problem);
        }
        if let Err(error) = result {
            if is_busy(&error) {
                GAVE_UP.store(true, Ordering::Relaxed);
            }
            warn(&parent, &parent, &error.to_string());
        }
    }
}

fn is_busy(error: &crate::Error) -> bool {
    matches!(error, crate::Error::Io { source, .. } if source.kind() == std::io::ErrorKind::WouldBlock)
}

fn warn(directory: &Path, path: &Path, problem: &str) {
    let model = directory.file_name().unwrap_or_default();
    let text = format_args!("{}: not folded: {problem}", path.display());
    report::once(&model.to_string_lossy(), "fold", &text);
}

/// The generation of the process that has cleaned, plus one; 0: none. (The first process has generation 0.)
static CLEANED: AtomicU64 = AtomicU64::new(0);

/// Called before a process creates a file of a model. Cleans what other processes of this user have left before the
/// first file in the root (`MMSTATS_CLEAN`), and folds all but the newest before the first file of the model
/// (`MMSTATS_DEAD`). Waits for nothing.
pub fn before_the_first_file(root: &Path, directory: &Directory) {
    let settings = Settings::get();
    // Relaxed: one of two threads does it; nothing else depends on it.
    if settings.clean
        && CLEANED.swap(fork::generation() + 1, Ordering::Relaxed) <= fork::generation()
    {
        let cleaner = Cleaner::new()
            .fold(settings.fold)
            .patience(Duration::ZERO)
            .only_of(ProcessIdentity::this().uid());
        match cleaner.clean(root) {
            Ok(cleaned) => {
                for problem in cleaned.problems() {
                    let (path, error) = (problem.path().display(), problem.error());
                    report::later("", "clean", &format_args!("{path}: not cleaned: {error}"));
                }
            }
            Err(error) => report::later("", "clean", &format_args!("MMSTATS_CLEAN: {error}")),
        }
    }
    if let Some(keep) = settings.dead {
        dead::fold_beyond(keep, root, directory);
    }
}
