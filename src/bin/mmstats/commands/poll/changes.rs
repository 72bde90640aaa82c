//! Changes of files and processes while they are polled.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use mmstats::reader::{Ending, State};

use crate::input::Input;
use crate::ui::output;

/// What has been seen, to detect what is new.
pub struct Changes {
    /// The process of each file, and whether it was known to be dead.
    files: BTreeMap<PathBuf, (u32, bool)>,
    errors: BTreeSet<String>,
    /// Processes whose end was reported.
    ended: BTreeSet<u32>,
    went_bad: bool,
}

impl Changes {
    /// Starts from an input whose errors were already reported.
    pub fn since(input: &Input) -> Changes {
        Changes {
            files: files(input),
            errors: errors(input),
            ended: BTreeSet::new(),
            went_bad: false,
        }
    }

    /// Returns a message for each change since the last call.
    pub fn tell(&mut self, input: &Input) -> Vec<String> {
        let (files, errors) = (files(input), errors(input));
        let mut told: Vec<String> = errors.difference(&self.errors).cloned().collect();
        self.went_bad |= !told.is_empty();
        // A bad file was reported as such.
        let is_bad = |path: &PathBuf| input.errors().any(|(bad, _)| bad == path);
        for (path, (pid, was_dead)) in &self.files {
            let now = files.get(path);
            let has_others = || files.values().any(|(other, dead)| other == pid && !dead);
            let sentence = match now {
                Some((_, true)) if !was_dead => {
                    let file = input.files().find(|file| file.path() == path);
                    let how = match file.and_then(|file| file.ending()) {
                        Some(Ending::Panicked) => "by a panic in its main thread",
                        Some(Ending::Vanished) => "without an exit: a signal or a crash",
                        _ => "cleanly",
                    };
                    format!("process {pid} has ended {how}; its files are still there")
                }
                None if !was_dead && !is_bad(path) && !has_others() => {
                    format!("process {pid} has ended, or its files were removed: they are gone")
                }
                _ => continue,
            };
            if self.ended.insert(*pid) {
                told.push(sentence);
            }
        }
        // A PID may be reused.
        let lives = |pid: &u32| files.values().any(|(other, dead)| other == pid && !dead);
        self.ended.retain(|pid| !lives(pid));
        if !told.is_empty() && !self.files.is_empty() && !has_life(&files) {
            told.push("no process of these files lives any more".to_owned());
        }
        self.files = files;
        self.errors = errors;
        told
    }

    /// Returns whether a file went bad, or every polled process has ended.
    pub fn is_the_end(&self) -> bool {
        self.went_bad || (!self.ended.is_empty() && !has_life(&self.files))
    }
}

fn has_life(files: &BTreeMap<PathBuf, (u32, bool)>) -> bool {
    files.values().any(|(_, dead)| !dead)
}

/// Returns the files of processes: a retired file belongs to none.
fn files(input: &Input) -> BTreeMap<PathBuf, (u32, bool)> {
    let files = input.files().filter(|file| file.retired().is_none());
    let entry = |file: &mmstats::reader::File| {
        let dead = file.state() == State::Dead;
        (file.path().to_owned(), (file.pid(), dead))
    };
    files.map(entry).collect()
}

fn errors(input: &Input) -> BTreeSet<String> {
    let text = |(path, error): (&std::path::Path, &str)| format!("{}: {error}", output::path(path));
    input.errors().map(text).collect()
}
