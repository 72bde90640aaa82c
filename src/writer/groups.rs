//! Groups: instances of a model, added at run time, each with a name or with labels.
//!
//! `key` identifies them, `by_ref` finds them by borrowed labels and `pairs` by pairs in any order, `removal` ends
//! them, and `other` counts what has no group.

mod by_ref;
mod key;
mod other;
mod pairs;
mod removal;

use std::any::TypeId;
use std::cell::{Cell, OnceCell};
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault};
use std::ops::Index;
use std::rc::Rc;

use super::local::Private;
use super::model::{self, MmStats};
use super::names;
use crate::Error;
use crate::format::record::Instance;
use crate::metric::field::{
    Binder, Describe, Field, Options, TakesGroupLabel, TakesIdle, TakesPrefix,
};
use crate::metric::one_thread::of_one_thread;
use crate::metric::storage::{Append, PlacedSchema, Room, Storage};
use crate::sys::lifecycle::ended_groups;
use crate::sys::lifecycle::idle::Idle;
use crate::sys::memory::frozen::FrozenMap;
use crate::sys::memory::hashing::{self, RandomState};
use crate::sys::memory::mapped::MappedBox;

use self::key::shown;
pub use self::key::{ByName, GroupBy, GroupId, Placement};
pub use self::pairs::Pairs;
use self::pairs::{AsHashed, LookupPairs, OwnedPairs};
use self::removal::{KnownGroup, LentFlag};

/// Instances of the model `T` that are added at run time, as a field of another model or as a whole file
/// ([`MmStats::groups`]).
///
/// - `Groups<Handler>` identifies them by a name: the label text of a metric is `<group>.<metric>`.
/// - `Groups<Handler, Route>` identifies them by a struct of labels, see [`MmLabels`](crate::MmLabels):
///   `<metric>{key="value",…}`.
/// - [`group_with`](Groups::group_with) takes pairs that no struct describes, and [`group_ref`](Groups::group_ref) a borrowed
///   form of a struct of labels.
///
/// ```
/// use mmstats::{Counter, Groups, MmLabels, MmStats};
///
/// #[derive(MmStats)]
/// struct Web {
///     /// `#[mmstats(group_label = "…")]`: what exporters call the group's name, which is `group` otherwise.
///     #[mmstats(group_label = "handler")]
///     handlers: Groups<Handler>,
///     routes: Groups<Handler, Route>,
/// }
///
/// #[derive(MmStats)]
/// struct Handler {
///     response_ok: Counter,
/// }
///
/// #[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
/// struct Route {
///     handler: &'static str,
///     status: u16,
/// }
///
/// let web = Web::builder().anonymous().create()?;
/// web.handlers.group("index").response_ok.inc(); // index.response_ok
/// let route = Route { handler: "index", status: 200 };
/// web.routes.group(&route).response_ok.inc(); // response_ok{handler="index",status="200"}
/// web.handlers
///     .group_with(&[("method", "GET"), ("handler", "index")])
///     .response_ok
///     .inc(); // response_ok{handler="index",method="GET"}
/// assert_eq!(web.routes[&route].response_ok.get(), 1);
/// # Ok::<(), mmstats::Error>(())
/// ```
///
/// [`remove`](Groups::remove) ends a group. Where the field has an `#[mmstats(idle = "10m")]`, a group also ends by
/// itself when its values have not changed for that time in any thread of the process. Setting a gauge to its
/// present value is not a change.
///
/// Finding a known group costs one hash and one comparison, and neither formats nor allocates. A new group appends
/// to the file. Groups within a group with labels have these labels, too. Groups with labels within a group with a
/// name have that name as a label, under its `group_label`.
pub struct Groups<T, L: GroupBy = ByName> {
    known: FrozenMap<L::Owned, KnownGroup<T>>,
    /// The groups of [`group_with`](Groups::group_with).
    paired: FrozenMap<OwnedPairs, KnownGroup<T>, BuildHasherDefault<AsHashed>>,
    /// Hashes their pairs.
    pair_hashes: RandomState,
    /// [`ended_groups::number`] when this last looked for groups that others have ended.
    looked: Cell<u64>,
    /// `_other` in the file, once it is needed.
    other: OnceCell<Box<T>>,
    /// Private memory, for what cannot be counted in the file. It is a mapping, because an allocator may be the
    /// caller.
    unseen: OnceCell<MappedBox<Private<T>>>,
    /// How often a new group was refused because there are too many groups or the file is full. At every power of
    /// two the file is asked again.
    refused: Cell<u64>,
    /// Set while the file is being asked. A reentrant call, for example from an allocator, does not ask again.
    asking: Cell<bool>,
    /// Whether a refusal was reported.
    reported: Cell<bool>,
    /// The file and the model's schema in it; `None` for private memory, which has no groups.
    file: Option<(Rc<dyn Storage>, PlacedSchema)>,
    lent: LentFlag,
    placement: Placement,
}

impl<T: MmStats, L: GroupBy> Groups<T, L> {
    /// Makes groups in a file, where `placement` says how they are placed. A failure is kept in `storage`.
    pub(super) fn new(storage: Option<&Rc<dyn Storage>>, placement: Placement) -> Groups<T, L> {
        let mut groups = Groups {
            known: FrozenMap::default(),
            paired: FrozenMap::with_hasher(BuildHasherDefault::new()),
            pair_hashes: hashing::random_state(),
            looked: Cell::new(ended_groups::number()),
            other: OnceCell::new(),
            unseen: OnceCell::new(),
            refused: Cell::new(0),
            asking: Cell::new(false),
            reported: Cell::new(false),
            file: None,
            lent: LentFlag::of(storage),
            placement,
        };
        if let Some(storage) = storage {
            let reserved = storage
                .schema(model::key::<T>(), &model::schema::<T>)
                .and_then(|schema| {
                    let other = L::other(&groups.placement)?;
                    storage.keep_aside(schema, &groups.instance(schema, other))?;
                    Ok(schema)
                });
            match reserved {
                Ok(schema) => groups.file = Some((storage.clone(), schema)),
                Err(error) => storage.fail(error),
            }
        }
        groups
    }

    /// Returns the group with this name or these labels, and makes it if it is new. If it cannot be made (too many
    /// groups, a full file, an invalid name, a label text that already exists), returns `_other` and warns once.
    /// Where groups have labels, `_other` is the value of each.
    ///
    /// ```
    /// # use mmstats::{Counter, Groups, MmStats};
    /// # #[derive(MmStats)] struct Web { handlers: Groups<Handler> }
    /// # #[derive(MmStats)] struct Handler { ok: Counter }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.handlers.group("index").ok.inc();
    /// assert_eq!(web.handlers.group("index").ok.get(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    #[inline(always)]
    pub fn group(&self, key: &L::Key) -> &T {
        match self.known.get(key) {
            Some(group) if self.none_ended() || group.is_there() => group.lend(&self.lent),
            _ => self.new_or_other(key),
        }
    }

    /// Returns the group with this name or these labels, and makes it if it is new.
    ///
    /// ```
    /// # use mmstats::{Counter, Groups, MmStats};
    /// # #[derive(MmStats)] struct Web { handlers: Groups<Handler> }
    /// # #[derive(MmStats)] struct Handler { ok: Counter }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.handlers.try_group("index")?.ok.inc();
    /// assert!(web.handlers.try_group("").is_err()); // no name
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// # Errors
    /// The name or a label is invalid, a label text of the group already exists, there are as many groups as there
    /// may be, or the file is full.
    pub fn try_group(&self, key: &L::Key) -> Result<&T, Error> {
        if let Some(group) = self.known.get(key).filter(|group| group.is_there()) {
            return Ok(group.lend(&self.lent));
        }
        self.let_go(&self.known, key);
        if L::is_other(key) {
            self.make_other()?;
            return Ok(self.other_now());
        }
        match self.make(L::id(key, &self.placement)?) {
            Ok(group) => Ok(self.known.insert(L::owned(key), group).lend(&self.lent)),
            // The user's `value = …` or an allocator may have made it meanwhile.
            Err(error) => self
                .known
                .get(key)
                .map(|group| group.lend(&self.lent))
                .ok_or(error),
        }
    }

    /// Returns the number of groups, without `_other`.
    ///
    /// ```
    /// # use mmstats::{Counter, Groups, MmStats};
    /// # #[derive(MmStats)] struct Web { handlers: Groups<Handler> }
    /// # #[derive(MmStats)] struct Handler { ok: Counter }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.handlers.group("index");
    /// assert_eq!(web.handlers.len(), 1);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        self.let_ended_go();
        self.known.len() + self.paired.len()
    }

    /// Returns whether there are no groups.
    ///
    /// ```
    /// # use mmstats::{Counter, Groups, MmStats};
    /// # #[derive(MmStats)] struct Web { handlers: Groups<Handler> }
    /// # #[derive(MmStats)] struct Handler { ok: Counter }
    /// # let web = Web::builder().anonymous().create()?;
    /// assert!(web.handlers.is_empty());
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[cold]
    fn new_or_other(&self, key: &L::Key) -> &T {
        self.or_other(&|| self.try_group(key), &|| L::shown(key))
    }

    /// Makes a new group, if there may be one more.
    fn make(&self, id: GroupId) -> Result<Box<KnownGroup<T>>, Error> {
        let Some((storage, _)) = &self.file else {
            return Err(no_groups());
        };
        let most = storage.max_groups();
        if self.len() >= most {
            return Err(Error::TooManyGroups {
                path: storage.path(),
                most,
            });
        }
        let (model, block) = self.bind(id, Room::Removable)?;
        Ok(Box::new(KnownGroup::new(
            storage.generation(block),
            block,
            model,
        )))
    }

    fn instance(&self, schema: PlacedSchema, id: GroupId) -> Instance {
        Instance {
            schema: schema.record,
            block: 0,
            prefix: id.prefix,
            group: id.name,
            labels: id.labels,
        }
    }

    /// Returns when the group, and each group around it, is idle.
    fn idle(&self, storage: &Rc<dyn Storage>, instance: &Instance) -> Vec<Idle> {
        let mut idle = self.placement.idle.clone();
        if let Some(nanos) = self.placement.idle_after {
            let path = storage.path();
            let Instance {
                prefix,
                group,
                labels,
                ..
            } = instance;
            // The same in the files of all threads that write this model to this directory.
            let identity = (path.parent(), TypeId::of::<T>(), prefix, group, labels);
            let key = hashing::shared_state().hash_one(identity);
            idle.push(Idle {
                key,
                nanos,
                place: None,
            });
        }
        idle
    }

    /// Binds a new group. Also returns the offset of its block.
    fn bind(&self, id: GroupId, room: Room) -> Result<(T, u32), Error> {
        let Some((storage, schema)) = &self.file else {
            return Err(no_groups());
        };
        // Runs the user's code, before anything is appended.
        let bind = T::prepare_fields();
        let append = Append::begin(&**storage).ok_or_else(|| Error::Busy {
            path: storage.path(),
        })?;
        let (labels, named) = (id.labels_within(), id.named_within());
        let instance = self.instance(*schema, id);
        let idle = match room {
            Room::Removable => self.idle(storage, &instance),
            Room::Stays | Room::KeptAside => Vec::new(),
        };
        let prefix = instance.label_prefix();
        let (block, offset) = storage.instance(*schema, instance, room)?;
        let mut binder = Binder::new(Some(storage), block, offset, &prefix)
            .labelled(labels)
            .named(named)
            .idle(idle);
        let bound = bind(&mut binder);
        // Groups within the group may have found no space.
        if let Some(error) = storage.failure() {
            return Err(error);
        }
        for &idle in binder.idle_groups() {
            storage.end_when_idle(offset, idle, binder.written());
        }
        append.publish();
        Ok((bound, offset))
    }
}

impl<T: MmStats> Groups<T> {
    /// Returns the group with these labels, pairs of a key and a value in any order, and makes it if it is new. If
    /// it cannot be made, returns `_other`, as [`group`](Self::group) does.
    ///
    /// ```
    /// # use mmstats::{Counter, Groups, MmStats};
    /// # #[derive(MmStats)] struct Web { handlers: Groups<Handler> }
    /// # #[derive(MmStats)] struct Handler { requests: Counter }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.handlers.group_with(&[("handler", "index"), ("method", "GET")]).requests.inc();
    /// // The same group.
    /// web.handlers.group_with(&[("method", "GET"), ("handler", "index")]).requests.inc();
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// The rules for keys and values are those of [`MmLabels`](crate::MmLabels). Finding a known group neither
    /// formats nor allocates.
    #[inline]
    pub fn group_with(&self, pairs: &[(&str, &str)]) -> &T {
        self.group_of(&pairs)
    }

    /// Like [`group_with`](Self::group_with), but returns an error if the group cannot be made.
    ///
    /// ```
    /// # use mmstats::{Counter, Groups, MmStats};
    /// # #[derive(MmStats)] struct Web { handlers: Groups<Handler> }
    /// # #[derive(MmStats)] struct Handler { ok: Counter }
    /// # let web = Web::builder().anonymous().create()?;
    /// web.handlers.try_group_with(&[("handler", "index"), ("method", "GET")])?.ok.inc();
    /// assert!(web.handlers.try_group_with(&[]).is_err()); // no labels
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// # Errors
    /// A key or a value is invalid, or a key is given twice; otherwise as for [`try_group`](Self::try_group).
    pub fn try_group_with(&self, pairs: &[(&str, &str)]) -> Result<&T, Error> {
        self.try_group_of(&LookupPairs::new(&pairs, &self.pair_hashes))
    }

    /// Returns the group with these labels, or `_other`.
    #[inline]
    pub(super) fn group_of(&self, pairs: &impl Pairs) -> &T {
        let wanted = LookupPairs::new(pairs, &self.pair_hashes);
        match self.paired.get(&wanted) {
            Some(group) if self.none_ended() || group.is_there() => group.lend(&self.lent),
            _ => self.new_of_or_other(&wanted),
        }
    }

    #[cold]
    fn new_of_or_other(&self, wanted: &LookupPairs<'_, impl Pairs>) -> &T {
        self.or_other(&|| self.try_group_of(wanted), &|| {
            shown(&wanted.pairs.to_labels())
        })
    }

    fn try_group_of(&self, wanted: &LookupPairs<'_, impl Pairs>) -> Result<&T, Error> {
        let known = self.paired.get(wanted);
        if let Some(group) = known.filter(|group| group.is_there()) {
            return Ok(group.lend(&self.lent));
        }
        self.let_go(&self.paired, wanted);
        let labels = wanted.pairs.to_labels();
        match self.make(GroupId::labelled(labels, &self.placement)?) {
            Ok(group) => Ok(self.paired.insert(wanted.to_kept(), group).lend(&self.lent)),
            // As in `try_group`.
            Err(error) => (self.paired.get(wanted))
                .map(|group| group.lend(&self.lent))
                .ok_or(error),
        }
    }

    /// Returns the names of the groups that have one, in no particular order.
    pub(super) fn names(&self) -> Vec<String> {
        self.let_ended_go();
        let names = self.known.keys();
        names.iter().map(|name| name.to_string()).collect()
    }
}

/// The error with which private memory refuses a group.
fn no_groups() -> Error {
    Error::TooManyGroups {
        path: "(private memory)".into(),
        most: 0,
    }
}

impl<T: MmStats, L: GroupBy> Index<&L::Key> for Groups<T, L> {
    type Output = T;

    /// Same as [`Groups::group`].
    #[inline]
    fn index(&self, key: &L::Key) -> &T {
        self.group(key)
    }
}

impl<T, L: GroupBy> fmt::Debug for Groups<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Groups").field(&self.known).finish()
    }
}

of_one_thread!(Groups<T, L>, T, L: GroupBy);

// SAFETY: everything kept from the binder is in private fields of the handle, which cannot be cloned. A group is only
// lent, as `&T`. The copies of the keys are not bound to a thread: `MmLabels` are `Send`, and the `Rc<str>` of a name
// is never handed out.
unsafe impl<T: MmStats, L: GroupBy> Field for Groups<T, L> {
    #[inline(always)]
    fn has_groups() -> bool {
        true
    }

    fn describe(_: &mut Describe, _: &str, _: Options<'_>) {
        // The labels are those of the groups: the field itself has none.
    }

    fn bind(binder: &mut Binder<'_>, _: &str, options: Options<'_>) -> Groups<T, L> {
        let mut placement = Placement::default();
        if let Some(storage) = binder.storage() {
            placement.prefix = format!("{}{}", binder.prefix(), options.prefix);
            placement.labels = binder.labels().to_vec();
            placement.named = binder.named_group().cloned();
            placement.group_label = options.group_label.to_owned();
            placement.idle_after = options.idle;
            placement.idle = binder.idle_groups().to_vec();
            if let Err(error) = names::check_prefix(options.prefix) {
                storage.fail(error);
            }
        }
        Groups::new(binder.storage(), placement)
    }
}

impl<T, L: GroupBy> TakesPrefix for Groups<T, L> {}

impl<T, L: GroupBy> TakesIdle for Groups<T, L> {}

impl<T> TakesGroupLabel for Groups<T> {}
