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

/// The statistics of one thread: derefs to the model, and owns its file. Dropping it removes the
/// file (and what it counted) unless it is kept.
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

// SAFETY: what makes a `Stats` not `Send` by itself are Rcs of its file and views of its mapping. All
// of them are in `model` and `file`. By the contract of `MmStats` a model consists of fields that were
// bound by `Field::bind` and of nothing else, and by the contract of `Field` safe code cannot clone
// them or move them out of a `&T`. So they move together, and nothing else in them is bound to a thread.
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

    /// The path of the file; `None` for private memory.
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

    /// Makes the spaces of groups that were removed ready to be used again, by groups that are made later.
    ///
    /// As long as `&self` is lent, a handle of a removed group may be held somewhere, and would write into the
    /// space of another one. Only `&mut self` proves that there is none. A program that removes groups again and
    /// again calls this from time to time; without it their spaces stay until the statistics are dropped, and
    /// when the file is full new groups count under `_other`. ([`local`](MmStats::local) does it by itself.)
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
        // SAFETY: a reference to a group borrows the model, which is lent by `&self` only.
        unsafe { self.file.reclaim() };
    }

    /// The bytes of a stats file with these statistics: of its own, or as private memory would be one.
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
        // What is bound to removed groups is in the file, and may keep the file itself.
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
