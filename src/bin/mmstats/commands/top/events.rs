//! Events of the watched processes: which started, and how others ended.

use std::collections::{BTreeMap, VecDeque};

use mmstats::reader::{Ending, File, State};

/// The maximum number of events that are kept.
const MOST: usize = 100;

/// The state of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessState {
    Alive,
    /// With a word for how it ended.
    Ended(&'static str),
}

impl ProcessState {
    fn of(file: &File) -> ProcessState {
        match file.ending() {
            _ if file.state() != State::Dead => ProcessState::Alive,
            Some(Ending::Panicked) => ProcessState::Ended("panicked"),
            Some(Ending::Clean) => ProcessState::Ended("ended"),
            _ => ProcessState::Ended("vanished"),
        }
    }
}

/// The processes at the last update, and the events since the first one.
#[derive(Debug, Default)]
pub struct Events {
    known: Option<BTreeMap<u32, ProcessState>>,
    all: VecDeque<String>,
    /// Whether any process has ever been alive.
    had_any: bool,
}

impl Events {
    /// Updates from the files that exist now.
    pub fn update<'a>(&mut self, files: impl Iterator<Item = &'a File>, time: &str) {
        let mut now: BTreeMap<u32, ProcessState> = BTreeMap::new();
        for file in files.filter(|file| file.retired().is_none()) {
            let life = now
                .entry(file.pid())
                .or_insert_with(|| ProcessState::of(file));
            if ProcessState::of(file) == ProcessState::Alive {
                *life = ProcessState::Alive;
            }
        }
        self.compare(now, time);
    }

    fn compare(&mut self, now: BTreeMap<u32, ProcessState>, time: &str) {
        self.had_any |= now.values().any(|life| *life == ProcessState::Alive);
        let Some(before) = self.known.replace(now.clone()) else {
            return;
        };
        for (pid, life) in &now {
            match (before.get(pid), life) {
                (None, ProcessState::Alive) => self.add(format!("process {pid} started {time}")),
                (Some(ProcessState::Alive), ProcessState::Ended(how)) => {
                    self.add(format!("process {pid} {how} {time}"));
                }
                _ => {}
            }
        }
        for (pid, _) in before.iter().filter(|(pid, _)| !now.contains_key(pid)) {
            self.add(format!("process {pid}: its files were removed {time}"));
        }
    }

    fn add(&mut self, event: String) {
        self.all.truncate(MOST - 1);
        self.all.push_front(event);
    }

    /// Returns the events, latest first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(String::as_str)
    }

    /// Returns whether there were processes and none of them is alive any more.
    pub fn is_over(&self) -> bool {
        let alive = |known: &BTreeMap<u32, ProcessState>| {
            known.values().any(|life| *life == ProcessState::Alive)
        };
        self.had_any && !self.known.as_ref().is_some_and(alive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_told_once_and_the_end_of_all_is_known() {
        let mut events = Events::default();
        let mut look = |processes: &[(u32, ProcessState)], time: &str| {
            events.compare(processes.iter().copied().collect(), time);
            let told: Vec<_> = events.iter().map(str::to_owned).collect();
            (told, events.is_over())
        };
        assert_eq!(look(&[], "1"), (vec![], false), "nothing was there yet");
        assert_eq!(
            look(&[(7, ProcessState::Alive)], "2").0,
            ["process 7 started 2"]
        );
        let both = [
            (7, ProcessState::Ended("vanished")),
            (8, ProcessState::Alive),
        ];
        let (told, over) = look(&both, "3");
        assert_eq!(told[..2], ["process 8 started 3", "process 7 vanished 3"]);
        assert!(!over);
        assert_eq!(look(&both, "4").0.len(), 3);
        let (told, over) = look(&[(7, ProcessState::Ended("vanished"))], "5");
        assert_eq!(told[0], "process 8: its files were removed 5");
        assert!(over);
    }
}
