//! The contents of a file: which values its records describe, and where they lie.
//!
//! The bytes are untrusted. Every offset is checked against the record that states it. Each block of values
//! lies within its own record, so blocks cannot overlap. Allocations are charged to a [`Budget`] that depends
//! on the space that the file really takes. Each step advances by at least eight bytes, so the walk ends.

mod budget;
mod extents;
mod generations;

use self::budget::Budget;
pub use self::budget::most;
pub use self::extents::{ExtentPlace, Segment};
pub use self::generations::Generation;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::identity::Identity;
use super::plan::{Plan, PlannedMetric, PlannedSlot, Plans};
use super::source::{Access, ReadError};
use crate::format::LINE;
use crate::format::bytes::{Bytes, Malformed};
use crate::format::description::Description;
use crate::format::labels;
use crate::format::note::Note;
use crate::format::record::{self, HEAD, Head, Type};
use crate::format::retired::Retired;
use crate::sys::memory::hashing::RandomState;

/// At most this many problems of one file are kept.
const PROBLEMS_MOST: usize = 16;

/// At most this many notes of one file are kept.
const NOTES_MOST: usize = 16;

/// Bytes of an instance or octave record before the prefix or the values.
const FIXED: usize = 24;

/// The committed records of a file, decoded, and its values.
#[derive(Debug)]
pub struct Contents {
    /// The instances, in the order of the file.
    pub instances: Vec<ReadInstance>,
    /// The segments to copy, in the order of the file: all but the contexts.
    pub segments: Vec<Segment>,
    /// The contexts, by number. They are copied after all values that may refer to them.
    pub contexts: Vec<ExtentPlace>,
    /// The values as of the last pass.
    pub values: Values,
    /// The problems with its records found so far.
    pub problems: Vec<String>,
    /// What was folded into it, if it is a retired file.
    pub retired: Option<Arc<Retired>>,
    /// Whether there are cells, which may refer to contexts.
    pub refers: bool,
    /// What the file says it does not record.
    pub notes: Vec<Note>,
    /// Descriptions of metrics of its model; they apply to all files of the model.
    pub descriptions: Vec<Arc<Description>>,
    /// Whether there are records that this version does not know.
    pub unknown: bool,
    /// The schema records so far, by offset.
    schemas: Vec<(u32, Arc<Plan>)>,
    /// Offset up to which the records have been decoded.
    walked: u64,
    /// Whether an invalid record ended the walk for good.
    broken: bool,
    /// Instances with new octaves or extents.
    unsorted: Vec<usize>,
    /// The instances that have a generation, and space for their generations.
    removable: Vec<usize>,
    generations: Vec<u64>,
    budget: Budget,
}

/// An instance of a schema.
#[derive(Debug)]
pub struct ReadInstance {
    /// Its schema.
    pub plan: Arc<Plan>,
    /// Identifies it.
    pub identity: Arc<Identity>,
    /// Its block, in words of the file.
    pub block: usize,
    /// Where its values begin.
    pub at: usize,
    /// The number of its first slot among those of the file.
    pub slots: usize,
    /// Octaves of its distributions and extents of its metrics, sorted by metric.
    pub extents: Vec<ExtentPlace>,
    /// Its shape in the merge table of its model, set by the table.
    pub shape: Option<u32>,
    /// The generation, if the group can be removed.
    pub generation: Option<Generation>,
}

impl ReadInstance {
    /// Returns whether the instance was there in the last pass, that is, not removed.
    pub fn is_there(&self) -> bool {
        self.generation
            .is_none_or(|generation| generation.is_there())
    }
}

/// The values of a file, from one pass to the next.
#[derive(Debug, Default)]
pub struct Values {
    /// The plain words, and for each slot the last publication that was read whole.
    pub words: Vec<u64>,
    /// Which slots have ever been read whole.
    pub had: Vec<bool>,
    /// Metrics that could not be read in the last pass: the instance, and the metric in its plan.
    pub busy: Vec<(usize, usize)>,
    /// Contexts of the last pass that differ from those in their places.
    pub again: RecopiedContexts,
}

/// Contexts that were copied together with the entries that refer to them.
#[derive(Debug, Default)]
pub struct RecopiedContexts {
    /// For each context its sequence and its buffer.
    pub words: Vec<u64>,
    /// Where each lies in `words`, by reference.
    pub places: HashMap<u64, Range<usize>, RandomState>,
}

impl Values {
    /// Ends the tries at a slot. Stores the new words; without them the old ones stay, and the metric is
    /// noted as busy.
    pub fn settle(
        &mut self,
        instance: &ReadInstance,
        number: usize,
        slot: usize,
        words: Option<&(impl AsRef<[u64]> + ?Sized)>,
    ) {
        let place = &instance.plan.slots[slot];
        match words {
            Some(words) => {
                let words = words.as_ref();
                let at = instance.at + place.to;
                self.words[at..][..words.len()].copy_from_slice(words);
                self.had[instance.slots + slot] = true;
            }
            None => self.busy.push((number, place.metric)),
        }
    }

    /// Ends the tries at a cell of an extent of instance `number`. Stores publication `p` and its words.
    /// Without them a cell of one buffer is left out, because it was being overwritten and its value is gone;
    /// any other cell stays as it was, and its metric is noted as busy.
    pub fn settle_cell(
        &mut self,
        number: usize,
        extent: &ExtentPlace,
        cell: PlannedSlot,
        had: Option<(u64, &[u64])>,
    ) {
        let to = &mut self.words[extent.at + cell.to..][..1 + cell.words];
        match had {
            Some((p, words)) => {
                to[0] = 2 * p;
                to[1..].copy_from_slice(words);
            }
            None if cell.buffers == 1 => to[0] = 0,
            None => self.busy.push((number, cell.metric)),
        }
    }
}

impl Contents {
    /// Returns the empty contents of a file whose first record begins at `header`.
    pub fn new(header: u64) -> Contents {
        Contents {
            instances: Vec::new(),
            segments: Vec::new(),
            contexts: Vec::new(),
            values: Values::default(),
            problems: Vec::new(),
            retired: None,
            refers: false,
            notes: Vec::new(),
            descriptions: Vec::new(),
            unknown: false,
            schemas: Vec::new(),
            walked: header,
            broken: false,
            unsorted: Vec::new(),
            removable: Vec::new(),
            generations: Vec::new(),
            budget: Budget::default(),
        }
    }

    /// Decodes the new records up to `committed`. An invalid record ends this for good: it is reported in the
    /// problems, and the records before it are used. `allocated` returns how many bytes the file really
    /// takes; it is called only if there are new records.
    pub fn walk(
        &mut self,
        access: &Access<'_>,
        plans: &mut Plans,
        committed: u64,
        allocated: impl FnOnce() -> Result<u64, ReadError>,
    ) -> Result<(), ReadError> {
        if committed < self.walked {
            return Err(ReadError::Bad(format!(
                "{committed} bytes are committed, fewer than the {} that were",
                self.walked
            )));
        }
        if committed == self.walked || self.broken {
            return Ok(());
        }
        let allocated = allocated()?;
        self.budget.most = most(allocated);
        self.budget.sparse = committed > allocated;
        while self.walked < committed && !self.broken {
            match self.record(access, plans, self.walked, committed) {
                Ok(next) => self.walked = next,
                Err(ReadError::Bad(problem)) => {
                    self.broken = true;
                    self.problem(problem);
                }
                Err(ReadError::Gone) => return Err(ReadError::Gone),
            }
        }
        // Sorted once and not at each record, because a file may have any number of them in any order.
        self.unsorted.sort_unstable();
        self.unsorted.dedup();
        for number in self.unsorted.drain(..) {
            self.instances[number]
                .extents
                .sort_by_key(|extent| extent.metric);
        }
        // A writer numbers them in the order of the file, so normally this finds them sorted.
        self.contexts.sort_by_key(|context| context.number);
        Ok(())
    }

    /// Returns the instances that are there, with their numbers.
    pub fn there(&self) -> impl Iterator<Item = (usize, &ReadInstance)> {
        let all = self.instances.iter().enumerate();
        all.filter(|(_, instance)| instance.is_there())
    }

    fn problem(&mut self, problem: String) {
        if self.problems.len() < PROBLEMS_MOST {
            self.problems.push(problem);
        }
    }

    /// Decodes the record at `at` and returns its end.
    fn record(
        &mut self,
        access: &Access<'_>,
        plans: &mut Plans,
        at: u64,
        committed: u64,
    ) -> Result<u64, ReadError> {
        let left = committed - at;
        let head = Head::decode(&access.bytes(at, left.min(HEAD as u64) as usize)?, at, left)?;
        let end = at + head.len as u64;
        match head.kind {
            Some(Type::Schema) => self.schema(access, plans, at, head)?,
            Some(Type::Instance) => self.instance(access, at, head)?,
            Some(Type::Octave) => self.octave(access, at, head)?,
            Some(Type::Extent) => self.extent(access, at, head)?,
            Some(Type::Note) => self.note(access, at, head)?,
            Some(Type::Description) => self.description(access, at, head)?,
            Some(Type::Retired) => self.retired(access, at, head)?,
            None => self.unknown = true,
        }
        Ok(end)
    }

    fn schema(
        &mut self,
        access: &Access<'_>,
        plans: &mut Plans,
        at: u64,
        head: Head,
    ) -> Result<(), ReadError> {
        let Ok(offset) = u32::try_from(at) else {
            // No instance can refer to it.
            return Ok(());
        };
        // A decoded schema takes a few times the bytes of its record.
        self.budget.charge(4 * head.len as u64, at, "the schema")?;
        let record = access.bytes(at, head.len)?;
        let plan = plans.get(&record, at)?;
        for problem in &plan.problems {
            self.problem(problem.clone());
        }
        self.schemas.push((offset, plan));
        Ok(())
    }

    fn instance(&mut self, access: &Access<'_>, at: u64, head: Head) -> Result<(), ReadError> {
        if head.has_generation {
            return self.removable(access, at, head);
        }
        let (instance, metadata) = texts(access, at, head.len)?;
        let (plan, block) = self.placed(at, head, metadata, instance.schema, instance.block)?;
        let identity = Identity::from(instance);
        check_labels(at, &plan, &identity)?;
        self.add(at, plan, block, identity, metadata, None)
    }

    /// Returns the plan of an instance's schema, and the first word of its block.
    fn placed(
        &self,
        at: u64,
        head: Head,
        metadata: usize,
        schema: u32,
        block: u32,
    ) -> Result<(Arc<Plan>, usize), Malformed> {
        let plan = match self
            .schemas
            .binary_search_by_key(&schema, |(offset, _)| *offset)
        {
            Ok(index) => Arc::clone(&self.schemas[index].1),
            Err(_) => {
                return Err(wrong(at, format!("no schema at byte {schema} before it")));
            }
        };
        let size = plan.block.into();
        let block = within_record(at, head, metadata, block, size, "the block")?;
        Ok((plan, block))
    }

    /// Adds an instance whose texts take `texts` bytes of its record.
    fn add(
        &mut self,
        at: u64,
        plan: Arc<Plan>,
        block: usize,
        identity: Identity,
        texts: usize,
        generation: Option<Generation>,
    ) -> Result<(), ReadError> {
        // The texts of a removable instance may change, so their maximum is charged.
        let (beside, pairs) = match generation {
            None => (identity.label("").len() + 1, identity.labels.len()),
            Some(generation) => (generation.label_most(), generation.pairs_most()),
        };
        let labels = (plan.label_bytes + plan.metrics.len() * beside) as u64;
        let decoded = self.budget.decoded(&plan, labels);
        let own = size_of::<ReadInstance>()
            + size_of::<Identity>()
            + texts
            + size_of::<(String, String)>() * pairs;
        self.budget.charge(
            labels + decoded + u64::from(plan.block) + own as u64,
            at,
            "the values and labels of the instance",
        )?;
        let (number, slots) = (self.instances.len(), self.values.had.len());
        let words = self.values.words.len();
        self.values.words.resize(words + plan.words, 0);
        self.values.had.resize(slots + plan.slots.len(), false);
        self.segments.push(Segment {
            from: block,
            words: plan.block as usize / 8,
            instance: number,
            extent: None,
        });
        self.removable.extend(generation.map(|_| number));
        self.instances.push(ReadInstance {
            plan,
            identity: identity.into(),
            block,
            at: words,
            slots,
            extents: Vec::new(),
            shape: None,
            generation,
        });
        Ok(())
    }

    fn note(&mut self, access: &Access<'_>, at: u64, head: Head) -> Result<(), ReadError> {
        if self.notes.len() == NOTES_MOST {
            return Ok(());
        }
        self.budget.charge(4 * head.len as u64, at, "the note")?;
        let record = access.bytes(at, head.len)?;
        let note = Note::decode(Bytes::new(&record[HEAD..], at + HEAD as u64))?;
        self.notes.push(note);
        Ok(())
    }

    fn description(&mut self, access: &Access<'_>, at: u64, head: Head) -> Result<(), ReadError> {
        self.budget
            .charge(4 * head.len as u64 + 64, at, "the description")?;
        let record = access.bytes(at, head.len)?;
        let description = Description::decode(Bytes::new(&record[HEAD..], at + HEAD as u64))?;
        self.descriptions.push(Arc::new(description));
        Ok(())
    }

    fn retired(&mut self, access: &Access<'_>, at: u64, head: Head) -> Result<(), ReadError> {
        // A decoded name takes a few times the bytes of its record.
        self.budget
            .charge(4 * head.len as u64, at, "the names of folded files")?;
        let record = access.bytes(at, head.len)?;
        let retired = Retired::decode(Bytes::new(&record[HEAD..], at + HEAD as u64))?;
        self.retired = Some(Arc::new(retired));
        Ok(())
    }
}

/// Returns the first `len` bytes of a record: its metadata, before the values.
fn metadata(access: &Access<'_>, at: u64, head: Head, len: usize) -> Result<Vec<u8>, ReadError> {
    start(access, at, head.len, len)
}

/// Returns the first `len` bytes of a record that has `room` bytes for its metadata.
fn start(access: &Access<'_>, at: u64, room: usize, len: usize) -> Result<Vec<u8>, ReadError> {
    if len > room {
        return Err(wrong(
            at,
            format!("a record of {room} bytes with {len} of metadata"),
        )
        .into());
    }
    access.bytes(at, len)
}

/// Decodes the instance record at `at`, which has `room` bytes for its metadata. Also returns how many it
/// takes.
fn texts(
    access: &Access<'_>,
    at: u64,
    room: usize,
) -> Result<(record::Instance, usize), ReadError> {
    let fixed = start(access, at, room, FIXED)?;
    let texts: usize = fixed[16..20]
        .chunks(2)
        .map(|n| usize::from(u16::from_le_bytes([n[0], n[1]])))
        .sum();
    let pairs = u32::from_le_bytes([fixed[20], fixed[21], fixed[22], fixed[23]]);
    let pairs = labels::check_count(pairs).map_err(|what| wrong(at, what))?;
    let texts = FIXED + texts;
    let table = start(access, at, room, texts + labels::PAIR * pairs)?;
    let texts = table.len() + labels::texts_len(&table[texts..]);
    let metadata = match pairs {
        0 => table,
        _ => start(access, at, room, texts)?,
    };
    let body = Bytes::new(&metadata[HEAD..], at + HEAD as u64);
    Ok((record::Instance::decode(body)?, metadata.len()))
}

/// Returns an error if a metric of the instance would have an empty label.
fn check_labels(at: u64, plan: &Plan, identity: &Identity) -> Result<(), Malformed> {
    let unnamed = |metric: &PlannedMetric| identity.without_pairs(&metric.schema.label).is_empty();
    if identity.prefix.len() <= 1
        && identity.group.is_empty()
        && identity.labels.is_empty()
        && plan.metrics.iter().any(unnamed)
    {
        let what = "a metric without a label in an instance without one";
        return Err(wrong(at, what.to_owned()));
    }
    Ok(())
}

fn wrong(at: u64, what: String) -> Malformed {
    Malformed { offset: at, what }
}

/// Returns the first word of values that begin at byte `from` of the file. It is an error unless all `len`
/// bytes of them lie within their record, after its metadata.
fn within_record(
    at: u64,
    head: Head,
    metadata: usize,
    from: u32,
    len: u64,
    what: &str,
) -> Result<usize, Malformed> {
    let from = u64::from(from);
    let (low, high) = (at + metadata as u64, at + head.len as u64);
    if from % LINE as u64 != 0 || from < low || from > high || len > high - from {
        return Err(wrong(
            at,
            format!(
                "{what} at bytes {from}+{len}, not on a line of its own record's {low}..{high}"
            ),
        ));
    }
    Ok(from as usize / 8)
}
