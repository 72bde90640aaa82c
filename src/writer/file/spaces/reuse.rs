//! How a removed group leaves its space, and how the space is reused.

use std::any::Any;
use std::hash::BuildHasher;

use crate::Error;
use crate::format::bytes::words;
use crate::format::generation::{self, is_there};
use crate::format::record::{FIXED_FOR_EVER, HEAD, Instance};
use crate::format::removal::{EndedGroup, NestedGroups};
use crate::format::schema::whole_label;
use crate::metric::storage::{PlacedSchema, Storage};
use crate::sync::Ordering;
use crate::sys::lifecycle::idle::Idle;
use crate::sys::lifecycle::{ended_groups, files};
use crate::sys::memory::words::{Word, Words};
use crate::sys::process::fork;
use crate::writer::file::StatsFile;
use crate::writer::names;

impl StatsFile {
    pub(in crate::writer::file) fn generation_of(&self, block: u32) -> Word {
        self.words().word(block as usize / 8 - 1)
    }

    /// Takes the space of a removed group for a new one of the same schema, if there is a space in which its texts
    /// fit. Until the append is published, no reader sees the new group.
    pub(in crate::writer::file) fn reuse(
        &self,
        schema: PlacedSchema,
        instance: &Instance,
    ) -> Result<Option<(Words, u32)>, Error> {
        let texts = texts(instance);
        let Some(index) = self.spaces.borrow().free_for(schema, 8 * texts.len()) else {
            return Ok(None);
        };
        names::check_length("prefix", &instance.prefix)?;
        self.enter_labels(schema, instance)?;
        let spaces = &mut *self.spaces.borrow_mut();
        let free = spaces.free.get_mut(&schema.record).expect("as above");
        let block = free.swap_remove(index);
        spaces.reusing = Some(block);
        let space = spaces.all.get_mut(&block).expect("it is free");
        space.group = Some(instance.clone());
        // From here on no reader can mistake the old contents for the new ones: see `generation`.
        generation::begin_reuse(&self.generation_of(block));
        let values = self.words().part(block as usize / 8, schema.words);
        let used = space.further.iter_mut().filter(|further| further.used);
        let further = used.map(|further| {
            further.used = false;
            further.words
        });
        std::iter::once(values).chain(further).for_each(clear);
        let first = (space.record as usize + FIXED_FOR_EVER) / 8;
        let room = self.words().part(first, block as usize / 8 - 1 - first);
        let texts = texts.into_iter().chain(std::iter::repeat(0));
        for (cell, word) in room.iter().zip(texts) {
            cell.store(word, Ordering::Relaxed);
        }
        Ok(Some((values, block)))
    }

    /// Begins a removed instance anew, at zero, as the series that it was. It keeps what is bound to it, and `idle`
    /// applies as when it was made. An instance that was not removed stays as it is. Returns false if this cannot be
    /// done now, because something is being appended.
    ///
    /// What is bound is not notified. It finds zeros in all of its words all at once, as in the child of a fork.
    pub fn begin_anew(&self, block: u32, idle: Option<Idle>) -> bool {
        if self.appending.replace(true) {
            return false;
        }
        let word = self.generation_of(block);
        if !is_there(word.load(Ordering::Relaxed)) {
            generation::begin_reuse(&word);
            let spaces = self.spaces.borrow();
            if let Some(space) = spaces.all.get(&block) {
                let values = self.words().part(block as usize / 8, space.schema.words);
                let used = space.further.iter().filter(|further| further.used);
                let further = used.map(|further| further.words);
                std::iter::once(values).chain(further).for_each(clear);
                if let Some(idle) = idle {
                    self.ticks.borrow_mut().retain(|(of, _)| *of != block);
                    self.end_when_idle(block, idle, Box::new([values]));
                }
            }
            generation::end_reuse(&word);
        }
        self.appending.set(false);
        true
    }

    /// Ends a group in the files of the other threads.
    pub(in crate::writer::file) fn end_in_others(&self, instance: &Instance, within: bool) -> bool {
        if self.is_anonymous() || self.is_inherited() {
            return false;
        }
        let path = self.path.borrow();
        let Some(directory) = path.parent() else {
            return false;
        };
        let ended = EndedGroup {
            schema: self.record(instance.schema),
            texts: texts(instance),
            within: within.then(|| NestedGroups::of(instance)),
        };
        let directory = directory.as_os_str().as_encoded_bytes();
        files::end_group(self.words().as_ptr() as usize, directory, &ended)
    }

    /// Returns the words of one of the file's own records.
    fn record(&self, at: u32) -> Vec<u64> {
        let words = self.words();
        let first = at as usize / 8;
        let len = words[first].load(Ordering::Relaxed) as u32 as usize / 8;
        let record = words.part(first, len);
        let load = |word: &crate::sync::AtomicU64| word.load(Ordering::Relaxed);
        record.iter().map(load).collect()
    }

    /// Takes leave of a removed group: see [`Storage::removed`](crate::metric::storage::Storage::removed).
    pub(in crate::writer::file) fn take_leave(
        &self,
        block: u32,
        within: bool,
        model: Box<dyn Any>,
    ) -> Result<(), Box<dyn Any>> {
        // A reentrant call from an allocator, while something is appended, would find a table borrowed.
        if self.appending.replace(true) {
            return Err(model);
        }
        let mut spaces = self.spaces.borrow_mut();
        let group = spaces.all.get_mut(&block).and_then(|space| {
            let group = space.group.take()?;
            self.leave_labels(space.schema, &group);
            Some((space.schema.record, group))
        });
        if let Some((schema, group)) = group.filter(|_| within) {
            let within = NestedGroups::of(&group);
            let mut any = false;
            for (&inner, space) in &mut spaces.all {
                let same_schema = space.schema.record == schema;
                let is_within = |inner: &mut Instance| within.has(inner, same_schema);
                if let Some(named) = space.group.take_if(is_within) {
                    let word = self.generation_of(inner);
                    any |= generation::remove(&word, word.load(Ordering::Relaxed));
                    self.leave_labels(space.schema, &named);
                }
            }
            if any {
                // They may be in the tables of other fields, which do not know of it yet.
                ended_groups::count();
            }
        }
        spaces.removed.push((block, model));
        drop(spaces);
        self.appending.set(false);
        if self.is_local.get() {
            fork::park_thread_cells();
        }
        Ok(())
    }

    /// Frees the labels of an instance.
    fn leave_labels(&self, schema: PlacedSchema, instance: &Instance) {
        let (prefix, suffix) = (instance.label_prefix(), instance.label_suffix());
        let labels_of = self.labels_of.borrow();
        let mut labels = self.labels.borrow_mut();
        for label in labels_of.get(&schema.record).map_or(&[][..], |own| own) {
            let label = whole_label(&prefix, label) + &suffix;
            labels.remove(&self.hasher.hash_one(label));
        }
    }

    /// Notes that a space can be reused, if its group was removed. What was bound to it must be gone.
    pub(in crate::writer::file) fn set_free(&self, block: u32) {
        if is_there(self.generation_of(block).load(Ordering::Relaxed)) {
            return;
        }
        if let Ok(mut spaces) = self.spaces.try_borrow_mut() {
            if let Some(space) = spaces.all.get_mut(&block)
                && let Some(group) = space.group.take()
            {
                self.leave_labels(space.schema, &group);
            }
            spaces.set_free(block);
        }
    }

    /// Drops what is bound to removed groups, so that their spaces can be reused.
    ///
    /// # Safety
    /// Nobody may hold a reference to a group of this file.
    pub unsafe fn reclaim(&self) {
        if self.spaces.borrow().removed.is_empty() || self.appending.replace(true) {
            return;
        }
        let removed = std::mem::take(&mut self.spaces.borrow_mut().removed);
        for (block, model) in removed {
            // Its windows are no longer written. (The ticker, which reads the clock for them, has a lock of its
            // own.)
            self.ticks.borrow_mut().retain(|(of, _)| *of != block);
            // (This may reenter `set_free`, for groups within the group.)
            drop(model);
            self.set_free(block);
        }
        self.appending.set(false);
    }
}

/// Sets words to zero.
fn clear(words: Words) {
    // Relaxed: the generation orders them.
    (words.iter()).for_each(|word| word.store(0, Ordering::Relaxed));
}

/// Returns the texts of an instance as its record has them from [`FIXED_FOR_EVER`] on.
fn texts(instance: &Instance) -> Vec<u64> {
    const _: () = assert!(FIXED_FOR_EVER.is_multiple_of(8) && FIXED_FOR_EVER > HEAD);
    let record = instance.encode(0, 0, None).metadata;
    words(&record[FIXED_FOR_EVER..]).collect()
}
