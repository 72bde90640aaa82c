//! The processes that the agent has seen: living ones with their figures from /proc, and ended ones with how they
//! ended.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;

use serde_json::{Value as Json, json};

use super::time::unix_seconds;
use super::totals::Reading;
use crate::reader::{Ending, File, State};

/// The maximum number of ended processes that are remembered.
const ENDED_MOST: usize = 500;

/// The processes that are remembered.
#[derive(Debug, Default)]
pub struct Processes {
    /// Those of the last reading.
    there: BTreeMap<Id, Process>,
    /// Processes without files, the latest one last.
    gone: VecDeque<Process>,
}

/// Identifies a process: PID and start, since a PID may be reused.
type Id = (u32, Option<u64>);

#[derive(Clone, Debug)]
struct Process {
    pid: u32,
    exe: String,
    started: Option<f64>,
    state: State,
    ended: Option<f64>,
    ending: Option<&'static str>,
    models: BTreeSet<String>,
    files: usize,
}

impl Processes {
    /// Adds a reading.
    pub fn add(&mut self, reading: &Reading) {
        let mut there: BTreeMap<Id, Process> = BTreeMap::new();
        let files = reading
            .snapshots
            .iter()
            .flat_map(|snapshot| snapshot.files());
        for file in files.filter(|file| file.retired().is_none() && file.format() == 3) {
            let id = id(file);
            let process = there.entry(id).or_insert_with(|| {
                let before = self.there.get(&id);
                Process {
                    pid: file.pid(),
                    exe: file.exe().to_owned(),
                    started: file.process_started().map(unix_seconds),
                    state: State::Unknown,
                    ended: before.and_then(|before| before.ended),
                    ending: None,
                    models: BTreeSet::new(),
                    files: 0,
                }
            });
            process.add(file, reading.time);
        }
        for (id, process) in &self.there {
            if !there.contains_key(id) {
                self.gone
                    .push_back(process.clone().without_files(reading.time));
            }
        }
        // Some had no files only for a moment.
        self.gone.retain(|process| {
            let is_back = |new: &Process| new.pid == process.pid && new.started == process.started;
            !there.values().any(is_back)
        });
        while self.gone.len() > ENDED_MOST {
            self.gone.pop_front();
        }
        self.there = there;
    }

    /// Returns all of them: the living ones first, then the ended ones, latest first.
    pub fn json(&self) -> Json {
        let (live, ended): (Vec<&Process>, Vec<&Process>) =
            (self.there.values()).partition(|process| process.state != State::Dead);
        let mut ended: Vec<_> = ended.into_iter().chain(&self.gone).collect();
        ended.sort_by(|a, b| {
            b.ended
                .partial_cmp(&a.ended)
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        let all: Vec<Json> = live.into_iter().chain(ended).map(Process::json).collect();
        json!({ "processes": all })
    }

    /// Calls `each` with PID, program and figures of the processes that live on this machine.
    pub fn figures(&self, mut each: impl FnMut(u32, &str, Figures)) {
        for process in self
            .there
            .values()
            .filter(|process| process.state == State::Live)
        {
            if let Some(figures) = Figures::of(process.pid, process.started) {
                each(process.pid, &process.exe, figures);
            }
        }
    }
}

fn id(file: &File) -> Id {
    let started = file.process_started();
    (file.pid(), started.map(|time| unix_seconds(time).to_bits()))
}

impl Process {
    fn add(&mut self, file: &File, now: f64) {
        self.files += 1;
        self.models.insert(file.model().to_owned());
        match file.state() {
            State::Dead => {
                self.state = State::Dead;
                self.ended = self.ended.or(Some(now));
            }
            State::Live | State::Orphan => self.state = State::Live,
            State::Unknown => {}
        }
        // One file is enough to show a panic, or a sudden end if it was not closed properly.
        let ending = match file.ending() {
            Some(Ending::Panicked) => Some("panicked in its main thread"),
            Some(Ending::Vanished) => Some("killed by a signal, or crashed"),
            Some(Ending::Clean) => Some("exited cleanly, and kept its files"),
            None => None,
        };
        let weight = |ending: Option<&str>| {
            ending.map_or(0, |text| match text.as_bytes()[0] {
                b'p' => 3,
                b'k' => 2,
                _ => 1,
            })
        };
        if weight(ending) > weight(self.ending) {
            self.ending = ending;
        }
    }

    /// Returns the process as it is after its files are gone.
    fn without_files(mut self, now: f64) -> Process {
        self.ended = self.ended.or(Some(now));
        self.ending = self
            .ending
            .or(Some("exited cleanly, and removed its files"));
        if self.state == State::Live && lives(self.pid, self.started) {
            self.ending = Some("still alive: its files were removed");
        }
        self.state = State::Dead;
        self
    }

    fn json(&self) -> Json {
        let figures = (self.state == State::Live)
            .then(|| Figures::of(self.pid, self.started))
            .flatten();
        json!({
            "pid": self.pid,
            "exe": self.exe,
            "state": self.state.name(),
            "started": self.started,
            "ended": self.ended,
            "ending": self.ending,
            "models": self.models,
            "files": self.files,
            "cpu_seconds": figures.as_ref().map(|figures| figures.cpu_seconds),
            "resident_bytes": figures.as_ref().map(|figures| figures.resident_bytes),
            "open_fds": figures.as_ref().and_then(|figures| figures.open_fds),
        })
    }
}

/// The figures of a process from /proc.
#[derive(Debug)]
pub struct Figures {
    /// Processor time in user and kernel mode.
    pub cpu_seconds: f64,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Open descriptors, if this user may count them.
    pub open_fds: Option<u64>,
    /// When it started, in seconds since 1970-01-01 UTC.
    pub started: Option<f64>,
}

impl Figures {
    fn of(pid: u32, started: Option<f64>) -> Option<Figures> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may contain spaces and parentheses.
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        let ticks = number(11)? + number(12)?;
        let open_fds = fs::read_dir(format!("/proc/{pid}/fd")).ok();
        Some(Figures {
            cpu_seconds: ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
            resident_bytes: number(21)? * rustix::param::page_size() as u64,
            open_fds: open_fds.map(|entries| entries.count() as u64),
            started,
        })
    }
}

/// Returns whether a process with this PID lives on this machine and is not a younger one.
fn lives(pid: u32, started: Option<f64>) -> bool {
    let Ok(found) = fs::metadata(format!("/proc/{pid}")) else {
        return false;
    };
    let made = found.modified().map(unix_seconds).unwrap_or(0.0);
    started.is_none_or(|started| made < started + 1.0)
}
