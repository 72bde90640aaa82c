//! One stats file of a snapshot: its process, its state, and the values from its header.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use crate::format::header::{Header, OwnerState};
use crate::format::note::Note;
#[cfg(feature = "push")]
use crate::format::retired::FileId;
use crate::format::retired::Retired;
use crate::format::scalar::Number;
use crate::metric::Value;
use crate::reader::state::{Ending, State};
use crate::sys::process::liveness::started;
use crate::sys::process::procfs::is_map_file;

/// One stats file.
#[derive(Clone, Debug)]
pub struct File {
    pub(in crate::reader) path: Arc<Path>,
    pub(in crate::reader) header: Arc<Header>,
    pub(in crate::reader) tid: u32,
    pub(in crate::reader) state: State,
    pub(in crate::reader) bytes: u64,
    pub(in crate::reader) retired: Option<Arc<Retired>>,
    /// The user who owns the file.
    #[cfg(feature = "push")]
    pub(in crate::reader) owned_by: u32,
    pub(in crate::reader) notes: Vec<Note>,
    pub(in crate::reader) format: u8,
    pub(in crate::reader) owner: OwnerState,
    /// Its index among the parts of the snapshot, with `Per::File`.
    pub(in crate::reader) part: Option<usize>,
    /// Made on demand: few callers need it, and there may be very many files.
    pub(in crate::reader) system: OnceLock<Box<[(&'static str, Value)]>>,
}

impl File {
    /// Returns its path.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let file = &snapshot.files()[0];
    /// assert!(file.path().ends_with("every-kind.mmstats"));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the name of its model.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let file = &snapshot.files()[0];
    /// assert_eq!(file.model(), "every-kind");
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn model(&self) -> &str {
        &self.header.model
    }

    /// Returns the pid of the process that created it.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let file = &snapshot.files()[0];
    /// assert_eq!(file.pid(), 812);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn pid(&self) -> u32 {
        self.header.pid
    }

    /// Returns the tid of the thread that writes it, or wrote it last.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let file = &snapshot.files()[0];
    /// assert_eq!(file.tid(), 815);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn tid(&self) -> u32 {
        self.tid
    }

    /// Returns the user of its process.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let file = &snapshot.files()[0];
    /// assert_eq!(file.uid(), 1000);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn uid(&self) -> u32 {
        self.header.uid
    }

    /// Returns the group of its process.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let file = &snapshot.files()[0];
    /// assert_eq!(file.gid(), 100);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn gid(&self) -> u32 {
        self.header.gid
    }

    /// Returns the path of its process's executable, or empty if not known.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// let file = &snapshot.files()[0];
    /// println!("{}", file.exe()); // /usr/bin/app
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn exe(&self) -> &str {
        &self.header.exe
    }

    /// Returns whether someone still writes it.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let file = &snapshot.files()[0];
    /// assert_eq!(file.state(), mmstats::reader::State::Unknown); // of another machine
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn state(&self) -> State {
        self.state
    }

    /// Returns when it was created, in nanoseconds since 1970-01-01 UTC.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// let file = &snapshot.files()[0];
    /// assert_eq!(file.created_ns() / 1_000_000_000, file.created() as u64);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn created_ns(&self) -> u64 {
        self.header.created
    }

    /// Returns when it was created, in seconds since 1970-01-01 UTC.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let file = &snapshot.files()[0];
    /// assert_eq!(file.created(), 1795214569.92); // seconds since 1970
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn created(&self) -> f64 {
        self.header.created as f64 / 1e9
    }

    /// Returns how its process ended; `None` unless it is dead. Also `None` for a retired file.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// let file = &snapshot.files()[0];
    /// assert_eq!(file.ending(), None); // nobody knows whether it has ended
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn ending(&self) -> Option<Ending> {
        (self.state == State::Dead && self.retired.is_none()).then(|| Ending::of(self.owner))
    }

    /// Returns whether the same process made both files. (Equal pids do not prove that, because a pid may be
    /// reused.)
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// let file = &snapshot.files()[0];
    /// assert!(file.is_of_the_process_of(file));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn is_of_the_process_of(&self, other: &File) -> bool {
        self.header.process() == other.header.process()
    }

    /// Returns when its process started; `None` if that is not known (it started before the last boot of this
    /// machine, or on another machine).
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// let file = &snapshot.files()[0];
    /// assert_eq!(file.process_started(), None); // on another machine
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn process_started(&self) -> Option<SystemTime> {
        started(&self.header)
    }

    /// Returns how many files of ended processes were folded into it; `None` unless it is a retired file.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// let file = &snapshot.files()[0];
    /// assert_eq!(file.retired(), None); // of one process
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn retired(&self) -> Option<u64> {
        self.retired.as_ref().map(|retired| retired.folds)
    }

    /// Identifies the file, wherever it lies. Means nothing for a retired file.
    #[cfg(feature = "push")]
    pub(crate) fn id(&self) -> FileId {
        FileId::of(&self.header)
    }

    /// Returns the user who owns the file, which may differ from the user in its header.
    #[cfg(feature = "push")]
    pub(crate) fn owned_by(&self) -> u32 {
        self.owned_by
    }

    /// Returns what was folded into it, if it is a retired file.
    #[cfg(feature = "push")]
    pub(crate) fn folded(&self) -> Option<&Retired> {
        self.retired.as_deref()
    }

    /// Returns what it does not record, and why: for example groups that were refused, or a growth that
    /// failed.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let file = &snapshot.files()[0];
    /// assert!(file.notes().is_empty()); // nothing went wrong
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Returns whether it was removed and is read through `/proc/<pid>/map_files`, which is then its path.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// let file = &snapshot.files()[0];
    /// assert!(!file.is_removed());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn is_removed(&self) -> bool {
        is_map_file(&self.path)
    }

    /// Returns its length in bytes.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let file = &snapshot.files()[0];
    /// assert!(file.bytes() > 0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns its format: 3, or 1 for a file of python-mmstats.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// let file = &snapshot.files()[0];
    /// assert_eq!(file.format(), 3);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn format(&self) -> u8 {
        self.format
    }

    /// Returns one of the values of [`system`](Self::system), by its label.
    /// [`Snapshot::of_file`](super::Snapshot::of_file) has the values of the file's metrics.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let mut reader = Reader::open("tests/golden/every-kind.mmstats")?;
    /// let snapshot = reader.snapshot()?;
    /// let file = &snapshot.files()[0];
    /// assert_eq!(file.get("sys.pid").and_then(|value| value.as_u64()), Some(812));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn get(&self, label: &str) -> Option<&Value> {
        let mut system = self.system().iter();
        system
            .find(|(name, _)| *name == label)
            .map(|(_, value)| value)
    }

    /// Returns the values whose labels begin with `sys.`, from its header and its owner word: `sys.pid`,
    /// `sys.tid`, `sys.uid`, `sys.gid`, `sys.created` (seconds since 1970-01-01 UTC) and `sys.exe`.
    ///
    /// ```
    /// # use mmstats::reader::Reader;
    /// # let snapshot = Reader::open("tests/golden/every-kind.mmstats")?.snapshot()?;
    /// let file = &snapshot.files()[0];
    /// for (label, value) in file.system() {
    ///     println!("{label} = {value}");
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn system(&self) -> &[(&'static str, Value)] {
        self.system.get_or_init(|| {
            let number = |n: u32| Value::Constant(Number::Int(n.into()));
            Box::new([
                ("sys.pid", number(self.pid())),
                ("sys.tid", number(self.tid())),
                ("sys.uid", number(self.uid())),
                ("sys.gid", number(self.gid())),
                (
                    "sys.created",
                    Value::Constant(Number::Float(self.created())),
                ),
                ("sys.exe", Value::ConstantText(self.exe().to_owned())),
            ])
        })
    }
}
