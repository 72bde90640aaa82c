//! The files of processes that were killed, when the next process creates its own: the newest stay for inspection,
//! the others are folded, so that restarts do not accumulate files.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::FileToRemove;
use super::fold::{Folding, fold};
use super::judge::{Judge, Rules, is_of_stats};
use crate::reader::source::ReadError;
use crate::sys::lifecycle::directory::{Directory, FileType};
use crate::sys::lifecycle::directory_lock::Patience;
use crate::sys::process::fork;
use crate::sys::process::identity::ProcessIdentity;

/// The most time that this may add to a start. The rest is left to the next start.
const TIME: Duration = Duration::from_millis(50);
/// The number of files to fold before the clock is checked again. Each step rewrites the retired file.
const STEP: usize = 64;

/// Folds this user's files of dead processes, except the newest `keep`; once per directory and process.
pub fn fold_beyond(keep: usize, root: &std::path::Path, directory: &Directory) {
    let own = ProcessIdentity::this().uid();
    // In another user's directory, a superuser does nothing unasked.
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
    // Oldest first, as far as inode numbers tell: if time runs out, at least those are done.
    files.sort_unstable_by_key(|entry| entry.inode);
    let mut judge = Judge::new(Rules {
        only_of: Some(own),
        ..Rules::default()
    });
    let mut dead: Vec<(FileToRemove, u64)> = Vec::new();
    for entry in files {
        if Instant::now() >= end {
            break;
        }
        match judge.file(directory, &entry.name, root) {
            Ok(file) => dead.extend(file),
            // Readers and `clean` report bad files.
            Err(ReadError::Gone | ReadError::Bad(_)) => {}
        }
    }
    dead.sort_by_key(|(_, created)| *created);
    dead.truncate(dead.len().saturating_sub(keep));
    let dead: Vec<FileToRemove> = dead.into_iter().map(|(file, _)| file).collect();
    let mut folding = Folding::default();
    for step in dead.chunks(STEP) {
        // Without waiting: a process that has the lock does the same.
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

/// The generation of a process, and a directory in which it has folded.
type FoldedDirectory = (u64, (u64, u64));

/// Returns whether this is the process's first file in a directory.
fn is_first_in(directory: &Directory) -> bool {
    static SEEN: Mutex<Vec<FoldedDirectory>> = Mutex::new(Vec::new());
    // Never waited for: a fork may have caught it, and an allocator may call back here. A thread that does not get
    // it does not fold; others will.
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
