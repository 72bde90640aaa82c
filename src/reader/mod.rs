//! Readers of stats files: they run in any process, at any time, and do not disturb the writers.
//!
//! ```no_run
//! use mmstats::reader::Reader;
//!
//! let mut reader = Reader::open("/run/app")?; // a root, a model's directory, or one file
//! let snapshot = reader.snapshot()?; // merged over all files
//! let requests = snapshot.get("my-app", "requests").and_then(|value| value.as_u64());
//! for (model, label, value) in snapshot.iter() {
//!     println!("{model} {label} {value:?}");
//! }
//! # Ok::<(), mmstats::Error>(())
//! ```
//!
//! # What to rely on
//! - **No torn values.** All words of a value come from one publication. A value that could not be read this
//!   way is left out or keeps its last state; then [`Snapshot::is_whole`] is false and [`Snapshot::busy`]
//!   names it. (Only files of python-mmstats cannot show a torn value: what may be torn there is reported in
//!   [`Snapshot::errors`].)
//! - **No trust.** No content of a file makes a reader panic, hang, read outside the file or allocate out of
//!   proportion to it. A bad file is reported in [`Snapshot::errors`] and never hides the good ones.
//! - **No cost to writers.** A reader only loads; it never stores to a file.
//!
//! # How it works
//! A [`Reader`] keeps what does not change from one snapshot to the next. When it first sees a file, it
//! decodes the records into a *plan* (`plan`), which says which words are values. Each snapshot then lists
//! the directories, decodes new records, copies the words (`copy`), asks the kernel which processes are alive
//! (`state`) and adds up the values position by position (`merge`).
//!
//! # Trade-offs
//! A file is mapped if it belongs to this user, only this user can write to it and its directory, and it has
//! no holes. All other files are read with pread: see `copy`. If someone truncates a mapped file while it is
//! read, the kernel raises SIGBUS, which ends the process unless [`guard_sigbus`] was called. Writers never
//! truncate their stats files.
//!
//! Files stay open between snapshots as long as readers use no more than half of the descriptors that the
//! process may have. The other files cost more system calls.

#[cfg(any(feature = "serve", feature = "push"))]
pub(crate) mod changes;
pub(crate) mod contents;
pub(crate) mod copy;
mod display;
pub(crate) mod file;
pub(crate) mod identity;
mod lookup;
mod merge;
mod name;
pub(crate) mod plan;
pub(crate) mod preamble;
mod removed;
mod retired;
mod scan;
mod snapshot;
pub(crate) mod source;
#[cfg(any(feature = "serve", feature = "push"))]
pub(crate) mod sources;
mod state;
mod table;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod text;
mod v1;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use self::scan::{Files, Location, Tools};
use self::state::{Kernel, ProcessStates};
use crate::Error;
use crate::sys::lifecycle::paths;
use crate::sys::memory::inherited;
use crate::sys::memory::sigbus;
use crate::sys::process::clock;
use crate::sys::process::liveness::Witness;
use crate::sys::{self, NO_FILES};

pub use self::display::{bytes, counted, date, duration, float};
pub use self::merge::Per;
pub use self::removed::{Removed, unlinked};
pub use self::snapshot::{File, Model, Problem, Process, Series, Snapshot};
pub use self::state::{Ending, State};
pub use self::text::{matches, printable};
pub use self::verify::verify;
pub use crate::format::note::{Cause, Note};
pub use crate::format::schema::Merge;
pub use crate::metric::sample::{Histogram, Reading, Sample};

/// Reads the stats files of a root or of a model, or a single file, as often as asked.
#[derive(Debug)]
pub struct Reader {
    place: Location,
    path: PathBuf,
    per: Per,
    deltas: bool,
    /// When the last snapshot began, nanoseconds since 1970-01-01 UTC.
    last: Option<u64>,
    files: Files,
    plans: plan::Plans,
    merger: merge::Merger,
    scratch: copy::Scratch,
    states: Box<dyn ProcessStates>,
}

/// How often a snapshot starts over because files were folded meanwhile.
const TRIES: u32 = 16;

impl Reader {
    /// A reader of a root, a model's directory or a single file. Reads nothing yet.
    ///
    /// A directory is a model's if it contains stats files (or only files), else it is a root. Each snapshot
    /// checks this again, so an empty directory may become either.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// assert_eq!(snapshot.get("every-kind", "requests").and_then(|value| value.as_u64()), Some(7));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Io`] if there is nothing at that path; `Unsupported` on a platform without files.
    pub fn open(path: impl AsRef<Path>) -> Result<Reader, Error> {
        let path = path.as_ref();
        if NO_FILES.is_some() {
            return Err(Error::io(path, "read stats files in", sys::unsupported()));
        }
        // Absolute, so that a later change of the working directory changes nothing.
        let path = std::path::absolute(path)
            .map_err(|error| Error::io(path, "find the directory", error))?;
        let metadata = path
            .metadata()
            .map_err(|error| Error::io(&path, "find stats files", error))?;
        let place = if metadata.is_dir() {
            Location::Tree(path.clone())
        } else {
            Location::File(path.clone())
        };
        Ok(Reader::new(place, path))
    }

    /// A reader of the root that the environment names (`MMSTATS_PATH`), or else of every usual root that
    /// exists, because files may be in several. Each snapshot checks again which roots exist.
    ///
    /// ```no_run
    /// use mmstats::reader::Reader;
    ///
    /// let snapshot = Reader::from_env()?.snapshot()?;
    /// for (model, label, value) in snapshot.iter() {
    ///     println!("{model}: {label} = {value}");
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// # Errors
    /// None so far.
    pub fn from_env() -> Result<Reader, Error> {
        let path = roots().into_iter().next().unwrap_or_default();
        Ok(Reader::new(Location::Environment, path))
    }

    /// A reader of the files that one process writes, wherever they are. These are the stats files that it
    /// has mapped; each snapshot looks them up in /proc. Once the process has ended, the reader reads those
    /// of its files that are left, or the files with its pid in the roots that the environment names.
    ///
    /// Files that were removed while the process writes them are reported in [`Snapshot::errors`], one entry
    /// for each directory. The superuser still reads their values, through `/proc/<pid>/map_files`.
    ///
    /// [`Reader::snapshot`] returns an error if this user may not inspect the process.
    ///
    /// ```no_run
    /// use mmstats::reader::Reader;
    ///
    /// let snapshot = Reader::for_process(812).snapshot()?;
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn for_process(pid: u32) -> Reader {
        Reader::new(Location::Process(pid), format!("/proc/{pid}").into())
    }

    /// A reader of the files of all processes that this user may inspect, wherever the files are. Each
    /// snapshot looks them up in /proc, which takes some milliseconds for each hundred processes.
    ///
    /// ```no_run
    /// use mmstats::reader::Reader;
    ///
    /// for file in Reader::for_all_processes().snapshot()?.files() {
    ///     println!("{} of {}", file.path().display(), file.exe());
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn for_all_processes() -> Reader {
        Reader::new(Location::Processes, "/proc".into())
    }

    /// A reader of the given files. A file that does not exist is not an error.
    ///
    /// ```
    /// use mmstats::reader::Reader;
    ///
    /// let file = "tests/golden/every-kind.mmstats".into();
    /// assert_eq!(Reader::for_files(vec![file]).snapshot()?.files().len(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn for_files(files: Vec<PathBuf>) -> Reader {
        Reader::new(Location::Files(files), PathBuf::new())
    }

    /// Makes later snapshots read these files and nothing else.
    ///
    /// ```
    /// use mmstats::reader::Reader;
    ///
    /// let mut reader = Reader::for_files(Vec::new());
    /// assert!(reader.snapshot()?.files().is_empty());
    /// reader.set_files(vec!["tests/golden/every-kind.mmstats".into()]);
    /// assert_eq!(reader.snapshot()?.files().len(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn set_files(&mut self, files: Vec<PathBuf>) {
        self.place = Location::Files(files);
    }

    fn new(place: Location, path: PathBuf) -> Reader {
        Reader {
            place,
            path,
            per: Per::default(),
            deltas: false,
            last: None,
            files: Files::default(),
            plans: plan::Plans::default(),
            merger: merge::Merger::default(),
            scratch: copy::Scratch::default(),
            states: Box::new(Kernel(Witness::new())),
        }
    }

    /// Sets what snapshots keep apart in [`Snapshot::models`], beside the merged models. The default is
    /// [`Per::Model`], because anything else costs an allocation or two for each value of each process or
    /// file.
    ///
    /// ```no_run
    /// use mmstats::reader::{Per, Reader};
    ///
    /// let mut reader = Reader::open("/run/app")?;
    /// for model in reader.per(Per::Process).snapshot()?.models() {
    ///     let pid = model.process().map(|process| process.pid());
    ///     println!("{} {pid:?}: {:?}", model.name(), model.get("requests"));
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn per(&mut self, per: Per) -> &mut Reader {
        self.per = per;
        self
    }

    /// Sets whether snapshots report what was counted since the previous one: [`Model::deltas`]. Off by
    /// default, because the reader then has to keep the values of the last snapshot.
    ///
    /// ```no_run
    /// let mut reader = mmstats::reader::Reader::open("/run/app")?;
    /// reader.deltas(true).snapshot()?; // the first one: zeros
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn deltas(&mut self, wanted: bool) -> &mut Reader {
        self.deltas = wanted;
        self
    }

    /// Reads all values.
    ///
    /// The first call decodes the records of all files. Later calls decode only new records, then copy and
    /// merge the values: 10,000 files of 100 counters take 28 ms if they are mapped, 40 ms if not. A call
    /// never waits for a writer.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let later = reader.snapshot()?; // only values are read anew
    /// assert_eq!(snapshot.files().len(), later.files().len());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Io`] if the directory or file that was opened is no longer there. A file that cannot be read
    /// is not an error; it is reported in [`Snapshot::errors`].
    pub fn snapshot(&mut self) -> Result<Snapshot, Error> {
        if NO_FILES.is_some() {
            let path = &self.path;
            return Err(Error::io(path, "read stats files in", sys::unsupported()));
        }
        let mut snapshot = Snapshot {
            path: self.path.clone(),
            merged: Vec::new(),
            parts: None,
            files: Vec::new(),
            errors: Vec::new(),
            busy: Vec::new(),
            rejected: 0,
        };
        let began = clock::system_nanos();
        if self.deltas {
            self.files.keep_values();
        }
        self.states.begin_round();
        for tries_left in (0..TRIES).rev() {
            snapshot.errors.clear();
            let mut tools = Tools {
                plans: &mut self.plans,
                scratch: &mut self.scratch,
                problems: &mut snapshot.errors,
            };
            self.files.scan(&self.place, &mut tools)?;
            self.files.read(&mut tools);
            if self.files.retire(&mut tools) {
                break;
            }
            if tries_left == 0 {
                let problem = "files are folded faster than they can be read: totals may be wrong";
                snapshot.errors.push(Problem::new(&self.path, problem));
            }
        }
        let mut files = scan::without_copies(self.files.in_order(), &mut snapshot.errors);
        let mut gone = Vec::new();
        let last = self.last.replace(began);
        if self.deltas {
            (files, gone) = self.files.compared(last);
        }
        // Asked after reading, so that the last values of a process that ends meanwhile have been read.
        let states = &mut self.states;
        snapshot.files = (files.iter())
            .map(|file| {
                let life = states.life(&file.root, &file.header);
                File {
                    path: Arc::clone(&file.path),
                    header: Arc::clone(&file.header),
                    tid: file.owner.tid,
                    // Its processes have ended.
                    state: match &file.contents.retired {
                        Some(_) => State::Dead,
                        None => State::of(life, file.owner.state),
                    },
                    owner: file.owner.state,
                    retired: file.contents.retired.clone(),
                    #[cfg(feature = "push")]
                    owned_by: file.uid,
                    notes: file.contents.notes.clone(),
                    bytes: file.len,
                    format: file.format(),
                    part: None,
                    system: OnceLock::new(),
                }
            })
            .collect();
        let wanted = merge::MergeOptions {
            per: self.per,
            deltas: self.deltas.then(|| last.unwrap_or(began)),
        };
        (self.merger).merge(&mut files, &gone, &mut snapshot, wanted);
        snapshot.rejected = std::mem::take(&mut self.scratch.rejected);
        self.plans.forget_unused();
        Ok(snapshot)
    }
}

/// The roots that a reader looks into when none is named: the one in `MMSTATS_PATH`, else every usual root
/// that exists and is safe to use, which means that it belongs to this user and only this user can write to
/// it.
///
/// ```
/// for root in mmstats::reader::roots() {
///     println!("{}", root.display());
/// }
/// ```
pub fn roots() -> Vec<PathBuf> {
    paths::reader_roots().into_iter().flatten().collect()
}

/// Returns the parent of a process, and for how many of its parent's stats files the process has private
/// memory instead. No reader sees what it counts there. Reads /proc. `None` if there are no such files, if
/// the parent has ended, or if this user may not inspect one of the two.
///
/// Such memory is normal in a child that uses [`MmStats::local`](crate::MmStats::local), which has files of
/// its own. In a child without files it means that [`Stats::reopen`](crate::Stats::reopen) was not called.
///
/// ```
/// if let Some((parent, files)) = mmstats::reader::inherited(std::process::id()) {
///     println!("{files} files of process {parent} are private memory here");
/// }
/// ```
pub fn inherited(pid: u32) -> Option<(u32, usize)> {
    inherited::files(pid, name::is_stats)
}

/// Guards this process against mapped stats files that someone truncates while they are read, for example by
/// copying over one. Installs a SIGBUS handler that turns such a fault into an entry of [`Snapshot::errors`].
/// Faults outside a reader's own mappings go to the previous handler.
///
/// This is opt-in, because signal handlers belong to the program. Call it once, after any other SIGBUS
/// handler has been installed and before reading. Later calls do nothing.
///
/// ```
/// mmstats::reader::guard_sigbus()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// The errors of sigaction(2).
pub fn guard_sigbus() -> std::io::Result<()> {
    sigbus::install()
}
