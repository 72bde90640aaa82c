//! Builder: makes a file with other settings than the default ones.

use std::marker::PhantomData;
use std::path::PathBuf;
use std::rc::Rc;

use super::file::{Config, StatsFile};
use super::groups::{Groups, Placement};
use super::local::PRIVATE;
use super::model::{self, MmStats};
use super::names;
use super::procedural::Writer;
use super::stats::Stats;
use crate::Error;
use crate::format::schema::Schema;
use crate::format::{header, round_up};
use crate::metric::field::Binder;
use crate::metric::kind::code;
use crate::metric::storage::{Append, Room, Storage};
use crate::sys::lifecycle::report;

/// Configures a stats file; `.create()` makes it.
#[derive(Debug)]
#[must_use = "nothing is made before .create()"]
pub struct Builder<T, ExtentKey = Fields> {
    config: Config,
    name: String,
    what: ExtentKey,
    model: PhantomData<fn() -> T>,
}

// Not derived, because the derive would require `T: Clone`.
impl<T, ExtentKey: Clone> Clone for Builder<T, ExtentKey> {
    fn clone(&self) -> Builder<T, ExtentKey> {
        Builder {
            config: self.config.clone(),
            name: self.name.clone(),
            what: self.what.clone(),
            model: PhantomData,
        }
    }
}

/// A file of one instance of the model.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Fields;

/// A file of groups, with the names of the first groups.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Names(pub(super) Vec<String>);

/// A file to which metrics are added one by one.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct Procedural {
    export: Option<String>,
}

/// Who writes the values of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WrittenBy {
    /// One thread at a time.
    Thread,
    /// Every thread of the process: its values are words that several threads can write.
    Process,
}

impl<T, ExtentKey> Builder<T, ExtentKey> {
    /// Sets the root. The file appears below it, in the directory with the model's name. Default: `MMSTATS_PATH`,
    /// else `$XDG_RUNTIME_DIR/mmstats`, else `/dev/shm/mmstats-<uid>`.
    ///
    /// ```
    /// # use mmstats::{Counter, Groups, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter, peers: Groups<Peer> }
    /// # #[derive(MmStats)] struct Peer { sent: Counter }
    /// # let root = tempfile::tempdir()?;
    /// let web = Web::builder().path(root.path()).create()?;
    /// assert!(web.path().unwrap().starts_with(root.path().join("Web")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn path(mut self, root: impl Into<PathBuf>) -> Self {
        self.config.root = Some(root.into());
        self
    }

    /// Sets the prefix of every label of the file. If a dot is to follow it, the prefix includes the dot: `"web."`.
    ///
    /// ```
    /// # use mmstats::{Counter, Groups, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter, peers: Groups<Peer> }
    /// # #[derive(MmStats)] struct Peer { sent: Counter }
    /// # let root = tempfile::tempdir()?;
    /// let web = Web::builder().path(root.path()).label_prefix("web.").create()?;
    /// let snapshot = mmstats::reader::Reader::open(root.path())?.snapshot()?;
    /// assert!(snapshot.get("Web", "web.requests").is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn label_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.config.label_prefix = prefix.into();
        self
    }

    /// Sets the maximum size of the file in bytes. Addresses are reserved for all of it, blocks only for what is
    /// used. Default: `MMSTATS_MAX_SIZE`, else 16 MiB. At least 8 KiB, at most 2 GiB.
    ///
    /// ```
    /// # use mmstats::{Counter, Groups, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter, peers: Groups<Peer> }
    /// # #[derive(MmStats)] struct Peer { sent: Counter }
    /// # let root = tempfile::tempdir()?;
    /// let web = Web::builder().path(root.path()).max_size(64 << 10).create()?;
    /// let made = (0..).take_while(|n| web.peers.try_group(&format!("peer-{n}")).is_ok()).count();
    /// assert!(made > 100 && made < 2000, "{made}"); // the others count under "_other"
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_size(mut self, bytes: usize) -> Self {
        self.config.max_size = Some(bytes);
        self
    }

    /// Sets the permissions of the file, such as 0o640. Default: `MMSTATS_MODE`, else 0o600. Directories that have
    /// to be made can be searched by whoever may read the file.
    ///
    /// ```
    /// # use mmstats::{Counter, Groups, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter, peers: Groups<Peer> }
    /// # #[derive(MmStats)] struct Peer { sent: Counter }
    /// # let root = tempfile::tempdir()?;
    /// let web = Web::builder().path(root.path()).mode(0o640).create()?;
    /// use std::os::unix::fs::PermissionsExt;
    /// assert_eq!(web.path().unwrap().metadata()?.permissions().mode() & 0o777, 0o640);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn mode(mut self, mode: u32) -> Self {
        self.config.mode = Some(mode);
        self
    }

    /// Sets whether the file stays when its owner is dropped or the process ends. Default: `MMSTATS_KEEP`, else
    /// false.
    ///
    /// ```
    /// # use mmstats::{Counter, Groups, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter, peers: Groups<Peer> }
    /// # #[derive(MmStats)] struct Peer { sent: Counter }
    /// # let root = tempfile::tempdir()?;
    /// let web = Web::builder().path(root.path()).keep(true).create()?;
    /// let path = web.path().unwrap();
    /// drop(web);
    /// assert!(path.exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep(mut self, keep: bool) -> Self {
        self.config.keep = Some(keep);
        self
    }

    /// Sets how many groups each field of groups may have. Further groups count under `_other`. Default: 10,000.
    ///
    /// ```
    /// # use mmstats::{Counter, Groups, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter, peers: Groups<Peer> }
    /// # #[derive(MmStats)] struct Peer { sent: Counter }
    /// let web = Web::builder().anonymous().max_groups(1).create()?;
    /// assert!(web.peers.try_group("a").is_ok() && web.peers.try_group("b").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_groups(mut self, groups: usize) -> Self {
        self.config.max_groups = Some(groups);
        self
    }

    /// Sets how many bytes all histories of the file may take together. When they are used up, the existing rings no
    /// longer grow. Default: `MMSTATS_HISTORY_BYTES`, else half of the maximum size of the file.
    ///
    /// ```
    /// # use mmstats::{Counter, History, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter, sizes: History }
    /// let web = Web::builder().anonymous().max_history_bytes(4 << 10).create()?;
    /// (0..1000).for_each(|size| web.sizes.push(size.into())); // the ring stays small
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn max_history_bytes(mut self, bytes: usize) -> Self {
        self.config.history_bytes = Some(bytes);
        self
    }

    /// Sets how many contexts the file may have at a time. Default: `MMSTATS_CONTEXTS`, else 10,000.
    ///
    /// ```
    /// # use mmstats::{Counter, History, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter, sizes: History }
    /// let web = Web::builder().anonymous().max_contexts(100).create()?;
    /// web.sizes.push_with(512.0, "GET /index.html");
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn max_contexts(mut self, contexts: usize) -> Self {
        self.config.contexts = Some(contexts);
        self
    }

    /// Sets how many bytes the contexts of the file may take together. Default: `MMSTATS_CONTEXT_BYTES`, else a
    /// fourth of the maximum size of the file.
    ///
    /// ```
    /// # use mmstats::{Counter, History, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter, sizes: History }
    /// let web = Web::builder().anonymous().max_context_bytes(64 << 10).create()?;
    /// web.sizes.push_with(512.0, "GET /index.html");
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn max_context_bytes(mut self, bytes: usize) -> Self {
        self.config.context_bytes = Some(bytes);
        self
    }

    /// Uses private memory instead of a file, for unit tests.
    ///
    /// ```
    /// # use mmstats::{Counter, Groups, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter, peers: Groups<Peer> }
    /// # #[derive(MmStats)] struct Peer { sent: Counter }
    /// let web = Web::builder().anonymous().create()?;
    /// web.requests.inc();
    /// assert_eq!((web.requests.get(), web.path()), (1, None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn anonymous(mut self) -> Self {
        self.config.anonymous = true;
        self
    }

    /// Returns a builder with the settings of an existing file.
    pub(super) fn like(file: &StatsFile, what: ExtentKey) -> Builder<T, ExtentKey> {
        Builder {
            config: file.config().clone(),
            name: file.model().to_owned(),
            what,
            model: PhantomData,
        }
    }

    fn with<U, V>(self, what: V) -> Builder<U, V> {
        Builder {
            config: self.config,
            name: self.name,
            what,
            model: PhantomData,
        }
    }
}

impl<T: MmStats> Builder<T> {
    pub(super) fn new(name: &str) -> Builder<T> {
        Builder {
            config: Config::default(),
            name: name.to_owned(),
            what: Fields,
            model: PhantomData,
        }
    }

    /// Makes a model over memory that no reader sees. Its labels are not checked, and all of its groups are one.
    pub(super) fn unseen(mut self) -> Result<Stats<T>, Error> {
        let bind = T::prepare_fields();
        self.config.anonymous = true;
        self.config.max_size = Some(HEADER_ROOM + PRIVATE);
        let file = StatsFile::new(&self.config, &self.name, model::type_path::<T>())?;
        let words = file.words();
        let first = HEADER_ROOM / 8;
        let block = words.part(first, words.len() - first);
        let bound = bind(&mut Binder::new(None, block, 0, ""));
        Ok(Stats::new(bound, file))
    }

    /// Returns a builder for a file in which all instances of this model are groups. The groups named here exist
    /// from the beginning.
    ///
    /// ```
    /// # use mmstats::{Counter, Groups, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter, peers: Groups<Peer> }
    /// # #[derive(MmStats)] struct Peer { sent: Counter }
    /// let peers = Peer::builder().groups(["a", "b"]).anonymous().create()?;
    /// assert_eq!(peers.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn groups<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Builder<T, Names> {
        let names = Names(names.into_iter().map(Into::into).collect());
        self.with(names)
    }

    /// Makes the file. It appears complete, under a name that was free.
    ///
    /// ```
    /// # use mmstats::{Counter, History, MmStats};
    /// # #[derive(MmStats)] struct Web { requests: Counter, sizes: History }
    /// let web = Web::builder().anonymous().create()?;
    /// web.requests.inc();
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// # Errors
    /// The directory or file cannot be made, there is no space, or two fields have the same label.
    pub fn create(self) -> Result<Stats<T>, Error> {
        let stats = self.make()?;
        report::tell_all();
        Ok(stats)
    }

    /// Like [`create`](Self::create), but leaves the reports for later.
    pub(super) fn make(self) -> Result<Stats<T>, Error> {
        let bind = T::prepare_fields();
        let file = StatsFile::new(&self.config, &self.name, model::type_path::<T>())?;
        let append = Append::begin(&*file).expect("the first of the file");
        let schema = model::schema::<T>();
        let placed = file.append_schema(&schema, Room::Stays)?;
        let (block, offset) = file.root_instance(placed, &self.config.label_prefix)?;
        let storage: Rc<dyn Storage> = file.clone();
        let bound = bind(&mut Binder::new(
            Some(&storage),
            block,
            offset,
            &self.config.label_prefix,
        ));
        if let Some(error) = file.failure() {
            return Err(error);
        }
        append.publish();
        expect_octaves(&file, &schema);
        file.appear()?;
        Ok(Stats::new(bound, file))
    }
}

impl<T: MmStats> Builder<T, Names> {
    /// Makes the file. It appears complete, with the groups that were named. A name that is given twice is one
    /// group.
    ///
    /// ```
    /// # use mmstats::{Counter, MmStats};
    /// # #[derive(MmStats)] struct Peer { sent: Counter }
    /// let peers = Peer::builder().groups(["a", "b"]).anonymous().create()?;
    /// peers["a"].sent.inc();
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for a file without groups; and if a name is invalid for a group, or there are more names than there may be
    /// groups.
    pub fn create(self) -> Result<Stats<Groups<T>>, Error> {
        let file = StatsFile::new(&self.config, &self.name, model::type_path::<T>())?;
        let storage: Rc<dyn Storage> = file.clone();
        let append = Append::begin(&*file).expect("the first of the file");
        let placement = Placement {
            prefix: self.config.label_prefix.clone(),
            ..Placement::default()
        };
        let groups = Groups::<T>::new(Some(&storage), placement);
        if let Some(error) = file.failure() {
            return Err(error);
        }
        append.publish();
        for name in &self.what.0 {
            groups.try_group(name)?;
        }
        expect_octaves(&file, &model::schema::<T>());
        file.appear()?;
        report::tell_all();
        Ok(Stats::new(groups, file))
    }
}

impl Builder<Writer, Procedural> {
    /// Sets what exporters put in front of the names of the metrics, instead of the model's name. If it is empty,
    /// they put nothing there. For a model, the attribute `export = "…"` sets it.
    ///
    /// ```
    /// # let root = tempfile::tempdir().unwrap();
    /// let writer = mmstats::Writer::builder("my-app").export("app").path(root.path()).create()?;
    /// writer.counter("requests").add()?; // to Prometheus app_requests_total
    /// # let snapshot = mmstats::reader::Reader::open(root.path())?.snapshot()?;
    /// assert_eq!(snapshot.model("my-app").unwrap().export(), "app");
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn export(mut self, prefix: impl Into<String>) -> Self {
        self.what.export = Some(prefix.into());
        self
    }

    pub(super) fn procedural(name: &str) -> Builder<Writer, Procedural> {
        Builder {
            config: Config::default(),
            name: name.to_owned(),
            what: Procedural::default(),
            model: PhantomData,
        }
    }

    /// Makes the file, which has no metrics yet.
    ///
    /// ```
    /// let writer = mmstats::Writer::builder("sqlalchemy").anonymous().create()?;
    /// writer.counter("selects").add()?.inc();
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    ///
    /// # Errors
    /// The directory or file cannot be made, or there is no space.
    pub fn create(self) -> Result<Writer, Error> {
        let writer = self.make(WrittenBy::Thread)?;
        report::tell_all();
        Ok(writer)
    }

    /// Like [`create`](Self::create), but leaves the reports for later.
    pub(crate) fn make(self, by: WrittenBy) -> Result<Writer, Error> {
        names::check_model(&self.name)?;
        if let Some(export) = &self.what.export {
            names::check_length("exported prefix", export)?;
        }
        let file = StatsFile::new(&self.config, &self.name, "")?;
        if by == WrittenBy::Process {
            file.belong_to_process();
        }
        file.appear()?;
        let (prefix, export) = (self.config.label_prefix, self.what.export);
        Ok(Writer::new(file, self.name, prefix, export))
    }

    /// The model's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// The maximum size of a header in bytes, rounded up to pages.
const HEADER_ROOM: usize = round_up(header::MOST, 4096);

/// Reserves space for the first octaves of a schema's distributions.
fn expect_octaves(file: &StatsFile, schema: &Schema) {
    let layouts = schema
        .metrics
        .iter()
        .filter(|metric| matches!(metric.kind, code::TIMER | code::PERCENTILE));
    let sizes: Vec<usize> = layouts
        .filter_map(|metric| {
            Some(8 * crate::format::histogram::Layout::new(metric.parameter)?.buckets())
        })
        .collect();
    if let Some(&largest) = sizes.iter().max() {
        file.expect_octaves(largest, sizes.len());
    }
}
