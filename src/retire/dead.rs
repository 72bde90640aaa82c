//! The files of processes that were killed, before the next process makes its own: the newest stay to be
//! looked at, the others are folded, so that restarts do not pile up files.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::Doomed;
use super::fold::{Folding, fold};
use super::judge::{Judge, Rules, is_of_stats};
use crate::reader::source::Trouble;
use crate::sys::lifecycle::directory::{Directory, FileType};
use crate::sys::lifecycle::directory_lock::Patience;
use crate::sys::process::fork;
use crate::sys::process::identity::ProcessIdentity;

/// How long a start may take longer. What is not done by then is left to the next start.
const TIME: Duration = Duration::from_millis(50);
/// Files that are folded before the clock is looked at again. Each step writes the retired file anew.
const STEP: usize = 64;

/// Folds dead processes' files of this user beyond the newest `keep`; once for each directory and process.
pub fn fold_beyond(keep: usize, root: &std::path::Path, directory: &Directory) {
    let own = ProcessIdentity::this().uid();
    // In another user's directory a superuser does nothing unasked.
    if !is_first_in(directory) || (own == 0 && directory.stat().uid != own) {
        return;
    }
    let end = Instant::now() + TIME;
    let Ok(entries) = directory.entries() else {
        return;
    };
    let mut files: Vec<_> = (entries.into_iter())
        .filter(|entry| entry.kind == FileType::RegularFile && is_of_stats(&entry.name))
        .collect();
    if files.len() <= keep {
        return;
    }
    // The oldest first, as far as inode numbers tell: if the time does not do for all, it does for those.
    files.sort_unstable_by_key(|entry| entry.inode);
    let mut judge = Judge::new(Rules {
        only_of: Some(own),
        ..Rules::default()
    });
    let mut dead: Vec<(Doomed, u64)> = Vec::new();
    for entry in files {
        if Instant::now() >= end {
            break;
        }
        match judge.file(directory, &entry.name, root) {
            Ok(file) => dead.extend(file),
            // Bad files are for readers and `clean` to report.
            Err(Trouble::Gone | Trouble::Bad(_)) => {}
        }
    }
    dead.sort_by_key(|(_, created)| *created);
    dead.truncate(dead.len().saturating_sub(keep));
    let dead: Vec<Doomed> = dead.into_iter().map(|(file, _)| file).collect();
    let mut folding = Folding::default();
    for step in dead.chunks(STEP) {
        // Nothing is waited for: who has the lock does the same.
        let done = fold(directory, step, &Patience::of(Duration::ZERO), &mut folding);
        if let Err(error) = done {
            log::debug!("mmstats: files of dead processes are not folded: {error}");
            break;
        }
        if Instant::now() >= end {
            break;
        }
    }
    for (name, problem) in folding.kept {
        let path = directory.path().join(name);
        log::debug!("mmstats: {}: not folded: {problem}", path.display());
    }
}

/// A directory in which this process has folded, and when in a chain of forks.
type Seen = (u64, (u64, u64));

/// Whether this is the process's first file in a directory.
fn is_first_in(directory: &Directory) -> bool {
    static SEEN: Mutex<Vec<Seen>> = Mutex::new(Vec::new());
    // Never waited for: a fork may have caught it, and an allocator may come back here. Whoever does not
    // get it does not fold, which others will do.
    let Ok(mut seen) = SEEN.try_lock() else {
        return false;
    };
    let this = (fork::generation(), directory.stat().identity);
    let first = !seen.contains(&this);
    if first {
        seen.push(this);
    }
    first
}
