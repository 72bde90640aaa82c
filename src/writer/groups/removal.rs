//! Removal: how a group ends, in this thread's file and in those of other threads.

use std::cell::Cell;
use std::hash::{BuildHasher, Hash};
use std::rc::Rc;

use hashbrown::Equivalent;

use super::pairs::{LookupPairs, Pairs};
use super::{GroupBy, GroupId, Groups};
use crate::format::generation::{self, is_there};
use crate::metric::storage::Storage;
use crate::sync::Ordering;
use crate::sys::lifecycle::ended_groups;
use crate::sys::memory::frozen::FrozenMap;
use crate::sys::memory::words::Word;
use crate::writer::model::MmStats;

/// A group, and the word that says whether it was removed.
pub(super) struct KnownGroup<T> {
    generation: Word,
    block: u32,
    model: T,
}

/// A file's [`Storage::lent`](crate::metric::storage::Storage::lent).
pub(super) struct LentFlag(Option<Rc<Cell<bool>>>);

impl LentFlag {
    pub(super) fn of(storage: Option<&Rc<dyn Storage>>) -> LentFlag {
        LentFlag(storage.map(|storage| storage.lent().clone()))
    }
}

impl<T> KnownGroup<T> {
    pub(super) fn new(generation: Word, block: u32, model: T) -> KnownGroup<T> {
        KnownGroup {
            generation,
            block,
            model,
        }
    }

    /// Returns the group. Notes that a reference to it is lent: no group's space is reused before that reference
    /// ends.
    #[inline(always)]
    pub(super) fn lend(&self, lent: &LentFlag) -> &T {
        if let Some(lent) = &lent.0 {
            lent.set(true);
        }
        &self.model
    }

    /// Returns whether the group still exists.
    #[inline(always)]
    pub(super) fn is_there(&self) -> bool {
        // Relaxed: a thread that was told of a removal sees it, and one that was not may as well have come before
        // it. Nothing that is read depends on it: only this thread reuses the space, and not before `group` has let
        // the group go.
        is_there(self.generation.load(Ordering::Relaxed))
    }

    /// Ends the group. Returns false if it had already ended.
    fn end(&self) -> bool {
        let known = self.generation.load(Ordering::Relaxed);
        generation::remove(&self.generation, known)
    }
}

impl<T: MmStats, L: GroupBy> Groups<T, L> {
    /// Ends a group in all threads of this process that write to the same directory. Readers no longer see its
    /// series, and what it counted is gone from the totals. Groups within it end with it. Returns whether there was
    /// such a group.
    ///
    /// A thread that asks for the group again gets a new one, which begins at zero. Handles that are still held keep
    /// working, but their writes are not visible to readers. `_other` cannot be removed.
    ///
    /// The space of the group is reused for another one once it is certain that no handle of it is held. With
    /// [`local`](MmStats::local), that is when a call begins and no enclosing call holds a group; with an owned
    /// [`Stats`](crate::Stats), when [`Stats::reuse_removed`](crate::Stats::reuse_removed) is called. Until then the
    /// space counts against the size of the file.
    ///
    /// This call is not for a hot path: it goes through the records of the files of all threads that write the
    /// model.
    ///
    /// ```
    /// # use mmstats::{Counter, Groups, MmLabels, MmStats};
    /// # #[derive(MmStats)] struct Handler { response_ok: Counter }
    /// # #[derive(MmLabels, Clone, PartialEq, Eq, Hash)] struct Route { path: String }
    /// # #[derive(MmStats)] struct Web { handlers: Groups<Handler>, routes: Groups<Handler, Route> }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.handlers.group("index").response_ok.inc();
    /// assert!(web.handlers.remove("index"));
    /// assert!(!web.handlers.remove("index"));
    /// assert_eq!(web.handlers.group("index").response_ok.get(), 0);
    ///
    /// let route = Route { path: "/".into() };
    /// web.routes.group(&route).response_ok.inc();
    /// assert!(web.routes.remove(&route));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn remove(&self, key: &L::Key) -> bool {
        // An invalid key has no group.
        let id = L::id(key, &self.placement);
        id.is_ok_and(|id| self.end(&self.known, key, id))
    }

    /// Ends the group of this key in `table`, and the groups with this id in the files of the other threads. Returns
    /// whether there was one.
    fn end<K, Q, S>(&self, table: &FrozenMap<K, KnownGroup<T>, S>, key: &Q, id: GroupId) -> bool
    where
        K: Eq + Hash,
        Q: Hash + Equivalent<K> + ?Sized,
        S: BuildHasher + Clone + Default,
    {
        let Some((space, schema)) = &self.file else {
            return false;
        };
        let own = table.get(key).is_some_and(KnownGroup::end);
        let elsewhere = space.end_elsewhere(&self.instance(*schema, id), T::has_groups());
        self.let_go(table, key);
        own || elsewhere
    }

    /// Lets go of a group if it was removed. While the file is being appended to (an allocator may call this) the
    /// group stays, and the next call lets go of it.
    pub(super) fn let_go<K, Q, S>(&self, table: &FrozenMap<K, KnownGroup<T>, S>, key: &Q)
    where
        K: Eq + Hash,
        Q: Hash + Equivalent<K> + ?Sized,
        S: BuildHasher + Clone + Default,
    {
        let Some((space, _)) = &self.file else { return };
        if table.get(key).is_none_or(KnownGroup::is_there) {
            return;
        }
        // SAFETY: the file drops it when nobody holds a reference to a group of the file (`StatsFile::reclaim`), or
        // when the file itself is dropped, which is after the model that lends the references.
        if let Some((key, taken)) = unsafe { table.take(key) } {
            let block = taken.value().block;
            let refused = space.removed(block, T::has_groups(), Box::new(taken)).err();
            if let Some(Ok(taken)) = refused.map(|taken| taken.downcast()) {
                table.put_back(key, *taken);
            }
        }
    }

    /// Returns whether no group was ended from elsewhere (by another thread, or with a group around it) since all
    /// groups were last looked at. Then all groups in the table still exist, and the file need not be read.
    #[inline(always)]
    pub(super) fn none_ended(&self) -> bool {
        self.looked.get() == ended_groups::number()
    }

    /// Lets go of all groups that were ended from elsewhere since the last call.
    pub(super) fn let_ended_go(&self) {
        let ended = ended_groups::number();
        if self.looked.replace(ended) != ended {
            for key in self.known.keys() {
                self.let_go(&self.known, &key);
            }
            for key in self.paired.keys() {
                self.let_go(&self.paired, &key);
            }
        }
    }
}

impl<T: MmStats> Groups<T> {
    /// Like [`remove`](Self::remove), for the group with these labels, in any order.
    ///
    /// ```
    /// # use mmstats::{Counter, Groups, MmStats};
    /// # #[derive(MmStats)] struct Web { handlers: Groups<Handler> }
    /// # #[derive(MmStats)] struct Handler { requests: Counter }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.handlers.group_with(&[("handler", "index"), ("method", "GET")]).requests.inc();
    /// assert!(web.handlers.remove_with(&[("method", "GET"), ("handler", "index")]));
    /// assert!(!web.handlers.remove_with(&[("method", "GET"), ("handler", "index")]));
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn remove_with(&self, pairs: &[(&str, &str)]) -> bool {
        let wanted = LookupPairs::new(&pairs, &self.pair_hashes);
        // Invalid labels have no group.
        let id = GroupId::labelled(pairs.to_labels(), &self.placement);
        id.is_ok_and(|id| self.end(&self.paired, &wanted, id))
    }
}

impl<T, L: GroupBy> Drop for Groups<T, L> {
    fn drop(&mut self) {
        // The spaces of groups within a removed group can be reused, too.
        if let Some((space, _)) = &self.file {
            for group in self.known.drain().chain(self.paired.drain()) {
                let block = group.block;
                let was_removed = !group.is_there();
                drop(group);
                if was_removed {
                    space.unused(block);
                }
            }
        }
    }
}
