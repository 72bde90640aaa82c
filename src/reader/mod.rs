//! Reading stats files: from another process, at any time, without the writers noticing.
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
//! - **No torn values.** A value wider than a word is all of one publication or is not there: then
//!   [`Snapshot::is_whole`] is false and [`Snapshot::busy`] names it.
//! - **No trust.** No content of a file makes a reader panic, hang, read elsewhere or allocate out of
//!   proportion. A bad file is an entry of [`Snapshot::errors`] and never hides the good ones.
//! - **No cost to writers**, whatever a reader does: it only loads.
//!
//! # How it works
//! A [`Reader`] keeps what does not change from one snapshot to the next. The first time it decodes a
//! file's records into a *plan* (`plan`): which words are values. Then a snapshot lists the directories,
//! takes in records that are new, copies the words (`copy`), asks the kernel which processes
//! live (`state`) and adds up the values position by position (`merge`).
//!
//! # Trade-offs
//! Files of one's own user in directories that only oneself can write are mapped, others are read: see
//! `copy`. A mapped file that someone cuts short while it is read raises SIGBUS, which ends the
//! process unless [`guard_sigbus`] was called. Stats files are never cut short by their writers.
//!
//! Files stay open between snapshots, as long as readers have no more than half of the descriptors that
//! the process may have; the others cost more system calls.

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

/// Reads the stats files of a root, of a model, or one file: again and again.
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
    /// A directory is a model's if it has stats files (or files only) in it, else a root; which one,
    /// each snapshot finds out anew, so an empty one may become either.
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

    /// A reader of the root that the environment names (`MMSTATS_PATH`), or else of every usual root
    /// that is there: files may be in several. Which ones are there, each snapshot finds out anew.
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

    /// A reader of the files that one process writes, wherever they are: those that it has mapped, which
    /// /proc says anew for each snapshot. When it has ended: those that are left of them, or in the roots
    /// that the environment names those that have its number.
    ///
    /// Files that were removed while it writes them are an entry of [`Snapshot::errors`] for each
    /// directory. Root reads their values all the same, through `/proc/<pid>/map_files`.
    ///
    /// [`Reader::snapshot`] is an error if the process is not for this user to look at.
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

    /// A reader of the files that any process writes that this user may look at, wherever they are.
    /// Which ones there are, /proc says anew for each snapshot: some milliseconds for each hundred
    /// processes.
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

    /// A reader of some files. Those that are not there are no error.
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

    /// Reads these files from now on, and nothing else.
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

    /// What snapshots keep apart in [`Snapshot::models`], beside the merged models: [`Per::Model`] at first,
    /// for anything else costs an allocation or two for each value of each process or file.
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

    /// Whether snapshots say what was counted since the one before: [`Model::deltas`]. Off at first, for
    /// then the values of the last snapshot are kept.
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
    /// The first call decodes what the files say of themselves; later ones only what is new, and copy
    /// and merge the values: 10,000 files of 100 counters take 28 ms if they are mapped, 40 ms if not.
    /// It never waits for a writer.
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
    /// [`Error::Io`] if the directory or file that was opened is no longer there. A file that cannot be
    /// read is no error but an entry of [`Snapshot::errors`].
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
        // Asked after reading: of a process that ends meanwhile the last values are there.
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

/// The roots that a reader looks into when none is named: the one in `MMSTATS_PATH`, else every usual one
/// that is there and safe to use: it belongs to this user, and only this user can write to it.
///
/// ```
/// for root in mmstats::reader::roots() {
///     println!("{}", root.display());
/// }
/// ```
pub fn roots() -> Vec<PathBuf> {
    paths::reader_roots().into_iter().flatten().collect()
}

/// Whether a process has private memory in the place of stats files that its parent writes: what it counts
/// there no reader sees. Gives the parent and the number of these files. From /proc; `None` also if the parent
/// has ended, or one of them is not for this user to look at.
///
/// That is normal in a child that uses [`MmStats::local`](crate::MmStats::local), which has files of its own.
/// In one without files it means that [`Stats::reopen`](crate::Stats::reopen) was not called.
///
/// ```
/// if let Some((parent, files)) = mmstats::reader::inherited(std::process::id()) {
///     println!("{files} files of process {parent} are private memory here");
/// }
/// ```
pub fn inherited(pid: u32) -> Option<(u32, usize)> {
    inherited::files(pid, name::is_stats)
}

/// Guards this process against mapped stats files that someone cuts short while they are read (by
/// copying over one, say): installs a SIGBUS handler that turns such a fault into an entry of
/// [`Snapshot::errors`]. Faults that are not in a reader's own mappings go to the handler that was
/// there before.
///
/// Opt-in, because signal handlers are the program's own affair. Call it once, after any other SIGBUS
/// handler was installed and before reading. Later calls do nothing.
///
/// ```
/// mmstats::reader::guard_sigbus()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// Those of sigaction(2).
pub fn guard_sigbus() -> std::io::Result<()> {
    sigbus::install()
}
