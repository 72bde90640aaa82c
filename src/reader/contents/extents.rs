//! Octaves, extents and contexts: values of a metric in a record of their own.

use super::super::plan::{Plan, PlannedSlot, Run};
use super::super::source::{Access, ReadError};
use super::{Contents, FIXED, metadata, within_record, wrong};
use crate::format::bytes::Bytes;
use crate::format::extent::{self, Extent, Shape};
use crate::format::record::{self, HEAD, Head};

/// Values of a metric in a record of their own: the counts of an octave, an extent, a context.
#[derive(Clone, Copy, Debug)]
pub struct ExtentPlace {
    /// Number of the metric in the plan; 0 for a context.
    pub metric: usize,
    /// Number of the octave, the extent or the context.
    pub number: u32,
    /// Where it lies, in words of the file.
    pub from: usize,
    /// Where its values are among those of the file.
    pub at: usize,
    /// What they look like. An octave has plain words only.
    pub shape: Shape,
}

/// Words of the file that are read together: a block, or an extent.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// First word in the file.
    pub from: usize,
    /// How many.
    pub words: usize,
    /// Number of the instance; 0 for a context.
    pub instance: usize,
    /// The extent; `None` for a block.
    pub extent: Option<ExtentPlace>,
}

impl ExtentPlace {
    /// Returns the words to read for it.
    pub fn segment(self, instance: usize) -> Segment {
        Segment {
            from: self.from,
            words: self.shape.total_words(),
            instance,
            extent: Some(self),
        }
    }

    /// Returns its cells, as slots of a block that begins with the extent.
    pub fn cells(self) -> impl Iterator<Item = PlannedSlot> {
        let Shape {
            cells,
            buffers,
            words,
            ..
        } = self.shape;
        (0..cells as usize).map(move |number| PlannedSlot {
            from: number * self.shape.cell(),
            to: number * (1 + usize::from(words)),
            words: words.into(),
            buffers: buffers.into(),
            metric: self.metric,
        })
    }

    /// Returns its plain words: where they lie from the start of the extent, and among the values of the
    /// file.
    pub fn plain(self) -> Run {
        let plain = self.shape.plain as usize;
        Run {
            from: self.shape.total_words() - plain,
            to: self.at + self.shape.value_words() - plain,
            words: plain,
        }
    }

    /// Returns its values among those of the file.
    pub fn values(self, values: &[u64]) -> &[u64] {
        &values[self.at..][..self.shape.value_words()]
    }
}

impl Contents {
    pub(super) fn octave(
        &mut self,
        access: &Access<'_>,
        at: u64,
        head: Head,
    ) -> Result<(), ReadError> {
        let metadata = metadata(access, at, head, FIXED)?;
        let octave = record::Octave::decode(Bytes::new(&metadata[HEAD..], at + HEAD as u64))?;
        let counts = within_record(
            at,
            head,
            metadata.len(),
            octave.counts,
            8 * u64::from(octave.len),
            "the counts",
        )?;
        let found = self.owner(octave.owner, |plan, offset| plan.distribution_at(offset));
        let Some((number, (metric, wanted))) = found else {
            // The metric was left out, or is of a kind from a later version. (Or the owner is nonsense, which
            // does no harm.)
            return Ok(());
        };
        if octave.len as usize != wanted.counts || octave.octave as usize >= wanted.most {
            let wanted = wanted.counts;
            let what = format!(
                "octave {} with {} counts, not {wanted}",
                octave.octave, octave.len
            );
            return Err(wrong(at, what).into());
        }
        self.budget.charge(
            8 * u64::from(octave.len) + 128,
            at,
            "the counts of the octave",
        )?;
        let place = ExtentPlace {
            metric,
            number: octave.octave,
            from: counts,
            at: self.values.words.len(),
            shape: Shape {
                plain: octave.len,
                ..Shape::default()
            },
        };
        self.enter(number, place);
        Ok(())
    }

    pub(super) fn extent(
        &mut self,
        access: &Access<'_>,
        at: u64,
        head: Head,
    ) -> Result<(), ReadError> {
        let metadata = metadata(access, at, head, extent::FIXED)?;
        let extent = Extent::decode(Bytes::new(&metadata[HEAD..], at + HEAD as u64))?;
        let shape = extent.shape;
        let from = within_record(
            at,
            head,
            metadata.len(),
            extent.values,
            8 * shape.total_words() as u64,
            "the values of the extent",
        )?;
        let found = match extent.owner {
            0 => shape.is_context().then_some(None),
            owner => self
                .owner(owner, |plan, offset| plan.owner_at(offset, shape))
                .map(Some),
        };
        let Some(owner) = found else {
            // As for an octave; or a later version gave the metric another shape.
            return Ok(());
        };
        // Its words, and what they take once they are decoded.
        self.budget.charge(
            4 * 8 * shape.value_words() as u64 + 128,
            at,
            "the values of the extent",
        )?;
        let (instance, metric) = owner.unwrap_or_default();
        let place = ExtentPlace {
            metric,
            number: extent.number,
            from,
            at: self.values.words.len(),
            shape,
        };
        match owner {
            Some(_) => {
                self.refers = true;
                self.enter(instance, place);
            }
            None => {
                self.contexts.push(place);
                let words = place.at + shape.value_words();
                self.values.words.resize(words, 0);
            }
        }
        Ok(())
    }

    /// Returns the instance in whose block byte `owner` of the file lies, and what `at_offset` finds at that
    /// place of its plan.
    fn owner<T>(
        &self,
        owner: u32,
        at_offset: impl FnOnce(&Plan, u32) -> Option<T>,
    ) -> Option<(usize, T)> {
        let owner = owner as usize;
        // Each block lies within its own record, so the blocks of the instances ascend.
        let number = self
            .instances
            .partition_point(|instance| 8 * instance.block <= owner)
            .checked_sub(1)?;
        let instance = &self.instances[number];
        let offset = u32::try_from(owner - 8 * instance.block).ok()?;
        Some((number, at_offset(&instance.plan, offset)?))
    }

    /// Adds an octave or an extent, with space for its values.
    fn enter(&mut self, instance: usize, place: ExtentPlace) {
        let words = place.at + place.shape.value_words();
        self.values.words.resize(words, 0);
        self.segments.push(place.segment(instance));
        self.instances[instance].extents.push(place);
        self.unsorted.push(instance);
    }
}
