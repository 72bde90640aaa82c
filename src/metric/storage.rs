//! What a metric asks of its file after it was made: more space.

use std::any::{Any, TypeId};
use std::cell::Cell;
use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;

use super::context::Contexts;
use crate::Error;
use crate::format::extent::Extent;
use crate::format::note::Cause;
use crate::format::record::Instance;
use crate::format::schema::Schema;
use crate::sys::lifecycle::idle::Idle;
use crate::sys::lifecycle::ticker::Tick;
use crate::sys::memory::words::{Word, Words};

/// The growing side of a stats file, as the metrics see it. None of it is on the path of a value.
///
/// What appends (`schema`, `instance`, `keep_aside`, and the binding of an instance) is called within
/// an [`Append`]. `octave` and `extent` are one of their own.
pub trait Storage: fmt::Debug {
    /// The schema of a model in this file: written at the first call, found at the later ones.
    fn schema(&self, model: TypeId, describe: &dyn Fn() -> Schema) -> Result<PlacedSchema, Error>;

    /// Appends an instance of a schema, or uses the space of a removed one again. Gives its block and the
    /// block's offset.
    fn instance(
        &self,
        schema: PlacedSchema,
        instance: Instance,
        room: Room,
    ) -> Result<(Words, u32), Error>;

    /// The generation of the removable instance whose block is at this offset.
    fn generation(&self, block: u32) -> Word;

    /// Ends a group in the files of the other threads of this process, and with `within` the groups in it.
    /// Whether it was there.
    fn end_elsewhere(&self, instance: &Instance, within: bool) -> bool;

    /// Takes leave of a removed instance: its labels may be used again, and with `within` the groups in it end.
    /// `model` is what is bound to it, and dropped when nobody can refer to it any more. Only then its space is
    /// used again. It is given back if that cannot be done now.
    fn removed(&self, block: u32, within: bool, model: Box<dyn Any>) -> Result<(), Box<dyn Any>>;

    /// Nobody can refer to what is bound to the removed instance any more: who did is dropped itself.
    fn unused(&self, block: u32);

    /// Begins an [`Append`] and returns the state to go back to; `None` while there is one already.
    fn begin(&self) -> Option<Mark>;

    /// Ends the append: readers see what came since [`begin`](Storage::begin).
    fn publish(&self);

    /// Ends the append: takes back what came since `begin` returned `start`. Whoever bound it has
    /// dropped it.
    fn roll_back(&self, start: Mark);

    /// Keeps the first failure that a field had while it was bound, for who binds to find.
    fn fail(&self, error: Error);

    /// The failure kept since the last call.
    fn failure(&self) -> Option<Error>;

    /// Reserves the space for one more instance of a schema with this prefix and group, so that it
    /// is there when no other space is.
    fn keep_aside(&self, schema: PlacedSchema, instance: &Instance) -> Result<(), Error>;

    /// Appends the counts of an octave, if there is space. `owner` is the offset of the place of the
    /// metric.
    fn octave(&self, owner: u32, octave: usize, len: usize) -> Option<Words>;

    /// Appends an extent of a metric (its `values` are set here), if there is space. `plain` are its last
    /// words, the others are zeros.
    fn extent(&self, extent: Extent, plain: &[u64]) -> Option<Words>;

    /// The contexts of the file.
    fn contexts(&self) -> &Contexts;

    /// Bytes that the histories of the file may still take.
    fn history_bytes(&self) -> &Cell<usize>;

    /// Bytes that the messages of the file's error logs may still take.
    fn error_bytes(&self) -> &Cell<usize>;

    /// Has a word set to zero when the thread that writes the file ends.
    fn reset_at_thread_end(&self, word: Word);

    /// Has some work done now and whenever it is due, for as long as the file is there. It touches words
    /// of the file, and nothing else that is not its own.
    fn tick(&self, work: Box<dyn Tick>);

    /// Ends the removable instance whose block is at this offset, and which is being bound, when its group is
    /// idle. `words` are those of the block by whose changes that is seen.
    fn end_when_idle(&self, block: u32, idle: Idle, words: Box<[Words]>);

    /// Whether a reference to a group of this file may be held: set by who lends one, for [`MmStats::local`] to know.
    ///
    /// [`MmStats::local`]: crate::MmStats::local
    fn lent(&self) -> &Rc<Cell<bool>>;

    /// How many groups each field of groups may have.
    fn max_groups(&self) -> usize;

    /// Reports that something is not recorded, once, and notes it in the file. Only when the state of the
    /// file is final: a logger may come back here.
    fn report(&self, cause: Cause, text: &dyn fmt::Display);

    /// The file's path, for messages.
    fn path(&self) -> PathBuf;
}

/// Where an instance takes its space from, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It stays for ever.
    Stays,
    /// It can be removed, and may have the space of one that was.
    Removable,
    /// It stays, in the space that [`keep_aside`](Storage::keep_aside) reserved.
    KeptAside,
}

/// A schema in a file.
#[derive(Clone, Copy, Debug)]
pub struct PlacedSchema {
    /// Offset of its record.
    pub record: u32,
    /// Words of a block.
    pub words: usize,
}

/// The state of a file that an append can go back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// The end of what was appended.
    pub tail: usize,
    /// Bytes kept aside.
    pub aside: usize,
    /// Levels that end with their thread.
    pub levels: usize,
    /// What is done by the clock.
    pub ticks: usize,
}

/// Records that are being appended to a file: readers see all of them after
/// [`publish`](Append::publish), and without it they are taken back when this is dropped, also by a
/// panic. What is bound to them is dropped before.
///
/// There is one at a time. Who comes back to the file meanwhile (an allocator, a logger or a user's
/// `Drop` that uses the same statistics) is refused: a roll back would take its records as well.
#[derive(Debug)]
#[must_use = "dropped, it takes everything back"]
pub struct Append<'a> {
    storage: &'a dyn Storage,
    start: Mark,
}

impl Append<'_> {
    /// Begins to append; `None` while records are being appended already.
    pub fn begin(storage: &dyn Storage) -> Option<Append<'_>> {
        Some(Append {
            start: storage.begin()?,
            storage,
        })
    }

    /// Lets readers see what was appended.
    pub fn publish(self) {
        self.storage.publish();
        std::mem::forget(self);
    }
}

impl Drop for Append<'_> {
    fn drop(&mut self) {
        self.storage.roll_back(self.start);
    }
}
