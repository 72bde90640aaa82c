//! What a metric asks of its file after the file was made: more space.

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

/// The growing side of a stats file, as metrics see it. None of it is on the write path of a value.
///
/// The methods that append (`schema`, `instance`, `keep_aside`, and the binding of an instance) are called within an
/// [`Append`]. `octave` and `extent` begin one of their own.
pub trait Storage: fmt::Debug {
    /// Returns the schema of a model in this file. The first call writes it, later ones find it.
    fn schema(&self, model: TypeId, describe: &dyn Fn() -> Schema) -> Result<PlacedSchema, Error>;

    /// Appends an instance of a schema, or reuses the space of a removed one. Returns its block and the block's
    /// offset.
    fn instance(
        &self,
        schema: PlacedSchema,
        instance: Instance,
        room: Room,
    ) -> Result<(Words, u32), Error>;

    /// Returns the generation of the removable instance whose block is at this offset.
    fn generation(&self, block: u32) -> Word;

    /// Ends a group in the files of the other threads of this process, and with `within` also the groups in it.
    /// Returns whether there was one.
    fn end_elsewhere(&self, instance: &Instance, within: bool) -> bool;

    /// Releases a removed instance: its labels may be used again, and with `within` the groups in it end. `model` is
    /// what is bound to it. It is dropped once nothing can refer to it, and only then is the space reused. If this
    /// cannot be done now, `model` is returned as the error.
    fn removed(&self, block: u32, within: bool, model: Box<dyn Any>) -> Result<(), Box<dyn Any>>;

    /// Frees the space of a removed instance once nothing can refer to what was bound to it: its owner has been
    /// dropped.
    fn unused(&self, block: u32);

    /// Begins an [`Append`] and returns the state to roll back to; `None` while another one is in progress.
    fn begin(&self) -> Option<Mark>;

    /// Ends the append: readers see what was appended since [`begin`](Storage::begin).
    fn publish(&self);

    /// Ends the append and removes what was appended since `begin` returned `start`. The caller has dropped what was
    /// bound to it.
    fn roll_back(&self, start: Mark);

    /// Keeps the first error of a field that is being bound, for the caller of the binding.
    fn fail(&self, error: Error);

    /// Takes the error kept since the last call, if any.
    fn failure(&self) -> Option<Error>;

    /// Reserves the space for one more instance of a schema with this prefix and group, so that it is available when
    /// the file is otherwise full.
    fn keep_aside(&self, schema: PlacedSchema, instance: &Instance) -> Result<(), Error>;

    /// Appends the counts of an octave, if there is space. `owner` is the offset of the metric's place.
    fn octave(&self, owner: u32, octave: usize, len: usize) -> Option<Words>;

    /// Appends an extent of a metric, if there is space, and sets its `values`. `plain` are its last words; the
    /// others are zeros.
    fn extent(&self, extent: Extent, plain: &[u64]) -> Option<Words>;

    /// Returns the contexts of the file.
    fn contexts(&self) -> &Contexts;

    /// Returns the bytes that the histories of the file may still take.
    fn history_bytes(&self) -> &Cell<usize>;

    /// Returns the bytes that the messages of the file's error logs may still take.
    fn error_bytes(&self) -> &Cell<usize>;

    /// Sets a word to zero when the thread that writes the file ends.
    fn reset_at_thread_end(&self, word: Word);

    /// Does some work now and whenever it is due, as long as the file exists. The work touches words of the file, and
    /// nothing else that it does not own.
    fn tick(&self, work: Box<dyn Tick>);

    /// Ends the removable instance whose block is at this offset, and which is being bound, once its group is idle.
    /// `words` are the words of the block whose changes show that it is not.
    fn end_when_idle(&self, block: u32, idle: Idle, words: Box<[Words]>);

    /// Returns the flag that tells [`MmStats::local`] whether a reference to a group of this file may be held. The
    /// code that lends one sets it.
    ///
    /// [`MmStats::local`]: crate::MmStats::local
    fn lent(&self) -> &Rc<Cell<bool>>;

    /// Returns how many groups each field of groups may have.
    fn max_groups(&self) -> usize;

    /// Reports once that something is not recorded, and notes it in the file. Call it only when the state of the file
    /// is final: a logger may call back into it.
    fn report(&self, cause: Cause, text: &dyn fmt::Display);

    /// Returns the file's path, for messages.
    fn path(&self) -> PathBuf;
}

/// Where an instance takes its space from, and how long it stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It stays forever.
    Stays,
    /// It can be removed, and may take the space of a removed one.
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

/// The state of a file that an append can be rolled back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// The end of what was appended.
    pub tail: usize,
    /// Bytes kept aside.
    pub aside: usize,
    /// How many levels are reset when the thread ends.
    pub levels: usize,
    /// How many pieces of work are done by the clock.
    pub ticks: usize,
}

/// Records that are being appended to a file. Readers see all of them after [`publish`](Append::publish). Without it
/// they are rolled back when this is dropped, also by a panic. What is bound to them is dropped before.
///
/// There is at most one at a time. A reentrant call (from an allocator, a logger or a user's `Drop` that uses the
/// same statistics) is refused, because a rollback would remove its records as well.
#[derive(Debug)]
#[must_use = "dropping it rolls everything back"]
pub struct Append<'a> {
    storage: &'a dyn Storage,
    start: Mark,
}

impl Append<'_> {
    /// Begins to append; `None` while records are already being appended.
    pub fn begin(storage: &dyn Storage) -> Option<Append<'_>> {
        Some(Append {
            start: storage.begin()?,
            storage,
        })
    }

    /// Makes what was appended visible to readers.
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
