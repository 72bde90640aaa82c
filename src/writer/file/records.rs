//! Records and the labels in them: what is appended together is published together, or rolled back.

use std::any::TypeId;
use std::cell::Cell;
use std::fmt;
use std::hash::BuildHasher;
use std::path::PathBuf;

use super::{PAGE, StatsFile};
use crate::Error;
use crate::format::LINE;
use crate::format::header::COMMITTED;
use crate::format::note::Cause;
use crate::format::part::Part;
use crate::format::record::{self, Instance, Octave, Stagger};
use crate::format::schema::{Schema, whole_label};
use crate::metric::context::Contexts;
use crate::metric::storage::{Append, Mark, Placed, Space};
use crate::sync::Ordering;
use crate::sys::lifecycle::ticker::{self, Tick};
use crate::sys::memory::words::{Word, Words};
use crate::writer::names;

impl StatsFile {
    /// Appends a schema, all of whose metrics have labels.
    pub fn append_schema(&self, schema: &Schema) -> Result<Placed, Error> {
        names::check_schema(schema, false)?;
        self.append_checked(schema)
    }

    fn append_checked(&self, schema: &Schema) -> Result<Placed, Error> {
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

    /// Enters the labels of an instance; an error if one is there already. (In private memory nobody
    /// reads them, and `local` must have a model whatever its labels are.)
    fn enter_labels(&self, schema: Placed, prefix: &str, suffix: &str) -> Result<(), Error> {
        let labels_of = self.labels_of.borrow();
        let mut labels = self.labels.borrow_mut();
        let own = labels_of.get(&schema.record).map_or(&[][..], |own| own);
        for label in own {
            let label = whole_label(prefix, label) + suffix;
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
            labels: Vec::new(),
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
        names::check_length("prefix", &instance.prefix)?;
        let (prefix, suffix) = (instance.label_prefix(), instance.label_suffix());
        self.enter_labels(schema, &prefix, &suffix)?;
        let placed = instance.encode(self.tail.get(), schema.words, stagger);
        self.append(&placed.metadata, placed.end, kept_aside)?;
        Ok((
            self.words().part(placed.values / 8, schema.words),
            placed.values as u32,
        ))
    }

    /// Appends and publishes a record with `len` words of values whose last ones are `plain`, if there is
    /// space and no other append going on.
    fn append_values(
        &self,
        encode: impl FnOnce(usize) -> record::Placed,
        len: usize,
        plain: &[u64],
    ) -> Option<Words> {
        let append = Append::begin(self)?;
        let placed = encode(self.tail.get());
        if let Err(error) = self.append(&placed.metadata, placed.end, false) {
            drop(append);
            let text = format_args!(
                "{}; histograms count coarsely, histories and error logs stay as long as they are",
                error.of_known_file()
            );
            self.report(Cause::Growth, &text);
            return None;
        }
        let values = self.words().part(placed.values / 8, len);
        for (cell, word) in values[len - plain.len()..].iter().zip(plain) {
            // Relaxed: `publish` orders them.
            cell.store(*word, Ordering::Relaxed);
        }
        append.publish();
        Some(values)
    }
}

impl Space for StatsFile {
    fn schema(&self, model: TypeId, describe: &dyn Fn() -> Schema) -> Result<Placed, Error> {
        if let Some(placed) = self.schemas.borrow().get(&model) {
            return Ok(*placed);
        }
        let schema = describe();
        // A metric without a label is called as its group (`labelled` has one); the derive makes none.
        names::check_schema(&schema, true)?;
        let placed = self.append_checked(&schema)?;
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
        // Release: who sees the length sees the records below it.
        self.words()
            .word(COMMITTED / 8)
            .store(self.tail.get() as u64, Ordering::Release);
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
        // Of a binding that did not come to ask for it.
        drop(self.failure.take());
        // Last: until here an allocator that comes back is refused, and finds nothing borrowed.
        self.appending.set(false);
    }

    fn fail(&self, error: Error) {
        self.failure.borrow_mut().get_or_insert(error);
    }

    fn failure(&self) -> Option<Error> {
        self.failure.borrow_mut().take()
    }

    fn keep_aside(&self, schema: Placed, instance: &Instance) -> Result<(), Error> {
        names::check_length("prefix", &instance.prefix)?;
        // A record's length depends on where it begins, by less than a line.
        let placed = instance.encode(0, schema.words, None);
        let aside = self.aside.get();
        self.aside.set(aside + placed.end + LINE);
        self.ensure(self.tail.get(), false)
            .inspect_err(|_| self.aside.set(aside))
    }

    fn octave(&self, owner: u32, octave: usize, len: usize) -> Option<Words> {
        let octave = Octave {
            owner,
            octave: octave as u32,
            counts: 0,
            len: len as u32,
        };
        self.append_values(|at| octave.encode(at), len, &[])
    }

    fn part(&self, part: Part, plain: &[u64]) -> Option<Words> {
        self.append_values(|at| part.encode(at), part.shape.total_words(), plain)
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
        self.levels.borrow_mut().push(word);
    }

    fn tick(&self, work: Box<dyn Tick>) {
        if self.is_anonymous() {
            // Nobody reads it.
            return;
        }
        // SAFETY: the words that metrics work on are views of the region, which is dropped after `ticks`;
        // they are atomic. What else the work has, the box owns.
        let ticking = unsafe { ticker::begin(work) };
        self.ticks.borrow_mut().push(ticking);
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
