//! Groups: named instances of a model, added at run time.

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::ops::Index;
use std::rc::Rc;

use super::local::Private;
use super::model::{self, MmStats};
use super::names;
use crate::Error;
use crate::format::generation::{self, is_there};
use crate::format::note::Cause;
use crate::format::record::Instance;
use crate::metric::field::{Binder, Describe, Field, Options, TakesPrefix};
use crate::metric::space::{Append, Placed, Room, Space};
use crate::sync::Ordering;
use crate::sys::files::groups_ended;
use crate::sys::frozen::FrozenMap;
use crate::sys::mapped::Mapped;
use crate::sys::report;
use crate::sys::words::Word;

/// Under this name counts what could not have a group of its own.
const OTHER: &str = "_other";

/// Named instances of the model `T`, as a field of another model or as a whole file
/// ([`MmStats::groups`]). The label of a metric is `<group>.<metric>`.
///
/// Finding a known group costs a hash and a comparison, and allocates nothing; a new one appends to
/// the file.
pub struct Groups<T> {
    known: FrozenMap<Known<T>>,
    /// [`groups_ended`] when the groups that others have ended were last looked for.
    looked: Cell<u64>,
    /// `_other` in the file, once it is needed.
    other: OnceCell<Box<T>>,
    /// Private memory, for what cannot be counted in the file. In a mapping: an allocator may be the caller.
    unseen: OnceCell<Mapped<Private<T>>>,
    /// Names that were refused for lack of room: at every power of two the file is asked again.
    refused: Cell<u64>,
    /// The file is being asked. Who comes back meanwhile (an allocator) does not ask again.
    asking: Cell<bool>,
    /// A refusal was reported.
    reported: Cell<bool>,
    /// The file and the model's schema in it; `None`: private memory, which has no groups.
    file: Option<(Rc<dyn Space>, Placed)>,
    prefix: String,
}

/// A group, and what says whether it was removed.
struct Known<T> {
    generation: Word,
    block: u32,
    model: T,
}

impl<T> Known<T> {
    /// Whether nobody has removed it.
    #[inline(always)]
    fn is_there(&self) -> bool {
        // Relaxed: who was told of a removal sees it, and who was not may as well have come before it. Nothing
        // that is read depends on it: only this thread uses the space again, and not before `group` has let the
        // group go.
        is_there(self.generation.load(Ordering::Relaxed))
    }

    /// Ends it; false: it was ended already.
    fn end(&self) -> bool {
        let known = self.generation.load(Ordering::Relaxed);
        generation::remove(&self.generation, known)
    }
}

impl<T: MmStats> Groups<T> {
    /// Groups in a file, whose labels begin with `prefix`. A failure is kept in `space`.
    pub(super) fn new(space: Option<&Rc<dyn Space>>, prefix: String) -> Groups<T> {
        let mut groups = Groups {
            known: FrozenMap::default(),
            looked: Cell::new(groups_ended()),
            other: OnceCell::new(),
            unseen: OnceCell::new(),
            refused: Cell::new(0),
            asking: Cell::new(false),
            reported: Cell::new(false),
            file: None,
            prefix,
        };
        if let Some(space) = space {
            let reserved = space
                .schema(model::key::<T>(), &model::schema::<T>)
                .and_then(|schema| {
                    space.keep_aside(schema, &groups.instance(schema, OTHER))?;
                    Ok(schema)
                });
            match reserved {
                Ok(schema) => groups.file = Some((space.clone(), schema)),
                Err(error) => space.fail(error),
            }
        }
        groups
    }

    /// The group of this name, made if it is new. Where it cannot be (the cap, a full file, a bad
    /// name, a label that is there already) it is `_other`, with one warning.
    #[inline]
    pub fn group(&self, name: &str) -> &T {
        match self.known.get(name) {
            Some(group) if group.is_there() => &group.model,
            _ => self.new_or_other(name),
        }
    }

    /// Ends a group's series, in all threads of this process that write to the same directory: readers see it no
    /// more, and what it counted is gone from the totals. Whether there was such a group.
    ///
    /// A thread that asks for the group again has a new one, which begins at zero. Handles that are still held
    /// write on, unseen. `_other` cannot be removed.
    ///
    /// The space of the group is used again for another one, once it is certain that no handle of it is held: of
    /// [`local`](MmStats::local) when its outermost call begins, of an owned [`Stats`](crate::Stats) by
    /// [`Stats::reuse_removed`](crate::Stats::reuse_removed). Until then it counts against the size of the file.
    ///
    /// This is no call for a hot path: it goes through the records of the files of all threads that write the
    /// model.
    ///
    /// ```
    /// # use mmstats::{Counter, Groups, MmStats};
    /// # #[derive(MmStats)] struct Handler { response_ok: Counter }
    /// # #[derive(MmStats)] struct Web { handlers: Groups<Handler> }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.handlers.group("index").response_ok.inc();
    /// assert!(web.handlers.remove("index"));
    /// assert!(!web.handlers.remove("index"));
    /// assert_eq!(web.handlers.group("index").response_ok.get(), 0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn remove(&self, name: &str) -> bool {
        let Some((space, schema)) = &self.file else {
            return false;
        };
        let own = self.known.get(name).is_some_and(Known::end);
        let elsewhere = space.end_elsewhere(&self.instance(*schema, name), T::has_groups());
        self.let_go(name);
        own || elsewhere
    }

    /// Lets a group go that was removed. While the file is appended to (an allocator may come here) it stays, and
    /// goes with the next call.
    fn let_go(&self, name: &str) {
        let Some((space, _)) = &self.file else { return };
        if self.known.get(name).is_none_or(Known::is_there) {
            return;
        }
        // SAFETY: the file drops it when nobody has a reference to a group of it (`StatsFile::reclaim`), or
        // with itself, which is after the model that lends them.
        if let Some(taken) = unsafe { self.known.take(name) } {
            let block = taken.value().block;
            let refused = space.removed(block, T::has_groups(), Box::new(taken)).err();
            if let Some(Ok(taken)) = refused.map(|taken| taken.downcast()) {
                self.known.put_back(name, *taken);
            }
        }
    }

    /// Lets all groups go that other threads have ended since this was last asked.
    fn let_ended_go(&self) {
        let ended = groups_ended();
        if self.looked.replace(ended) != ended {
            for name in self.known.names() {
                self.let_go(&name);
            }
        }
    }

    /// The group of this name, made if it is new.
    ///
    /// # Errors
    /// The name cannot be a group's, a label of it is there already, there are as many groups as
    /// there may be, or the file is full.
    pub fn try_group(&self, name: &str) -> Result<&T, Error> {
        if let Some(group) = self.known.get(name) {
            if group.is_there() {
                return Ok(&group.model);
            }
            self.let_go(name);
        }
        self.let_ended_go();
        if let Some(other) = self.other.get().filter(|_| name == OTHER) {
            return Ok(other);
        }
        names::check_label("group", name)?;
        let Some((space, _)) = &self.file else {
            return Err(no_groups());
        };
        let most = space.max_groups();
        if self.known.len() >= most {
            return Err(Error::TooManyGroups {
                path: space.path(),
                most,
            });
        }
        match self.bind(name, Room::Removable) {
            Ok((model, block)) => {
                let generation = space.generation(block);
                let group = Box::new(Known {
                    generation,
                    block,
                    model,
                });
                Ok(&self.known.insert(name, group).model)
            }
            // The user's `value = …` or an allocator may have made it meanwhile.
            Err(error) => match self.known.get(name) {
                Some(group) => Ok(&group.model),
                None => Err(error),
            },
        }
    }

    /// How many groups there are, `_other` not among them.
    pub fn len(&self) -> usize {
        self.let_ended_go();
        self.known.len()
    }

    /// Their names, in no order.
    pub(super) fn names(&self) -> Vec<String> {
        self.let_ended_go();
        let names = self.known.names();
        names.iter().map(|name| name.to_string()).collect()
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[cold]
    fn new_or_other(&self, name: &str) -> &T {
        /// Not asking any more, also after a panic in the user's `value = …`.
        struct Asked<'a>(&'a Cell<bool>);
        impl Drop for Asked<'_> {
            fn drop(&mut self) {
                self.0.set(false);
            }
        }
        if self.file.is_none() || self.asking.replace(true) {
            return self.other_now();
        }
        let asking = Asked(&self.asking);
        let refused = self.refused.get();
        let mut error = None;
        // Many new names on a full file must not cost a system call each.
        if refused == 0 || refused.is_power_of_two() {
            match self.try_group(name) {
                Ok(group) => return group,
                Err(refusal) => error = Some(refusal),
            }
        }
        // A name that cannot be a group's says nothing of the next one.
        let of_name = |error: &Error| {
            matches!(
                error,
                Error::Name { .. } | Error::DuplicateLabel { .. } | Error::Busy { .. }
            )
        };
        if !error.as_ref().is_some_and(of_name) {
            self.refused.set(refused.saturating_add(1));
        }
        let lost = self.make_other().err();
        // (A report that is made within another one is left for the next time.)
        let report = error.filter(|_| !report::is_reporting() && !self.reported.replace(true));
        if report.is_some() {
            // The state is final: the logger may use these groups.
            drop(asking);
            self.report(name, report, lost);
        }
        // Without a report `asking` goes last: to free an error may come back here, too.
        self.other_now()
    }

    /// Says once why a name has no group of its own.
    fn report(&self, name: &str, error: Option<Error>, lost: Option<Error>) {
        let (Some((space, _)), Some(error)) = (&self.file, error) else {
            return;
        };
        let name = names::shown(name);
        match lost {
            None => {
                let text = format_args!(
                    "{}; the group {name:?} and further ones count under {OTHER:?}",
                    error.of_known_file()
                );
                space.report(Cause::Group, &text);
            }
            Some(lost) => {
                let text = format_args!(
                    "{}; the group {name:?} and further ones are not recorded, because {OTHER:?} cannot \
                     be made either: {}",
                    error.of_known_file(),
                    lost.of_known_file()
                );
                space.report(Cause::Group, &text);
            }
        }
    }

    /// Makes `_other` in the file, if it is not there. The space was kept for it; it fails where its
    /// labels would be too long or are there already.
    fn make_other(&self) -> Result<(), Error> {
        if self.other.get().is_none() && self.known.get(OTHER).is_none() {
            // Set already: by who came back meanwhile.
            let other = Box::new(self.bind(OTHER, Room::KeptAside)?.0);
            let _ = self.other.set(other);
        }
        Ok(())
    }

    /// `_other`, or private memory where it is not in the file. Allocates nothing.
    fn other_now(&self) -> &T {
        if let Some(other) = self.other.get() {
            return other;
        }
        if let Some(other) = self.known.get(OTHER) {
            return &other.model;
        }
        loop {
            if let Some(unseen) = self.unseen.get() {
                return &unseen.model;
            }
            // Set already: as above. (`get_or_init` would panic then.)
            let _ = self.unseen.set(Mapped::new(Private::new()));
        }
    }

    fn instance(&self, schema: Placed, name: &str) -> Instance {
        Instance {
            schema: schema.record,
            block: 0,
            prefix: self.prefix.clone(),
            group: name.to_owned(),
            labels: Vec::new(),
        }
    }

    /// Binds a new group; gives its block's offset, too.
    fn bind(&self, name: &str, room: Room) -> Result<(T, u32), Error> {
        let Some((space, schema)) = &self.file else {
            return Err(no_groups());
        };
        // The user's code, before anything is appended.
        let bind = T::prepare_fields();
        let append = Append::begin(&**space).ok_or_else(|| Error::Busy { path: space.path() })?;
        let instance = self.instance(*schema, name);
        let prefix = instance.label_prefix();
        let (block, offset) = space.instance(*schema, instance, room)?;
        let bound = bind(&mut Binder::new(Some(space), block, offset, &prefix));
        // Groups within the group may have found no space.
        if let Some(error) = space.failure() {
            return Err(error);
        }
        append.publish();
        Ok((bound, offset))
    }
}

/// Why private memory refuses a group.
fn no_groups() -> Error {
    Error::TooManyGroups {
        path: "(private memory)".into(),
        most: 0,
    }
}

impl<T: MmStats> Index<&str> for Groups<T> {
    type Output = T;

    /// [`Groups::group`].
    #[inline]
    fn index(&self, name: &str) -> &T {
        self.group(name)
    }
}

impl<T> fmt::Debug for Groups<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Groups").field(&self.known).finish()
    }
}

impl<T> Drop for Groups<T> {
    fn drop(&mut self) {
        // Of groups within a group that was removed: their spaces can be used again, too.
        if let Some((space, _)) = &self.file {
            for group in self.known.drain() {
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

// SAFETY: what is kept of the binder is in private fields, and a group is only lent, by `&T`.
unsafe impl<T: MmStats> Field for Groups<T> {
    #[inline(always)]
    fn has_groups() -> bool {
        true
    }

    fn describe(_: &mut Describe, _: &str, _: Options<'_>) {
        // The labels are those of the groups: the field itself has none.
    }

    fn bind(binder: &mut Binder<'_>, _: &str, options: Options<'_>) -> Groups<T> {
        let mut prefix = String::new();
        if let Some(space) = binder.space() {
            prefix = format!("{}{}", binder.prefix(), options.prefix);
            if let Err(error) = names::check_prefix(options.prefix) {
                space.fail(error);
            }
        }
        Groups::new(binder.space(), prefix)
    }
}

impl<T> TakesPrefix for Groups<T> {}
