//! One model of a snapshot, or the part of it that one process or file has.

use std::sync::Arc;
use std::time::SystemTime;

use super::{File, Series, lookup};
use crate::format::header::ProcessId;
use crate::metric::Value;
use crate::reader::state::State;

/// One model: its series and its files. With [`Per::Process`](crate::reader::Per::Process) or
/// [`Per::File`](crate::reader::Per::File) it is the part of the model that one process or file has.
#[derive(Debug)]
pub struct Model {
    pub(in crate::reader) name: Arc<str>,
    pub(in crate::reader) help: Arc<str>,
    pub(in crate::reader) export: Option<Arc<str>>,
    pub(in crate::reader) processes: usize,
    pub(in crate::reader) types: Vec<Arc<str>>,
    pub(in crate::reader) series: Vec<Series>,
    pub(in crate::reader) deltas: Vec<Series>,
    pub(in crate::reader) files: Vec<usize>,
    pub(in crate::reader) process: Option<Process>,
    pub(in crate::reader) file: Option<Box<File>>,
}

/// A process that has stats files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pid: u32,
    id: ProcessId,
    exe: Box<str>,
    started: Option<SystemTime>,
    state: State,
}

impl Model {
    /// Returns its name.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let names: Vec<&str> = snapshot.models().iter().map(|model| model.name()).collect();
    /// assert_eq!(names, ["every-kind"]);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its help text, or empty. It comes from the latest of its files that has one.
    ///
    /// ```no_run
    /// # let snapshot = mmstats::reader::Reader::open("/run/app")?.snapshot()?;
    /// for model in snapshot.models() {
    ///     println!("{}: {}", model.name(), model.help()); // my-app: Statistics of the web tier.
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn help(&self) -> &str {
        &self.help
    }

    /// Returns what exporters put in front of the names of its metrics: its name, or what the model states
    /// with `#[mmstats(export = "…")]`. If it is empty, they put nothing there.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// let model = snapshot.model("every-kind").unwrap();
    /// assert_eq!(model.export(), "every-kind"); // its name
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn export(&self) -> &str {
        self.export.as_deref().unwrap_or(&self.name)
    }

    /// Returns how many processes made its files.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let model = snapshot.model("every-kind").unwrap();
    /// assert_eq!(model.processes(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn processes(&self) -> usize {
        self.processes
    }

    /// Returns the types that write it now, as paths in their programs (`app::Web`), sorted. If there are
    /// several, either two models have the same name and their values are mixed, or programs of two versions
    /// are running.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// let model = snapshot.model("every-kind").unwrap();
    /// for path in model.types() {
    ///     println!("written by {path}");
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn types(&self) -> impl ExactSizeIterator<Item = &str> {
        self.types.iter().map(|path| &**path)
    }

    /// Returns its series, by label.
    ///
    /// ```no_run
    /// # let snapshot = mmstats::reader::Reader::open("/run/app")?.snapshot()?;
    /// for series in snapshot.models().iter().flat_map(|model| model.series()) {
    ///     println!("{} {:?} {}", series.metric(), series.group(), series.value());
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn series(&self) -> &[Series] {
        &self.series
    }

    /// Returns what was counted since the previous snapshot, by label, for kinds that only rise: Counter,
    /// Timer, Percentile, Summary, Average, SamplingCounter and Errors. The extremes of a Summary in the
    /// interval are not known. The rate of a SamplingCounter is that of its last samples. Empty unless
    /// [`Reader::deltas`](crate::reader::Reader::deltas) is on; zeros in the first snapshot.
    ///
    /// Deltas are added up file by file, so files that come and go make them neither negative nor too large.
    /// What a file counted between the last snapshot and its end is known only if it was folded into the
    /// retired file of its model. What a process counted before its files were folded is in the delta of the
    /// retired file. So the deltas of the processes add up to those of the model.
    ///
    /// ```no_run
    /// let mut reader = mmstats::reader::Reader::open("/run/app")?;
    /// reader.deltas(true).snapshot()?;
    /// std::thread::sleep(std::time::Duration::from_secs(1));
    /// for series in reader.snapshot()?.models().iter().flat_map(|model| model.deltas()) {
    ///     println!("{} in the last second: {}", series.label(), series.value());
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn deltas(&self) -> &[Series] {
        &self.deltas
    }

    /// Returns its files, as indices into [`Snapshot::files`](super::Snapshot::files).
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let model = snapshot.model("every-kind").unwrap();
    /// let files = model.files().iter().map(|index| &snapshot.files()[*index]);
    /// assert!(files.into_iter().all(|file| file.model() == "every-kind"));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn files(&self) -> &[usize] {
        &self.files
    }

    /// Returns the process whose part of the model this is, with
    /// [`Per::Process`](crate::reader::Per::Process) or [`Per::File`](crate::reader::Per::File). `None` for
    /// the totals of ended processes, in a retired file.
    ///
    /// ```no_run
    /// use mmstats::reader::{Per, Reader};
    ///
    /// for model in Reader::open("/run/app")?.per(Per::Process).snapshot()?.models() {
    ///     match model.process() {
    ///         Some(process) => println!("{} {}: {}", process.pid(), process.exe(), process.state()),
    ///         None => println!("ended processes"),
    ///     }
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    /// Returns the file whose part of the model this is, with [`Per::File`](crate::reader::Per::File).
    ///
    /// ```no_run
    /// use mmstats::reader::{Per, Reader};
    ///
    /// let snapshot = Reader::open("/run/app")?.per(Per::File).snapshot()?;
    /// for file in snapshot.models().iter().filter_map(|model| model.file()) {
    ///     println!("{} {}", file.path().display(), file.state());
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn file(&self) -> Option<&File> {
        self.file.as_deref()
    }

    /// Like [`Snapshot::get`](super::Snapshot::get). For the part of one file it also finds `sys.pid` and so
    /// on: see [`File::system`].
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let model = snapshot.model("every-kind").unwrap();
    /// assert_eq!(model.get("in_flight").and_then(|value| value.as_i64()), Some(-3));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn get(&self, label: &str) -> Option<&Value> {
        lookup(&self.series, label).or_else(|| self.file()?.get(label))
    }
}

impl Process {
    /// Returns the process of a file.
    pub(in crate::reader) fn of(file: &File) -> Process {
        Process {
            pid: file.pid(),
            id: file.header.process(),
            exe: file.exe().into(),
            started: file.process_started(),
            state: match file.state() {
                // The thread has ended, but the process lives.
                State::Orphan => State::Live,
                state => state,
            },
        }
    }

    /// Returns its pid, in the pid namespace where it made its files.
    ///
    /// ```
    /// # use mmstats::reader::{Per, Reader};
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.per(Per::Process).snapshot()?;
    /// let process = snapshot.models()[0].process().unwrap();
    /// assert_eq!(process.pid(), 812);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns its identity, which is the same at every reading; [`started`](Self::started) may differ by
    /// nanoseconds.
    #[cfg(feature = "push")]
    pub(crate) fn id(&self) -> ProcessId {
        self.id
    }

    /// Returns the path of its executable, or empty if not known.
    ///
    /// ```
    /// # use mmstats::reader::{Per, Reader};
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.per(Per::Process).snapshot()?;
    /// let process = snapshot.models()[0].process().unwrap();
    /// println!("{}", process.exe());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn exe(&self) -> &str {
        &self.exe
    }

    /// Returns when it started; `None` if that is not known (it started before the last boot of this machine,
    /// or on another machine).
    ///
    /// ```
    /// # use mmstats::reader::{Per, Reader};
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.per(Per::Process).snapshot()?;
    /// let process = snapshot.models()[0].process().unwrap();
    /// assert_eq!(process.started(), None); // on another machine
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn started(&self) -> Option<SystemTime> {
        self.started
    }

    /// Returns whether it lives; never [`State::Orphan`].
    ///
    /// ```
    /// # use mmstats::reader::{Per, Reader};
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.per(Per::Process).snapshot()?;
    /// let process = snapshot.models()[0].process().unwrap();
    /// assert_eq!(process.state(), mmstats::reader::State::Unknown);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn state(&self) -> State {
        self.state
    }
}
