//! The spaces of groups that can be removed: which exist, and which of them can be reused.
//!
//! A space is the record of an instance and everything that was appended for the metrics in its block: octaves and
//! extents. When the group is removed, its generation becomes odd and readers no longer read the space, but handles
//! may still be held and write there. So the space waits, with what is bound to it, until no handle can be held
//! ([`StatsFile::reclaim`](super::StatsFile::reclaim)). Then a group of the same schema whose texts fit takes it.
//!
//! What the file does with them is in `reuse`.

mod reuse;

use std::any::Any;
use std::collections::{BTreeMap, HashMap};

use crate::format::extent::Shape;
use crate::format::record::{FIXED_FOR_EVER, Instance};
use crate::metric::storage::PlacedSchema;
use crate::sys::memory::words::Words;

/// The spaces of a file.
#[derive(Debug, Default)]
pub(super) struct Spaces {
    /// All spaces, by the offset of their block.
    all: BTreeMap<u32, GroupSpace>,
    /// The spaces of removed groups to which somebody may still write, with what is bound to them.
    removed: Vec<(u32, Box<dyn Any>)>,
    /// The spaces that can be reused, by the schema's record.
    free: HashMap<u32, Vec<u32>>,
    /// The space that is being reused by the append that is in progress.
    reusing: Option<u32>,
}

/// The space of one group.
#[derive(Debug)]
struct GroupSpace {
    record: u32,
    schema: PlacedSchema,
    /// The group that has it; `None` when the group's labels are free again.
    group: Option<Instance>,
    further: Vec<BlockExtent>,
}

/// An octave or an extent of a metric in the block.
#[derive(Debug)]
struct BlockExtent {
    what: ExtentKey,
    words: Words,
    /// Whether the group that has the space uses it. Otherwise it is zeros.
    used: bool,
}

/// Identifies an octave or an extent: its metric, its number and its shape (an octave has no cells).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ExtentKey {
    pub(super) owner: u32,
    pub(super) number: u32,
    pub(super) shape: Shape,
}

impl Spaces {
    /// Returns the space in whose block a byte of the file lies.
    fn at(&mut self, owner: u32) -> Option<&mut GroupSpace> {
        let (block, space) = self.all.range_mut(..=owner).next_back()?;
        (((owner - block) as usize) < 8 * space.schema.words).then_some(space)
    }

    /// Takes an existing octave or extent that the group does not use yet. It is zeros.
    pub(super) fn take_further(&mut self, what: ExtentKey) -> Option<Words> {
        let further = &mut self.at(what.owner)?.further;
        let found = further
            .iter_mut()
            .find(|further| !further.used && further.what == what)?;
        found.used = true;
        Some(found.words)
    }

    /// Notes an octave or an extent that was appended.
    pub(super) fn add_further(&mut self, what: ExtentKey, words: Words) {
        if let Some(space) = self.at(what.owner) {
            let used = true;
            space.further.push(BlockExtent { what, words, used });
        }
    }

    /// Notes a space that was appended.
    pub(super) fn add(&mut self, block: u32, record: u32, schema: PlacedSchema, group: &Instance) {
        let space = GroupSpace {
            record,
            schema,
            group: Some(group.clone()),
            further: Vec::new(),
        };
        self.all.insert(block, space);
    }

    /// Returns the index of a free space of a schema that has room for this many bytes of texts.
    fn free_for(&self, schema: PlacedSchema, texts: usize) -> Option<usize> {
        let room = |block: &u32| *block - 8 - self.all[block].record - FIXED_FOR_EVER as u32;
        let free = self.free.get(&schema.record)?;
        free.iter().rposition(|block| texts <= room(block) as usize)
    }

    /// Returns whether a space is being reused.
    pub(super) fn is_reusing(&self) -> bool {
        self.reusing.is_some()
    }

    /// Ends the reuse of a space, and returns the space if there was one.
    pub(super) fn end_reusing(&mut self) -> Option<u32> {
        self.reusing.take()
    }

    /// Takes back what was appended from `tail` on, and frees the space that was being reused.
    pub(super) fn roll_back(&mut self, tail: usize) {
        drop(self.all.split_off(&(tail as u32)));
        if let Some(block) = self.reusing.take() {
            self.set_free(block);
        }
    }

    fn set_free(&mut self, block: u32) {
        if let Some(space) = self.all.get(&block) {
            self.free
                .entry(space.schema.record)
                .or_default()
                .push(block);
        }
    }
}
