//! Stats: a model and its file, owned.

use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;
use std::rc::Rc;

use super::file::StatsFile;
use super::groups::Groups;
use super::model::MmStats;
use crate::metric::one_thread::of_one_thread;
use crate::metric::storage::Storage;

/// The statistics of one thread.
///
/// It derefs to the model, and owns its file. Dropping it removes the file and what it counted, unless the file is
/// kept or folded.
///
/// In the child of a fork it counts in private memory until [`reopen`](Stats::reopen) is called there.
///
/// It can be sent to another thread, but not shared: only one thread writes a file.
///
/// ```compile_fail
/// # #[derive(mmstats::MmStats)] struct Web { requests: mmstats::Counter }
/// fn shared<T: Sync>() {}
/// shared::<mmstats::Stats<Web>>();
/// ```
pub struct Stats<T> {
    // The order matters: the handles are dropped before their file.
    model: Box<T>,
    file: Rc<StatsFile>,
}

// SAFETY: a `Stats` is not `Send` by itself because of the Rcs of its file and the views of its mapping. All of them
// are in `model` and `file`. By the contract of `MmStats` a model consists of fields that were bound by
// `Field::bind` and of nothing else, and by the contract of `Field` safe code cannot clone them or move them out of
// a `&T`. So they move together, and nothing else in them is bound to a thread.
unsafe impl<T: MmStats> Send for Stats<T> {}
// SAFETY: as above. A `Groups` is a `Field` itself, and its groups are models.
unsafe impl<T: MmStats> Send for Stats<Groups<T>> {}

of_one_thread!(Stats<T>, T);

impl<T> Stats<T> {
    pub(super) fn new(model: T, file: Rc<StatsFile>) -> Stats<T> {
        Stats {
            model: Box::new(model),
            file,
        }
    }

    /// Returns the path of the file, or `None` for private memory.
    ///
    /// ```
    /// # use mmstats::{Counter, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter }
    /// let web = Web::builder().anonymous().create()?;
    /// assert_eq!(web.path(), None); // private memory
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn path(&self) -> Option<PathBuf> {
        (!self.file.is_anonymous()).then(|| self.file.path())
    }

    /// Makes the spaces of removed groups available to groups that are made later.
    ///
    /// As long as `&self` is borrowed, a handle of a removed group may be held somewhere, and would write into the
    /// space of another group. Only `&mut self` proves that no such handle is held. A program that removes groups
    /// again and again should call this from time to time. Otherwise their spaces stay until the statistics are
    /// dropped, and when the file is full, new groups count under `_other`. ([`local`](MmStats::local) does this by
    /// itself.)
    ///
    /// ```
    /// # use mmstats::{Counter, MmStats};
    /// # #[derive(MmStats)] struct Session { requests: Counter }
    /// let mut sessions = Session::groups(["first"]).anonymous().create()?;
    /// for id in 0..1000 {
    ///     let name = format!("session-{id}");
    ///     sessions.group(&name).requests.inc();
    ///     sessions.remove(&name);
    ///     sessions.reuse_removed();
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn reuse_removed(&mut self) {
        // SAFETY: a reference to a group borrows the model, which is borrowed through `&self` only.
        unsafe { self.file.reclaim() };
    }

    /// Returns the bytes of the stats file; for private memory, those that a stats file would have.
    #[cfg(feature = "testing")]
    pub(crate) fn image(&self) -> Vec<u8> {
        self.file.image()
    }

    pub(super) fn file(&self) -> &StatsFile {
        &self.file
    }
}

impl<T> Drop for Stats<T> {
    fn drop(&mut self) {
        // The file holds what is bound to removed groups, and that may hold the file itself.
        // SAFETY: as in `reuse_removed`.
        unsafe { self.file.reclaim() };
    }
}

impl<T> Deref for Stats<T> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        &self.model
    }
}

impl<T: fmt::Debug> fmt::Debug for Stats<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stats")
            .field("path", &self.path())
            .field("model", &self.model)
            .finish()
    }
}
