//! A stats file as its writer sees it: records are appended under a mapping that never moves. This module makes and
//! names the file, and hands it from thread to thread.

mod growth;
mod notes;
mod records;
mod same_name;
mod spaces;

use std::any::TypeId;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::rc::Rc;

use self::spaces::Spaces;
use super::directory::{self, UnnamedFile};
use super::names;
use crate::Error;
use crate::format::header::{LockToken, OWNER};
use crate::format::note;
use crate::format::owner;
use crate::format::record::Stagger;
use crate::format::round_up;
use crate::metric::context::Contexts;
use crate::metric::storage::PlacedSchema;
use crate::retire;
use crate::sync::PUBLISH;
use crate::sys::NO_FILES;
use crate::sys::lifecycle::file_region::FileRegion;
use crate::sys::lifecycle::files::{End, FileName};
use crate::sys::lifecycle::paths::{self, Settings};
use crate::sys::lifecycle::retained::Retained;
use crate::sys::lifecycle::ticker::Ticking;
use crate::sys::lifecycle::{ending, handlers, held_locks, report, thread_root};
use crate::sys::memory::hashing::{self, RandomState};
use crate::sys::memory::region::{self, Region};
use crate::sys::memory::words::Word;
use crate::sys::process::fork;
use crate::sys::process::identity::{self, ProcessIdentity};

/// A file grows by multiples of this.
const PAGE: usize = 4096;
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
/// The part that the messages of error logs may take, beyond the first few of each log: a fourth.
const ERRORS_SHARE: usize = 4;
/// The blocks of this many models in one thread begin on different lines, each two lines (16
/// counters) from the next.
const STAGGERED: usize = 16;

/// The settings of a file.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The root, if one was named.
    pub root: Option<PathBuf>,
    /// The prefix of every label.
    pub label_prefix: String,
    /// The maximum size in bytes.
    pub max_size: Option<usize>,
    /// Permissions.
    pub mode: Option<u32>,
    /// Whether it stays when it is dropped or the process exits.
    pub keep: Option<bool>,
    /// Groups that each field of groups may have.
    pub max_groups: Option<usize>,
    /// Bytes that the histories of the file may take.
    pub history_bytes: Option<usize>,
    /// Contexts that the file may have.
    pub contexts: Option<usize>,
    /// Bytes that its contexts may take.
    pub context_bytes: Option<usize>,
    /// Whether it is private memory instead of a file.
    pub anonymous: bool,
}

/// Where the memory of a file comes from.
#[derive(Debug)]
enum Backing {
    /// Private memory.
    Anonymous,
    /// A file that has no name yet.
    Nameless {
        nameless: Option<UnnamedFile>,
        end: End,
    },
    /// A file at `path`. It is kept open only where it may be impossible to open it again later.
    Named {
        device: u64,
        inode: u64,
        retained: Option<Retained>,
    },
}

/// A stats file. Shared by the handles of one thread that may need more space.
#[derive(Debug)]
pub struct StatsFile {
    /// The work that is done by the clock, each with the block of the removable group that it belongs to, or 0.
    /// Declared before the region, so that it ends first.
    ticks: RefCell<Vec<(u32, Ticking)>>,
    region: FileRegion,
    model: Box<str>,
    /// What it was made from, to make another one in the child of a fork.
    config: Config,
    backing: RefCell<Backing>,
    /// Its path; before it has one, its directory.
    path: RefCell<PathBuf>,
    /// The end of what was appended.
    tail: Cell<usize>,
    /// Bytes for which blocks are reserved.
    size: Cell<usize>,
    /// Of these, bytes kept aside for `_other`, which counts the overflow.
    aside: Cell<usize>,
    /// Also of these, bytes kept for notes.
    for_notes: Cell<usize>,
    /// The causes that were noted: bit n stands for code n.
    noted: Cell<u16>,
    /// Schemas by model.
    schemas: RefCell<HashMap<TypeId, PlacedSchema>>,
    /// The labels of each schema, by the offset of its record.
    labels_of: RefCell<HashMap<u32, Vec<String>>>,
    /// Hashes of the labels of the append that is in progress.
    pending: RefCell<Vec<u64>>,
    /// Hashes of the labels in the file. Two labels have the same 64-bit hash under a random key once in 10⁹ files
    /// of 100,000 labels; the second one would be refused.
    labels: RefCell<HashSet<u64, RandomState>>,
    hasher: RandomState,
    /// The words of levels, which become zero when their thread ends.
    levels: RefCell<Vec<Word>>,
    failure: RefCell<Option<Error>>,
    spaces: RefCell<Spaces>,
    /// See [`Storage::lent`](crate::metric::storage::Storage::lent).
    lent: Rc<Cell<bool>>,
    /// The block of the removable group that is being bound, or 0.
    binding: Cell<u32>,
    /// Whether references into it are lent by `local` only.
    is_local: Cell<bool>,
    /// Whether an [`Append`](crate::metric::storage::Append), or work that excludes one, is in progress.
    appending: Cell<bool>,
    max_groups: usize,
    contexts: Contexts,
    history_bytes: Cell<usize>,
    error_bytes: Cell<usize>,
    stagger: Stagger,
    /// The generation of the process that made it. In its children it is private memory.
    generation: u64,
}

thread_local! {
    /// The number of files that this thread has made.
    static MADE: Cell<usize> = const { Cell::new(0) };
}

impl StatsFile {
    /// Makes a file for a model of the type at `type_path` (empty: no type). It has its header, but no name yet.
    pub fn new(
        config: &Config,
        model: &str,
        type_path: &'static str,
    ) -> Result<Rc<StatsFile>, Error> {
        names::check_model(model)?;
        names::check_prefix(&config.label_prefix)?;
        let settings = Settings::get();
        let max_size = config
            .max_size
            .or(settings.max_size)
            .unwrap_or(region::USUAL);
        let max_size = round_up(max_size.clamp(2 * PAGE, MOST_MAX_SIZE), PAGE);
        let mode = config.mode.or(settings.mode).unwrap_or(0o600);
        // A test reads the file that it counts in, whatever the environment says, and removes it.
        let is_of_test = thread_root::get().is_some();
        let no_files = match settings.disable && !is_of_test {
            true => Some("MMSTATS_DISABLE is set"),
            false => NO_FILES,
        };
        if let Some(reason) = no_files.filter(|_| !config.anonymous) {
            report::quietly(model, "no files", &format_args!("not recorded: {reason}"));
        }
        handlers::register();
        let anonymous = config.anonymous || no_files.is_some() || ending::exited();
        let (region, backing, lock, path) = if anonymous {
            let path = PathBuf::from(format!("(memory)/{model}"));
            let region = Region::anonymous(max_size)
                .map_err(|error| Error::io(&path, "reserve memory for", error))?;
            (region, Backing::Anonymous, LockToken::default(), path)
        } else {
            let (root, named) = match &config.root {
                Some(root) => (paths::absolute(root), true),
                None => paths::writer_root(),
            };
            let directory = directory::prepare(&root, model, mode, named)?;
            same_name::enter(directory.path(), model, type_path);
            // If it cannot be locked (something else was put there), pid and start time have to tell whether this
            // process lives.
            let lock = held_locks::hold_lock(&root, mode).unwrap_or_else(|error| {
                let path = root.join(identity::LOCK_FILE);
                let text = format_args!("{}: cannot lock it: {error}: remove it", path.display());
                report::later(model, "lock", &text);
                LockToken::default()
            });
            held_locks::hold_directory(&root);
            held_locks::hold_directory(directory.path());
            retire::before_the_first_file(&root, &directory);
            let path = directory.path().to_owned();
            let nameless = UnnamedFile::create(directory, mode)?;
            held_locks::keep_from_cleaners(&nameless.file);
            let region = Region::over_file(&nameless.file, max_size, PAGE)
                .map_err(|error| Error::io(&path, "map a file in", error))?;
            let end = match config.keep.unwrap_or(settings.keep) {
                true => End::Keep,
                false if settings.fold && !is_of_test => End::Fold(retire::fold_ended),
                false => End::Remove,
            };
            (
                region,
                Backing::Nameless {
                    nameless: Some(nameless),
                    end,
                },
                lock,
                path,
            )
        };
        let size = if anonymous { region.len() } else { 0 };
        let file = StatsFile {
            ticks: RefCell::default(),
            region: region.into(),
            model: model.into(),
            config: config.clone(),
            backing: RefCell::new(backing),
            path: RefCell::new(path),
            tail: Cell::new(0),
            size: Cell::new(size),
            aside: Cell::new(0),
            for_notes: Cell::new(note::RESERVED),
            noted: Cell::new(0),
            schemas: RefCell::default(),
            labels_of: RefCell::default(),
            pending: RefCell::default(),
            labels: RefCell::new(HashSet::with_hasher(hashing::random_state())),
            hasher: hashing::random_state(),
            levels: RefCell::default(),
            failure: RefCell::default(),
            spaces: RefCell::default(),
            lent: Rc::default(),
            binding: Cell::new(0),
            is_local: Cell::new(false),
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
            error_bytes: Cell::new(max_size / ERRORS_SHARE),
            stagger: Stagger {
                line: 2 * (MADE.replace(MADE.get() + 1) % STAGGERED),
                lines: 2 * STAGGERED,
            },
            generation: fork::generation(),
        };
        let header = ProcessIdentity::this().header(model, lock).encode();
        file.ensure(header.len(), false)?;
        // The first word is stored last. Whoever finds it in an unfinished file has the rest of the header, too, and
        // can tell whose it was (`retire::judge`).
        let (first, rest) = header.split_first_chunk().expect("longer than a word");
        file.write(first.len(), rest);
        (file.words().word(0)).store(u64::from_le_bytes(*first), PUBLISH);
        file.tail.set(header.len());
        Ok(Rc::new(file))
    }

    /// Gives the file its name. From then on readers see it.
    pub fn appear(&self) -> Result<(), Error> {
        let mut backing = self.backing.borrow_mut();
        let Backing::Nameless { nameless, end } = &mut *backing else {
            return Ok(());
        };
        let Some(_naming) = ending::giving_name() else {
            // The process is exiting: the file stays without a name, and goes with the process.
            return Ok(());
        };
        let base = format!(
            "mmstats-{}-{}",
            identity::process_id(),
            identity::thread_id()
        );
        let nameless = nameless.take().expect("a file appears once");
        let retained = Retained::of(&nameless.file);
        let (path, found) = nameless.publish(&base)?;
        let (device, inode) = found.identity;
        let file = FileName {
            path: directory::c_path(&path)?,
            device,
            inode,
            end: *end,
        };
        (self.region).register(file, retained.as_ref().map(Retained::descriptor));
        *self.path.borrow_mut() = path;
        *backing = Backing::Named {
            device,
            inode,
            retained,
        };
        Ok(())
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Returns the settings that it was made from.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns whether it is a file of a process that this one was forked from. Then it is private memory here.
    pub fn is_inherited(&self) -> bool {
        !self.is_anonymous() && self.generation != fork::generation()
    }

    /// Returns whether it is private memory, and no file.
    pub fn is_anonymous(&self) -> bool {
        matches!(*self.backing.borrow(), Backing::Anonymous)
    }

    /// The owner word.
    fn owner(&self) -> Word {
        self.words().word(OWNER / 8)
    }

    /// Says that it is lent by `local` only. From then on the thread's cells are parked when a group is removed.
    pub fn set_local(&self) {
        self.is_local.set(true);
    }

    /// Says that every thread of the process writes its values. To be called before it appears.
    pub fn belong_to_process(&self) {
        owner::belong_to_process(&self.owner());
    }

    /// Called when the thread ends: sets levels to zero and makes the file an orphan.
    pub fn abandon(&self) {
        owner::abandon(
            &self.owner(),
            self.levels.borrow().iter().map(|word| &**word),
        );
    }

    /// Makes this thread the one that writes the file.
    pub fn adopt(&self) {
        owner::adopt(&self.owner(), identity::thread_id());
    }
}
