//! A file of its own for the child of a fork.

use super::builder::{Builder, Fields, Names};
use super::groups::Groups;
use super::model::MmStats;
use super::stats::Stats;
use crate::Error;

impl<T: MmStats> Stats<T> {
    /// Makes a separate file for the child of a fork, whose values begin at zero. Does nothing in the process that
    /// made the statistics.
    ///
    /// Statistics that were made before a fork write to their file only in the parent. In the child they count in
    /// private memory, which no reader sees, until this is called. ([`MmStats::local`] needs no such call: it makes
    /// a file for each process.)
    ///
    /// ```no_run
    /// # use mmstats::{Counter, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter }
    /// # fn fork() -> bool { true }
    /// let mut web = Web::create()?;
    /// if fork() {
    ///     web.reopen()?; // in each worker
    ///     web.requests.inc();
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Builder::create`]. The statistics then stay usable, but no reader sees them.
    pub fn reopen(&mut self) -> Result<(), Error> {
        if self.file().is_inherited() {
            *self = Builder::<T>::like(self.file(), Fields).create()?;
        }
        Ok(())
    }
}

impl<T: MmStats> Stats<Groups<T>> {
    /// Like `reopen` of a file without groups. The child's file has the groups that have names. A group with labels
    /// is made again when it is looked up.
    ///
    /// ```no_run
    /// # use mmstats::{Counter, MmStats};
    /// # #[derive(MmStats)] struct Peer { sent: Counter }
    /// # fn fork() -> bool { true }
    /// let mut peers = Peer::groups(["a", "b"]).create()?;
    /// if fork() {
    ///     peers.reopen()?; // in each worker
    ///     peers["a"].sent.inc();
    /// }
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Builder::create`].
    pub fn reopen(&mut self) -> Result<(), Error> {
        if self.file().is_inherited() {
            let names = Names(self.names());
            *self = Builder::<T, Names>::like(self.file(), names).create()?;
        }
        Ok(())
    }
}
