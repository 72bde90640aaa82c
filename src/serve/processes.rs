//! The processes that the agent has seen: those that live, with what /proc says of them, and those that have ended,
//! with how.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;

use serde_json::{Value as Json, json};

use super::time::unix_seconds;
use super::totals::Reading;
use crate::reader::{Ending, File, State};

/// Ended processes that are remembered.
const ENDED_MOST: usize = 500;

/// What is remembered of processes.
#[derive(Debug, Default)]
pub struct Processes {
    /// Those of the last reading.
    there: BTreeMap<Id, Process>,
    /// Those of which there are no files any more, the last one last.
    gone: VecDeque<Process>,
}

/// Which process: a number may be used again.
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
    /// Takes in a reading.
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
        // One that had no files for a moment.
        self.gone.retain(|process| {
            let is_back = |new: &Process| new.pid == process.pid && new.started == process.started;
            !there.values().any(is_back)
        });
        while self.gone.len() > ENDED_MOST {
            self.gone.pop_front();
        }
        self.there = there;
    }

    /// All of them, those that live first, then the last one that ended.
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

    /// Calls `each` with number, program and figures of those that live here.
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
        // A panic is known where one file says so, a sudden end where one was not left in good order.
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

    /// As it is when its files are gone.
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

/// What /proc says of a process.
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
        // The name in it may have spaces and parentheses.
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

/// Whether a process of this number lives here that is not a younger one.
fn lives(pid: u32, started: Option<f64>) -> bool {
    let Ok(found) = fs::metadata(format!("/proc/{pid}")) else {
        return false;
    };
    let made = found.modified().map(unix_seconds).unwrap_or(0.0);
    started.is_none_or(|started| made < started + 1.0)
}
