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
use crate::metric::space::{Placed, Space};
use crate::sys::frozen::FrozenMap;

/// Under this name counts what could not have a group of its own.
const OTHER: &str = "_other";

/// Named instances of the model `T`, as a field of another model or as a whole file
/// ([`MmStats::groups`]). The label of a metric is `<group>.<metric>`.
///
/// Finding a known group costs a hash and a comparison, and allocates nothing; a new one appends to
/// the file.
pub struct Groups<T> {
    known: FrozenMap<T>,
    other: OnceCell<Box<Other<T>>>,
    /// Names that were refused a group: at every power of two the file is asked again.
    refused: Cell<u64>,
    /// The file and the model's schema in it; `None`: private memory, which has no groups.
    file: Option<(Rc<dyn Space>, Placed)>,
    prefix: String,
}

/// What `_other` is.
#[derive(Debug)]
enum Other<T> {
    /// An instance in the file.
    InFile(T),
    /// Private memory.
    Private(Private<T>),
}

impl<T: MmStats> Groups<T> {
    /// Groups in a file, whose labels begin with `prefix`. A failure is kept in `space`.
    pub(super) fn new(space: Option<&Rc<dyn Space>>, prefix: String) -> Groups<T> {
        let mut groups = Groups {
            known: FrozenMap::default(),
            other: OnceCell::new(),
            refused: Cell::new(0),
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
        names::check_label("group", name)?;
        let Some((space, _)) = &self.file else {
            return Err(Error::TooManyGroups {
                path: "(private memory)".into(),
                most: 0,
            });
        };
        let most = space.max_groups();
        if self.known.len() >= most {
            return Err(Error::TooManyGroups {
                path: space.path(),
                most,
            });
        }
        Ok(self.known.insert(name, self.bind(name, false)?))
    }

    /// How many groups there are, `_other` not among them.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Their names, in no order.
    pub(super) fn names(&self) -> Vec<String> {
        self.known.names()
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[cold]
    fn new_or_other(&self, name: &str) -> &T {
        let refused = self.refused.get();
        // Many new names on a full file must not cost a system call each.
        if refused == 0 || refused.is_power_of_two() {
            match self.try_group(name) {
                Ok(group) => return group,
                Err(error) => {
                    let name = names::shown(name);
                    if let Some((space, _)) = &self.file {
                        let text = format_args!(
                            "{}; the group {name:?} and further ones count under {OTHER:?}",
                            error.of_known_file()
                        );
                        space.report(Cause::Group, &text);
                    }
                }
            }
        }
        self.refused.set(refused + 1);
        // The space was kept for it, so this fails only in private memory.
        let other = self.other.get_or_init(|| {
            Box::new(match self.bind(OTHER, true) {
                Ok(model) => Other::InFile(model),
                Err(_) => Other::Private(Private::new()),
            })
        });
        match &**other {
            Other::InFile(model) => model,
            Other::Private(private) => &private.model,
        }
    }

    fn instance(&self, schema: Placed, name: &str) -> Instance {
        Instance {
            schema: schema.record,
            block: 0,
            prefix: self.prefix.clone(),
            group: name.to_owned(),
        }
    }

    fn bind(&self, name: &str, kept_aside: bool) -> Result<T, Error> {
        let Some((space, schema)) = &self.file else {
            return Err(Error::TooManyGroups {
                path: "(private memory)".into(),
                most: 0,
            });
        };
        let bound = space
            .instance(*schema, self.instance(*schema, name), kept_aside)
            .and_then(|(block, offset)| {
                let prefix = format!("{}{name}.", self.prefix);
                let bound = T::bind_fields(&mut Binder::new(Some(space), block, offset, &prefix));
                // Groups within the group may have found no space.
                space.failure().map_or(Ok(bound), Err)
            });
        if bound.is_err() {
            space.roll_back();
        }
        let bound = bound?;
        space.publish();
        Ok(bound)
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

impl<T: MmStats> Field for Groups<T> {
    fn describe(_: &mut Describe, _: &str, _: Options<'_>) {
        // The labels are those of the groups: the field itself has none.
    }

    fn bind(binder: &mut Binder<'_>, _: &str, options: Options<'_>) -> Groups<T> {
        let mut prefix = String::new();
        if binder.space().is_some() {
            prefix = format!("{}{}", binder.prefix(), options.prefix);
        }
        Groups::new(binder.space(), prefix)
    }
}

impl<T> TakesPrefix for Groups<T> {}
