//! A stats file as its writer has it: records appended under a mapping that never moves.

use std::any::TypeId;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::hash::BuildHasher;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::rc::Rc;

use super::directory::{self, Nameless};
use super::names;
use crate::Error;
use crate::format::bytes::words;
use crate::format::header::{COMMITTED, LockToken, OWNER};
use crate::format::owner;
use crate::format::part::Part;
use crate::format::record::{self, Instance, Octave, Stagger};
use crate::format::schema::{Schema, whole_label};
use crate::format::{LINE, round_up};
use crate::metric::context::Contexts;
use crate::metric::space::{Placed, Space};
use crate::retire;
use crate::sync::Ordering;
use crate::sys::exit::{self, Naming};
use crate::sys::files::{End, FileName};
use crate::sys::fork;
use crate::sys::identity::{self, Process};
use crate::sys::paths::{self, Settings};
use crate::sys::region::Region;
use crate::sys::reserve::reserve;
use crate::sys::seed::{self, RandomState};
use crate::sys::ticks::{self, Tick, Ticking};
use crate::sys::words::{Word, Words};

/// What a file grows by is a multiple of this.
const PAGE: usize = 4096;
/// Bytes of addresses that are reserved, unless a setting says otherwise.
const MAX_SIZE: usize = 16 << 20;
/// Offsets in the format have 32 bits.
const MOST_MAX_SIZE: usize = 1 << 31;
/// Groups of one field, unless a setting says otherwise.
const MAX_GROUPS: usize = 10_000;
/// Contexts of one file, unless a setting says otherwise.
const CONTEXTS: usize = 10_000;
/// The part of a file that its contexts may take, unless a setting says otherwise: a fourth.
const CONTEXTS_SHARE: usize = 4;
/// The part of a file that its histories may take, unless a setting says otherwise: a half.
const HISTORIES_SHARE: usize = 2;
/// Space for this many octaves of each distribution is there before the first value.
const FIRST_OCTAVES: usize = 4;
/// The blocks of this many models in one thread begin on different lines, each two lines (16
/// counters) from the next.
const STAGGERED: usize = 16;

/// What a file is to be.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The root, if one was named.
    pub root: Option<PathBuf>,
    /// What every label begins with.
    pub label_prefix: String,
    /// Bytes that the file may have at most.
    pub max_size: Option<usize>,
    /// Permissions.
    pub mode: Option<u32>,
    /// Whether it stays at a clean end.
    pub keep: Option<bool>,
    /// Groups that each field of groups may have.
    pub max_groups: Option<usize>,
    /// Bytes that the histories of the file may have.
    pub history_bytes: Option<usize>,
    /// Contexts that the file may have.
    pub contexts: Option<usize>,
    /// Bytes that its contexts may have.
    pub context_bytes: Option<usize>,
    /// No file: private memory.
    pub anonymous: bool,
}

/// Where the memory of a file comes from.
#[derive(Debug)]
enum Backing {
    /// Private memory.
    Anonymous,
    /// A file that has no name yet.
    Nameless {
        nameless: Option<Nameless>,
        directory: PathBuf,
        end: End,
    },
    /// A file at `path`.
    Named { device: u64, inode: u64 },
}

/// The file. Shared by the handles of one thread that may need more space.
#[derive(Debug)]
pub struct StatsFile {
    /// What is done by the clock. Before the region: it ends first.
    ticks: RefCell<Vec<Ticking>>,
    region: Region,
    backing: RefCell<Backing>,
    /// Its path; before it has one, its directory.
    path: RefCell<PathBuf>,
    /// The end of what was appended.
    tail: Cell<usize>,
    /// Bytes that have their blocks.
    size: Cell<usize>,
    /// Of these, bytes kept for the groups that count the overflow.
    aside: Cell<usize>,
    /// Schemas by model.
    schemas: RefCell<HashMap<TypeId, Placed>>,
    /// What each schema's labels are, by the offset of its record.
    labels_of: RefCell<HashMap<u32, Vec<String>>>,
    /// What `roll_back` goes back to.
    published: Cell<Published>,
    /// Labels that came since.
    pending: RefCell<Vec<u64>>,
    /// Hashes of the labels in the file. Two labels of one 64-bit hash under a random key: once in
    /// 10⁹ files of 100,000 labels; the second would be refused.
    labels: RefCell<HashSet<u64, RandomState>>,
    hasher: RandomState,
    /// Levels that end with their thread.
    levels: RefCell<Vec<Word>>,
    failure: RefCell<Option<Error>>,
    /// Records are being appended. Whoever comes back here meanwhile (an allocator that records how
    /// long it took) must not append another.
    appending: Cell<bool>,
    max_groups: usize,
    contexts: Contexts,
    history_bytes: Cell<usize>,
    stagger: Stagger,
    /// The process, in forks, that made it. To its children it is private memory.
    generation: u64,
}

/// The state of a file at its last publication.
#[derive(Clone, Copy, Debug, Default)]
struct Published {
    tail: usize,
    aside: usize,
    levels: usize,
    ticks: usize,
}

thread_local! {
    /// Files that this thread has made.
    static MADE: Cell<usize> = const { Cell::new(0) };
}

impl StatsFile {
    /// Makes a file for a model; it has its header and no name yet.
    pub fn new(config: &Config, model: &str) -> Result<Rc<StatsFile>, Error> {
        names::check_model(model)?;
        names::check_prefix(&config.label_prefix)?;
        let settings = Settings::get();
        let max_size = config.max_size.or(settings.max_size).unwrap_or(MAX_SIZE);
        let max_size = round_up(max_size.clamp(2 * PAGE, MOST_MAX_SIZE), PAGE);
        let mode = config.mode.or(settings.mode).unwrap_or(0o600);
        // Elsewhere nothing is known of mappings longer than their files.
        let anonymous = config.anonymous || settings.disable || !cfg!(unix) || exit::exited();
        let (region, backing, lock, path) = if anonymous {
            let path = PathBuf::from(format!("(memory)/{model}"));
            let region = Region::anonymous(max_size)
                .map_err(|error| Error::io(&path, "reserve memory for", error))?;
            (region, Backing::Anonymous, LockToken::default(), path)
        } else {
            fork::register();
            let (root, named) = match &config.root {
                Some(root) => (paths::absolute(root), true),
                None => paths::writer_root(),
            };
            let directory = directory::prepare(&root, model, mode, named)?;
            let lock = identity::hold_lock(&root, mode)
                .map_err(|error| Error::io(&root.join(identity::LOCK_FILE), "lock", error))?;
            retire::before_the_first_file(&root);
            let nameless = Nameless::create(&directory, mode)?;
            let region = Region::over_file(&nameless.file, max_size, PAGE)
                .map_err(|error| Error::io(&directory, "map a file in", error))?;
            let end = match config.keep.unwrap_or(settings.keep) {
                true => End::Keep,
                false if settings.fold => End::Fold(retire::at_end),
                false => End::Remove,
            };
            let path = directory.clone();
            (
                region,
                Backing::Nameless {
                    nameless: Some(nameless),
                    directory,
                    end,
                },
                lock,
                path,
            )
        };
        let size = if anonymous { region.len() } else { 0 };
        let file = StatsFile {
            ticks: RefCell::default(),
            region,
            backing: RefCell::new(backing),
            path: RefCell::new(path),
            tail: Cell::new(0),
            size: Cell::new(size),
            aside: Cell::new(0),
            schemas: RefCell::default(),
            labels_of: RefCell::default(),
            published: Cell::default(),
            pending: RefCell::default(),
            labels: RefCell::new(HashSet::with_hasher(seed::random_state())),
            hasher: seed::random_state(),
            levels: RefCell::default(),
            failure: RefCell::default(),
            appending: Cell::new(false),
            max_groups: config.max_groups.unwrap_or(MAX_GROUPS),
            contexts: Contexts::new(
                config.contexts.or(settings.contexts).unwrap_or(CONTEXTS),
                config
                    .context_bytes
                    .or(settings.context_bytes)
                    .unwrap_or(max_size / CONTEXTS_SHARE),
            ),
            history_bytes: Cell::new(
                config
                    .history_bytes
                    .or(settings.history_bytes)
                    .unwrap_or(max_size / HISTORIES_SHARE),
            ),
            stagger: Stagger {
                line: 2 * (MADE.replace(MADE.get() + 1) % STAGGERED),
                lines: 2 * STAGGERED,
            },
            generation: fork::generation(),
        };
        let header = Process::this().header(model, lock).encode();
        file.ensure(header.len(), false)?;
        file.write(0, &header);
        file.tail.set(header.len());
        Ok(Rc::new(file))
    }

    /// The words of the region: see [`Region::words`].
    fn words(&self) -> Words {
        // SAFETY: every view that leaves this file goes into a handle that is dropped before the
        // file: `Stats` and `Writer` drop their handles first, and those that need the file later
        // keep it alive by an Rc. Only what `ensure` has reserved is handed out.
        unsafe { self.region.words() }
    }

    /// Gives the file its name: from here on readers see it.
    pub fn appear(&self) -> Result<(), Error> {
        self.publish();
        let mut backing = self.backing.borrow_mut();
        let Backing::Nameless {
            nameless,
            directory,
            end,
        } = &mut *backing
        else {
            return Ok(());
        };
        let Some(_naming) = Naming::new() else {
            // The process exits: it stays without a name, and goes with the process.
            return Ok(());
        };
        let base = format!("mmstats-{}-{}", std::process::id(), identity::thread_id());
        let nameless = nameless.take().expect("a file appears once");
        let (path, found) = nameless.publish(directory, &base)?;
        let (device, inode) = (found.dev(), found.ino());
        self.region.register(FileName {
            path: directory::c_path(&path)?,
            device,
            inode,
            end: *end,
        });
        *self.path.borrow_mut() = path;
        *backing = Backing::Named { device, inode };
        Ok(())
    }

    /// Whether it is a file at all.
    pub fn is_anonymous(&self) -> bool {
        matches!(*self.backing.borrow(), Backing::Anonymous)
    }

    /// Reserves blocks up to `end`, and a little more if the file is in use already.
    fn ensure(&self, end: usize, from_aside: bool) -> Result<(), Error> {
        let kept = if from_aside { 0 } else { self.aside.get() };
        let wanted = end + kept;
        let size = self.size.get();
        if wanted <= size {
            return Ok(());
        }
        let most = self.region.len();
        if round_up(wanted, PAGE) > most {
            return Err(Error::Full {
                path: self.path.borrow().clone(),
                wanted: wanted - size,
                most,
            });
        }
        if self.generation != fork::generation() {
            // The file is the parent's and stays as it is. Here, private memory lies under the whole
            // range (see `region::replace_in_child`).
            return Ok(());
        }
        let backing = self.backing.borrow();
        let file;
        let (file, spare) = match &*backing {
            Backing::Anonymous => {
                return Err(Error::Full {
                    path: self.path.borrow().clone(),
                    wanted,
                    most,
                });
            }
            Backing::Nameless { nameless, .. } => {
                (&nameless.as_ref().expect("until it appears").file, 0)
            }
            Backing::Named { device, inode } => {
                file = directory::reopen(&self.path.borrow(), *device, *inode)?;
                (&file, (size / 8).clamp(4 * PAGE, 64 * PAGE))
            }
        };
        let grow = |to: usize| self.grow(file, size, round_up(to, PAGE).min(most));
        // Without the spare part if there is no space for it.
        grow(wanted + spare).or_else(|error| if spare > 0 { grow(wanted) } else { Err(error) })
    }

    fn grow(&self, file: &File, from: usize, to: usize) -> Result<(), Error> {
        let fail = |error| Error::io(&self.path.borrow(), "reserve space for", error);
        reserve(file, from as u64, to as u64).map_err(fail)?;
        self.region.populate(from, to).map_err(fail)?;
        self.size.set(to);
        Ok(())
    }

    /// Writes bytes at an offset (a multiple of 8) that is reserved and not published.
    fn write(&self, offset: usize, bytes: &[u8]) {
        let place = self.words().part(offset / 8, bytes.len().div_ceil(8));
        for (cell, word) in place.iter().zip(words(bytes)) {
            // Relaxed: `publish` orders them.
            cell.store(word, Ordering::Relaxed);
        }
    }

    /// Appends a record: its bytes at the tail, and zeros up to `end`.
    fn append(&self, bytes: &[u8], end: usize, from_aside: bool) -> Result<(), Error> {
        self.ensure(end, from_aside)?;
        self.write(self.tail.get(), bytes);
        self.tail.set(end);
        Ok(())
    }

    /// Appends a schema, all of whose metrics have labels.
    pub fn append_schema(&self, schema: &Schema) -> Result<Placed, Error> {
        for metric in &schema.metrics {
            names::check_label("label", &metric.label)?;
        }
        self.append_schema_of_groups(schema)
    }

    /// Appends a schema. A metric without a label is called as its group (`labelled` has one); the
    /// derive makes none.
    fn append_schema_of_groups(&self, schema: &Schema) -> Result<Placed, Error> {
        self.appending.set(true);
        for metric in schema
            .metrics
            .iter()
            .filter(|metric| !metric.label.is_empty())
        {
            names::check_label("label", &metric.label)?;
        }
        let record = self.tail.get() as u32;
        let bytes = schema.encode();
        self.append(&bytes, self.tail.get() + bytes.len(), false)?;
        let labels = schema
            .metrics
            .iter()
            .map(|metric| metric.label.clone())
            .collect();
        self.labels_of.borrow_mut().insert(record, labels);
        Ok(Placed {
            record,
            words: schema.block as usize / 8,
        })
    }

    /// Reserves space for the first octaves of `distributions` distributions, as far as there is.
    pub fn expect_octaves(&self, bytes: usize, distributions: usize) {
        let wanted = (FIRST_OCTAVES * distributions * (bytes + LINE)).min(16 * PAGE);
        // Only a head start: without it the first values ask again.
        let _ = self.ensure(self.tail.get() + wanted, false);
    }

    /// Enters the labels of an instance; an error if one is there already. (In private memory nobody
    /// reads them, and `local` must have a model whatever its labels are.)
    fn enter_labels(&self, schema: Placed, prefix: &str) -> Result<(), Error> {
        let labels_of = self.labels_of.borrow();
        let mut labels = self.labels.borrow_mut();
        let own = labels_of.get(&schema.record).map_or(&[][..], |own| own);
        for label in own {
            let label = whole_label(prefix, label);
            let hash = self.hasher.hash_one(&label);
            if labels.insert(hash) {
                self.pending.borrow_mut().push(hash);
            } else if !self.is_anonymous() {
                let path = self.path.borrow().clone();
                return Err(Error::DuplicateLabel { path, label });
            }
        }
        Ok(())
    }

    /// Where the first instance's stagger applies: the model's own block.
    pub fn root_instance(&self, schema: Placed, prefix: &str) -> Result<(Words, u32), Error> {
        let instance = Instance {
            schema: schema.record,
            block: 0,
            prefix: prefix.to_owned(),
            group: String::new(),
        };
        self.place(schema, &instance, false, Some(self.stagger))
    }

    fn place(
        &self,
        schema: Placed,
        instance: &Instance,
        kept_aside: bool,
        stagger: Option<Stagger>,
    ) -> Result<(Words, u32), Error> {
        self.appending.set(true);
        let prefix = instance.label_prefix();
        self.enter_labels(schema, &prefix)?;
        let placed = instance.encode(self.tail.get(), schema.words, stagger);
        self.append(&placed.metadata, placed.end, kept_aside)?;
        Ok((
            self.words().part(placed.values / 8, schema.words),
            placed.values as u32,
        ))
    }

    /// Appends and publishes a record of `len` words of values whose last ones are `plain`. Ends the
    /// appending that the caller began.
    fn append_values(&self, placed: record::Placed, len: usize, plain: &[u64]) -> Option<Words> {
        if self.append(&placed.metadata, placed.end, false).is_err() {
            self.appending.set(false);
            return None;
        }
        let values = self.words().part(placed.values / 8, len);
        for (cell, word) in values[len - plain.len()..].iter().zip(plain) {
            // Relaxed: `publish` orders them.
            cell.store(*word, Ordering::Relaxed);
        }
        // An instance in the making is not shown by this publication: octaves and parts are asked for
        // by values, and values come after binding.
        self.publish();
        Some(values)
    }

    /// The owner word.
    fn owner(&self) -> Word {
        self.words().word(OWNER / 8)
    }

    /// The thread ends: levels become zero, the file an orphan.
    pub fn abandon(&self) {
        owner::abandon(
            &self.owner(),
            self.levels.borrow().iter().map(|word| &**word),
        );
    }

    /// Another thread goes on with the file.
    pub fn adopt(&self) {
        owner::adopt(&self.owner(), identity::thread_id());
    }
}

impl Space for StatsFile {
    fn schema(&self, model: TypeId, describe: &dyn Fn() -> Schema) -> Result<Placed, Error> {
        if let Some(placed) = self.schemas.borrow().get(&model) {
            return Ok(*placed);
        }
        let placed = self.append_schema_of_groups(&describe())?;
        self.schemas.borrow_mut().insert(model, placed);
        Ok(placed)
    }

    fn instance(
        &self,
        schema: Placed,
        instance: Instance,
        kept_aside: bool,
    ) -> Result<(Words, u32), Error> {
        let before = self.tail.get();
        // Procedural metrics are instances of a few words each: they are staggered as a whole.
        let stagger = (before < PAGE && self.labels.borrow().is_empty()).then_some(self.stagger);
        let placed = self.place(schema, &instance, kept_aside, stagger)?;
        if kept_aside {
            let used = self.tail.get() - before;
            self.aside.set(self.aside.get().saturating_sub(used));
        }
        Ok(placed)
    }

    fn publish(&self) {
        // Release: who sees the length sees the records below it.
        self.words()
            .word(COMMITTED / 8)
            .store(self.tail.get() as u64, Ordering::Release);
        self.pending.borrow_mut().clear();
        self.published.set(Published {
            tail: self.tail.get(),
            aside: self.aside.get(),
            levels: self.levels.borrow().len(),
            ticks: self.ticks.borrow().len(),
        });
        self.appending.set(false);
    }

    fn roll_back(&self) {
        let Published {
            tail,
            aside,
            levels,
            ticks,
        } = self.published.get();
        self.ticks.borrow_mut().truncate(ticks);
        let unused = self.words().part(tail / 8, (self.tail.get() - tail) / 8);
        for word in unused.iter() {
            word.store(0, Ordering::Relaxed);
        }
        self.tail.set(tail);
        self.aside.set(aside);
        self.levels.borrow_mut().truncate(levels);
        let mut labels = self.labels.borrow_mut();
        for hash in self.pending.borrow_mut().drain(..) {
            labels.remove(&hash);
        }
        // Schemas that went with it have to be written again.
        self.schemas
            .borrow_mut()
            .retain(|_, placed| (placed.record as usize) < tail);
        self.labels_of
            .borrow_mut()
            .retain(|record, _| (*record as usize) < tail);
        self.appending.set(false);
    }

    fn fail(&self, error: Error) {
        self.failure.borrow_mut().get_or_insert(error);
    }

    fn failure(&self) -> Option<Error> {
        self.failure.borrow_mut().take()
    }

    fn keep_aside(&self, schema: Placed, instance: &Instance) -> Result<(), Error> {
        // A record's length depends on where it begins, by less than a line.
        let placed = instance.encode(0, schema.words, None);
        let aside = self.aside.get();
        self.aside.set(aside + placed.end + LINE);
        self.ensure(self.tail.get(), false)
            .inspect_err(|_| self.aside.set(aside))
    }

    fn octave(&self, owner: u32, octave: usize, len: usize) -> Option<Words> {
        if self.appending.replace(true) {
            return None;
        }
        let octave = Octave {
            owner,
            octave: octave as u32,
            counts: 0,
            len: len as u32,
        };
        self.append_values(octave.encode(self.tail.get()), len, &[])
    }

    fn part(&self, part: Part, plain: &[u64]) -> Option<Words> {
        if self.appending.replace(true) {
            return None;
        }
        let placed = part.encode(self.tail.get());
        self.append_values(placed, part.shape.total_words(), plain)
    }

    fn contexts(&self) -> &Contexts {
        &self.contexts
    }

    fn history_bytes(&self) -> &Cell<usize> {
        &self.history_bytes
    }

    fn reset_at_thread_end(&self, word: Word) {
        self.levels.borrow_mut().push(word);
    }

    fn tick(&self, work: Box<dyn Tick>) {
        if self.is_anonymous() {
            // Nobody reads it.
            return;
        }
        // SAFETY: the words that metrics work on are views of the region, which is dropped after `ticks`;
        // they are atomic. What else the work has, the box owns.
        let ticking = unsafe { ticks::begin(work) };
        self.ticks.borrow_mut().push(ticking);
    }

    fn max_groups(&self) -> usize {
        self.max_groups
    }

    fn path(&self) -> PathBuf {
        self.path.borrow().clone()
    }
}
