//! Groups: named instances of a model, added at run time.

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::ops::Index;
use std::rc::Rc;

use super::local::Private;
use super::model::{self, MmStats};
use super::names;
use crate::Error;
use crate::format::note::Cause;
use crate::format::record::Instance;
use crate::metric::field::{Binder, Describe, Field, Options, TakesPrefix};
use crate::metric::one_thread::of_one_thread;
use crate::metric::storage::{Append, Placed, Space};
use crate::sys::lifecycle::report;
use crate::sys::memory::frozen::FrozenMap;
use crate::sys::memory::mapped::Mapped;

/// Under this name counts what could not have a group of its own.
const OTHER: &str = "_other";

/// Named instances of the model `T`, as a field of another model or as a whole file
/// ([`MmStats::groups`]). The label of a metric is `<group>.<metric>`.
///
/// Finding a known group costs a hash and a comparison, and allocates nothing; a new one appends to
/// the file.
pub struct Groups<T> {
    known: FrozenMap<T>,
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

impl<T: MmStats> Groups<T> {
    /// Groups in a file, whose labels begin with `prefix`. A failure is kept in `space`.
    pub(super) fn new(space: Option<&Rc<dyn Space>>, prefix: String) -> Groups<T> {
        let mut groups = Groups {
            known: FrozenMap::default(),
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
            Some(group) => group,
            None => self.new_or_other(name),
        }
    }

    /// The group of this name, made if it is new.
    ///
    /// # Errors
    /// The name cannot be a group's, a label of it is there already, there are as many groups as
    /// there may be, or the file is full.
    pub fn try_group(&self, name: &str) -> Result<&T, Error> {
        if let Some(group) = self.known.get(name) {
            return Ok(group);
        }
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
        match self.bind(name, false) {
            Ok(group) => Ok(self.known.insert(name, group)),
            // The user's `value = …` or an allocator may have made it meanwhile.
            Err(error) => self.known.get(name).ok_or(error),
        }
    }

    /// How many groups there are, `_other` not among them.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Their names, in no order.
    pub(super) fn names(&self) -> Vec<String> {
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
            let _ = self.other.set(self.bind(OTHER, true)?);
        }
        Ok(())
    }

    /// `_other`, or private memory where it is not in the file. Allocates nothing.
    fn other_now(&self) -> &T {
        if let Some(other) = self.other.get() {
            return other;
        }
        if let Some(other) = self.known.get(OTHER) {
            return other;
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

    fn bind(&self, name: &str, kept_aside: bool) -> Result<Box<T>, Error> {
        let Some((space, schema)) = &self.file else {
            return Err(no_groups());
        };
        // The user's code, before anything is appended.
        let bind = T::prepare_fields();
        let append = Append::begin(&**space).ok_or_else(|| Error::Busy { path: space.path() })?;
        let instance = self.instance(*schema, name);
        let prefix = instance.label_prefix();
        let (block, offset) = space.instance(*schema, instance, kept_aside)?;
        let bound = Box::new(bind(&mut Binder::new(Some(space), block, offset, &prefix)));
        // Groups within the group may have found no space.
        if let Some(error) = space.failure() {
            return Err(error);
        }
        append.publish();
        Ok(bound)
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

of_one_thread!(Groups<T>, T);

// SAFETY: what is kept of the binder is in private fields, and a group is only lent, by `&T`.
unsafe impl<T: MmStats> Field for Groups<T> {
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
