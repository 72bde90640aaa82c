//! A root for a test: for code that counts without being given its statistics.

use std::marker::PhantomData;
use std::path::Path;

use super::directory::TempDirectory;
use crate::reader::{Reader, Snapshot};
use crate::sys::lifecycle::thread_root;

/// A root for one thread. While it lives, what this thread counts goes into files below it, starting from zero. The
/// files are removed when it is dropped.
///
/// It is for code that finds its statistics by itself: through [`MmStats::local`](crate::MmStats::local), statics,
/// [`push_stat`](crate::push_stat) and [`stats`](crate::stats), the layer for `tracing`, and a recorder for the facade
/// `metrics`. Other tests run on other threads and are not included.
///
/// ```
/// use mmstats::testing::{Root, assert_value};
/// use mmstats::{Counter, MmStats, SharedCounter};
///
/// #[derive(MmStats)]
/// struct Web {
///     requests: Counter,
/// }
/// static HITS: SharedCounter = SharedCounter::new("cache", "hits");
///
/// fn handle() {
///     Web::local(|web| web.requests.inc());
///     HITS.add(2);
/// }
///
/// let root = Root::temporary();
/// handle();
/// assert_value(&root.snapshot(), "requests", 1);
/// assert_value(&root.snapshot(), "hits", 2);
/// ```
///
/// # What it does not have
/// - What other threads count, including those that the code under test starts. (With tokio: `#[tokio::test]` uses one
///   thread.)
/// - A [`SharedGauge`](crate::SharedGauge): it is one value of the process, which its `get` returns. Likewise
///   [`SharedCounter::get`](crate::SharedCounter::get) returns what all threads have counted.
/// - Gauges of the facade, for the same reason, unless the test has a recorder of its own:
#[cfg_attr(feature = "metrics", doc = "```")]
#[cfg_attr(not(feature = "metrics"), doc = "```ignore")]
/// use mmstats::recorder::Recorder;
/// use mmstats::testing::{Root, assert_value};
///
/// let root = Root::temporary();
/// let recorder = Recorder::builder().path(root.path()).build()?;
/// metrics::with_local_recorder(&recorder, || {
///     metrics::counter!("requests").increment(1);
///     metrics::gauge!("queue").set(7.0);
/// });
/// assert_value(&root.snapshot(), "requests", 1);
/// assert_value(&root.snapshot(), "queue", 7.0);
/// # Ok::<(), mmstats::Error>(())
/// ```
///
/// To test the whole program, start it as a process with `MMSTATS_PATH`, and read with a [`Reader`].
///
/// # Cost
/// The files of a model, each with 16 MiB of addresses and some KiB of memory, stay mapped until the thread ends;
/// those of statics, until the process ends.
#[derive(Debug)]
#[must_use = "the thread has this root until it is dropped"]
pub struct Root {
    directory: TempDirectory,
    of_this_thread: PhantomData<*const ()>,
}

impl Root {
    /// Creates an empty root for this thread, in a temporary directory.
    ///
    /// ```
    /// use mmstats::reader::Reader;
    /// use mmstats::testing::Root;
    ///
    /// let root = Root::temporary();
    /// mmstats::push_stat("rows", 12.0);
    /// let snapshot = Reader::from_env()?.snapshot()?; // by this thread
    /// assert!(snapshot.get("stats", "rows").is_some());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// # Panics
    /// If this thread already has one, or if the directory cannot be created.
    #[track_caller]
    pub fn temporary() -> Root {
        let directory = match TempDirectory::new() {
            Ok(directory) => directory,
            Err(error) => panic!("cannot create a root: {error}"),
        };
        assert!(
            thread_root::begin(directory.path()),
            "this thread has a Root already: use that one, or drop it first"
        );
        Root {
            directory,
            of_this_thread: PhantomData,
        }
    }

    /// Returns its directory, for code that is told where to write.
    ///
    /// ```
    /// let root = mmstats::testing::Root::temporary();
    /// let writer = mmstats::Writer::builder("rows").path(root.path()).create()?;
    /// assert!(writer.path().unwrap().starts_with(root.path()));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Reads what was counted since the root was created. The snapshot is empty if nothing was.
    ///
    /// ```
    /// use mmstats::testing::{Root, assert_value};
    /// # fn work() { mmstats::push_stat("rows", 12.0) }
    /// let root = Root::temporary();
    /// work();
    /// assert_value(&root.snapshot(), "rows.Count", 1);
    /// ```
    ///
    /// # Panics
    /// If something cannot be read, and on platforms where files are not supported.
    #[track_caller]
    pub fn snapshot(&self) -> Snapshot {
        let read = Reader::open(self.path()).and_then(|mut reader| reader.snapshot());
        let snapshot = match read {
            Ok(snapshot) => snapshot,
            Err(error) => panic!("cannot read what this thread has counted: {error}"),
        };
        if let Some(problem) = snapshot.errors().first() {
            panic!(
                "cannot read what this thread has counted: {}",
                problem.error()
            );
        }
        snapshot
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // Before the directory, which is a field, is removed.
        thread_root::end();
    }
}
