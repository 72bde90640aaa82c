//! Records and the labels in them: what is appended together is published together, or rolled back.

use std::any::{Any, TypeId};
use std::cell::Cell;
use std::fmt;
use std::hash::BuildHasher;
use std::path::PathBuf;
use std::rc::Rc;

use super::spaces::What;
use super::{PAGE, StatsFile};
use crate::Error;
use crate::format::LINE;
use crate::format::extent::{Extent, Shape};
use crate::format::generation;
use crate::format::header::COMMITTED;
use crate::format::note::Cause;
use crate::format::record::{self, Instance, Octave, Stagger};
use crate::format::schema::{Schema, whole_label};
use crate::metric::context::Contexts;
use crate::metric::storage::{Append, Mark, PlacedSchema, Room, Storage};
use crate::sync::{Ordering, PUBLISH};
use crate::sys::lifecycle::idle::{self, Idle};
use crate::sys::lifecycle::ticker::{self, Tick};
use crate::sys::memory::words::{Word, Words};
use crate::writer::names;

impl StatsFile {
    /// Appends a schema in which all metrics have labels.
    pub fn append_schema(&self, schema: &Schema, room: Room) -> Result<PlacedSchema, Error> {
        names::check_schema(schema, false)?;
        self.append_checked(schema, room)
    }

    fn append_checked(&self, schema: &Schema, room: Room) -> Result<PlacedSchema, Error> {
        let record = self.tail.get() as u32;
        let bytes = schema.encode();
        let is_kept = room == Room::KeptAside;
        self.append(&bytes, self.tail.get() + bytes.len(), is_kept)?;
        if is_kept {
            self.take_from_aside(bytes.len());
        }
        let labels = schema
            .metrics
            .iter()
            .map(|metric| metric.label.clone())
            .collect();
        self.labels_of.borrow_mut().insert(record, labels);
        Ok(PlacedSchema {
            record,
            words: schema.block as usize / 8,
        })
    }

    /// Enters the labels of an instance. Fails if one already exists, in private memory as in a file: a mistake is a
    /// mistake wherever the program runs.
    pub(super) fn enter_labels(
        &self,
        schema: PlacedSchema,
        instance: &Instance,
    ) -> Result<(), Error> {
        let (prefix, suffix) = (instance.label_prefix(), instance.label_suffix());
        let labels_of = self.labels_of.borrow();
        let mut labels = self.labels.borrow_mut();
        let own = labels_of.get(&schema.record).map_or(&[][..], |own| own);
        for label in own {
            let label = whole_label(&prefix, label) + &suffix;
            let hash = self.hasher.hash_one(&label);
            if labels.insert(hash) {
                self.pending.borrow_mut().push(hash);
            } else {
                let path = self.path.borrow().clone();
                return Err(Error::DuplicateLabel { path, label });
            }
        }
        Ok(())
    }

    /// Like [`Storage::keep_aside`], for an instance with a schema of its own.
    pub fn keep_metric_aside(&self, schema: &Schema, instance: &Instance) -> Result<(), Error> {
        names::check_schema(schema, false)?;
        let instance = space(instance, schema.block as usize / 8);
        self.keep_bytes_aside(schema.encode().len() + instance)
    }

    fn keep_bytes_aside(&self, bytes: usize) -> Result<(), Error> {
        let aside = self.aside.get();
        self.aside.set(aside + bytes);
        self.ensure(self.tail.get(), false)
            .inspect_err(|_| self.aside.set(aside))
    }

    /// Notes that bytes that were kept aside are used now.
    fn take_from_aside(&self, bytes: usize) {
        self.aside.set(self.aside.get().saturating_sub(bytes));
    }

    /// Appends the model's own instance, to whose block the stagger applies.
    pub fn root_instance(&self, schema: PlacedSchema, prefix: &str) -> Result<(Words, u32), Error> {
        let instance = Instance {
            schema: schema.record,
            block: 0,
            prefix: prefix.to_owned(),
            group: String::new(),
            labels: Vec::new(),
        };
        self.place(schema, &instance, Room::Stays, Some(self.stagger))
    }

    fn place(
        &self,
        schema: PlacedSchema,
        instance: &Instance,
        room: Room,
        stagger: Option<Stagger>,
    ) -> Result<(Words, u32), Error> {
        names::check_length("prefix", &instance.prefix)?;
        self.enter_labels(schema, instance)?;
        let record = self.tail.get();
        let is_removable = room == Room::Removable;
        let placed = if is_removable {
            instance.encode_removable(record, schema.words, stagger)
        } else {
            instance.encode(record, schema.words, stagger)
        };
        self.append(&placed.metadata, placed.end, room == Room::KeptAside)?;
        if is_removable {
            let mut spaces = self.spaces.borrow_mut();
            spaces.add(placed.values as u32, record as u32, schema, instance);
        }
        Ok((
            self.words().part(placed.values / 8, schema.words),
            placed.values as u32,
        ))
    }

    /// Appends and publishes a record with words of values whose last ones are `plain`, if there is space and no
    /// other append is in progress. Reuses what a removed group had in the same place.
    fn append_values(
        &self,
        encode: impl FnOnce(usize) -> record::PlacedRecord,
        what: What,
        plain: &[u64],
    ) -> Option<Words> {
        let append = Append::begin(self)?;
        let len = what.shape.total_words();
        let again = self.spaces.borrow_mut().take_further(what);
        if let Some(values) = again {
            for (cell, word) in values[len - plain.len()..].iter().zip(plain) {
                // Relaxed: each is a value of its own, and readers already know the place.
                cell.store(*word, Ordering::Relaxed);
            }
            append.publish();
            return Some(values);
        }
        let placed = encode(self.tail.get());
        if let Err(error) = self.append(&placed.metadata, placed.end, false) {
            drop(append);
            let problem = error.of_known_file();
            let text = format_args!(
                "{problem}; histograms count coarsely, histories and error logs no longer grow"
            );
            self.report(Cause::Growth, &text);
            return None;
        }
        let values = self.words().part(placed.values / 8, len);
        for (cell, word) in values[len - plain.len()..].iter().zip(plain) {
            // Relaxed: `publish` orders them.
            cell.store(*word, Ordering::Relaxed);
        }
        self.spaces.borrow_mut().add_further(what, values);
        append.publish();
        Some(values)
    }
}

/// Returns an upper bound on the bytes that an instance takes, wherever its record begins: the position makes a
/// difference of less than a line.
fn space(instance: &Instance, words: usize) -> usize {
    instance.encode(0, words, None).end + LINE
}

impl Storage for StatsFile {
    fn schema(&self, model: TypeId, describe: &dyn Fn() -> Schema) -> Result<PlacedSchema, Error> {
        if let Some(placed) = self.schemas.borrow().get(&model) {
            return Ok(*placed);
        }
        let schema = describe();
        // A metric without a label has the name of its group (`by_name` has one); the derive makes none.
        names::check_schema(&schema, true)?;
        let placed = self.append_checked(&schema, Room::Stays)?;
        self.schemas.borrow_mut().insert(model, placed);
        Ok(placed)
    }

    fn instance(
        &self,
        schema: PlacedSchema,
        instance: Instance,
        room: Room,
    ) -> Result<(Words, u32), Error> {
        if room == Room::Removable
            && let Some((values, block)) = self.reuse(schema, &instance)?
        {
            self.binding.set(block);
            return Ok((values, block));
        }
        let before = self.tail.get();
        // Procedural metrics are instances of a few words each: they are staggered as a whole.
        let is_kept = room == Room::KeptAside;
        let is_first = before < PAGE && self.labels.borrow().is_empty();
        let stagger = (is_first && !is_kept).then_some(self.stagger);
        let placed = self.place(schema, &instance, room, stagger)?;
        if room == Room::Removable {
            self.binding.set(placed.1);
        }
        if is_kept {
            self.take_from_aside(self.tail.get() - before);
        }
        Ok(placed)
    }

    fn generation(&self, block: u32) -> Word {
        self.generation_of(block)
    }

    fn end_elsewhere(&self, instance: &Instance, within: bool) -> bool {
        self.end_in_others(instance, within)
    }

    fn removed(&self, block: u32, within: bool, model: Box<dyn Any>) -> Result<(), Box<dyn Any>> {
        self.take_leave(block, within, model)
    }

    fn unused(&self, block: u32) {
        self.set_free(block);
    }

    fn begin(&self) -> Option<Mark> {
        if self.appending.replace(true) {
            return None;
        }
        Some(Mark {
            tail: self.tail.get(),
            aside: self.aside.get(),
            levels: self.levels.borrow().len(),
            ticks: self.ticks.borrow().len(),
        })
    }

    fn publish(&self) {
        // A reader that sees the length sees the records below it.
        self.words()
            .word(COMMITTED / 8)
            .store(self.tail.get() as u64, PUBLISH);
        let reused = self.spaces.borrow_mut().end_reusing();
        if let Some(block) = reused {
            // Last, because what was bound may have appended, too.
            generation::end_reuse(&self.generation_of(block));
        }
        self.binding.set(0);
        self.pending.borrow_mut().clear();
        self.appending.set(false);
    }

    fn roll_back(&self, start: Mark) {
        let Mark {
            tail,
            aside,
            levels,
            ticks,
        } = start;
        self.ticks.borrow_mut().truncate(ticks);
        self.spaces.borrow_mut().roll_back(tail);
        self.binding.set(0);
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
        // Schemas that were taken back have to be written again.
        self.schemas
            .borrow_mut()
            .retain(|_, placed| (placed.record as usize) < tail);
        self.labels_of
            .borrow_mut()
            .retain(|record, _| (*record as usize) < tail);
        // A binding that never came to ask for it may have left one.
        drop(self.failure.take());
        // Last: until here a reentrant call from an allocator is refused, and finds nothing borrowed.
        self.appending.set(false);
    }

    fn fail(&self, error: Error) {
        self.failure.borrow_mut().get_or_insert(error);
    }

    fn failure(&self) -> Option<Error> {
        self.failure.borrow_mut().take()
    }

    fn keep_aside(&self, schema: PlacedSchema, instance: &Instance) -> Result<(), Error> {
        names::check_length("prefix", &instance.prefix)?;
        self.keep_bytes_aside(space(instance, schema.words))
    }

    fn octave(&self, owner: u32, octave: usize, len: usize) -> Option<Words> {
        let octave = Octave {
            owner,
            octave: octave as u32,
            counts: 0,
            len: len as u32,
        };
        let what = What {
            owner,
            number: octave.octave,
            shape: Shape {
                plain: len as u32,
                ..Shape::default()
            },
        };
        self.append_values(|at| octave.encode(at), what, &[])
    }

    fn extent(&self, extent: Extent, plain: &[u64]) -> Option<Words> {
        let what = What {
            owner: extent.owner,
            number: extent.number,
            shape: extent.shape,
        };
        self.append_values(|at| extent.encode(at), what, plain)
    }

    fn contexts(&self) -> &Contexts {
        &self.contexts
    }

    fn history_bytes(&self) -> &Cell<usize> {
        &self.history_bytes
    }

    fn error_bytes(&self) -> &Cell<usize> {
        &self.error_bytes
    }

    fn reset_at_thread_end(&self, word: Word) {
        // All words of a space that is reused are in the list already.
        if self.spaces.borrow().is_reusing() {
            return;
        }
        self.levels.borrow_mut().push(word);
    }

    fn tick(&self, work: Box<dyn Tick>) {
        // Nobody reads private memory, except in tests (`testing::snapshot`).
        if self.is_anonymous() && cfg!(not(feature = "testing")) {
            return;
        }
        // SAFETY: the words that metrics work on are views of the region, which is dropped after `ticks`; they are
        // atomic. The box owns everything else that the work has.
        let ticking = unsafe { ticker::begin(work) };
        self.ticks.borrow_mut().push((self.binding.get(), ticking));
    }

    fn end_when_idle(&self, block: u32, idle: Idle, words: Box<[Words]>) {
        if self.is_anonymous() {
            // Nobody reads it.
            return;
        }
        let generation = self.generation_of(block);
        // SAFETY: as in `tick`.
        let ticking = unsafe { idle::watch(idle, generation, words) };
        self.ticks.borrow_mut().push((block, ticking));
    }

    fn lent(&self) -> &Rc<Cell<bool>> {
        &self.lent
    }

    fn max_groups(&self) -> usize {
        self.max_groups
    }

    fn report(&self, cause: Cause, text: &dyn fmt::Display) {
        self.note_and_report(cause, text);
    }

    fn path(&self) -> PathBuf {
        self.path.borrow().clone()
    }
}
