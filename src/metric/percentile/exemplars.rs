//! Exemplars: for each octave of a distribution the last value that was recorded with a context, usually a
//! trace id.
//!
//! An exemplar is an extent of the file (`format::extent`) with one cell of two buffers. It is made when its
//! octave gets the first exemplar: `| sequence | time | value | context | time | value | context |`. The number
//! of the extent is that of the octave with the highest bit set ([`EXEMPLAR`]), so no octave has the same
//! number. Where no value comes with a context there are no such extents, and recording does nothing for
//! exemplars.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::format::extent::{Extent, Shape};
use crate::format::slot;
use crate::metric::context::{Context, CopiedContexts, Reference, ResolvedContext};
use crate::metric::extents::Extents;
use crate::metric::storage::Storage;
use crate::sys::memory::words::{Slot, Width};
use crate::sys::process::clock;

/// The bit that is set in the number of an exemplar's extent, and in that of no octave.
const EXEMPLAR: u32 = 1 << 31;
/// The most exemplars of one metric in one file. Only floats have more octaves.
const MOST: usize = 64;
const BUFFERS: usize = 2;

#[derive(Clone, Copy, Debug)]
struct ExemplarWidth;

impl Width for ExemplarWidth {
    const WORDS: usize = 3;
}

const SHAPE: Shape = Shape {
    cells: 1,
    buffers: BUFFERS as u16,
    words: ExemplarWidth::WORDS as u16,
    plain: 0,
};

pub(in crate::metric) static EXTENTS: Extents = Extents {
    is_extent: |shape| shape == SHAPE,
    changing: 0,
    fold: None,
};

/// The writer's side.
#[derive(Default)]
pub(in crate::metric) struct Exemplars(RefCell<Option<Box<ExemplarTable>>>);

struct ExemplarTable {
    storage: Rc<dyn Storage>,
    owner: u32,
    kept: Vec<KeptExemplar>,
    /// How many times the file had no space for another one.
    refused: u64,
}

struct KeptExemplar {
    octave: u32,
    slot: Slot<ExemplarWidth>,
    context: Reference,
}

impl Exemplars {
    /// Keeps a value as the last one of its octave. Does nothing without a file: private memory has no space
    /// for it.
    #[cold]
    pub fn keep(
        &self,
        (storage, owner): (Option<&Rc<dyn Storage>>, u32),
        octave: u32,
        value: u64,
        context: &[u8],
    ) {
        // Fails in a reentrant call, for example of an allocator.
        let (Some(storage), Ok(mut table)) = (storage, self.0.try_borrow_mut()) else {
            return;
        };
        let table = table.get_or_insert_with(|| {
            Box::new(ExemplarTable {
                storage: Rc::clone(storage),
                owner,
                kept: Vec::new(),
                refused: 0,
            })
        });
        let Some(place) = table.place(octave) else {
            return;
        };
        let contexts = storage.contexts();
        let context = contexts.keep(|extent| storage.extent(extent, &[]), context);
        let kept = &mut table.kept[place];
        let words = [clock::coarse_unix_nanos(), value, context.0];
        slot::publish(kept.slot.sequence(), |p| kept.slot.buffer(p), words);
        contexts.release(std::mem::replace(&mut kept.context, context));
    }
}

impl ExemplarTable {
    /// Returns the index of the octave's exemplar, which is made if it is new and there is space.
    fn place(&mut self, octave: u32) -> Option<usize> {
        let known = self.kept.iter().position(|kept| kept.octave == octave);
        if known.is_some() {
            return known;
        }
        // A full file is asked again whenever the number of refusals is a power of two.
        let is_asked = self.refused == 0 || self.refused.is_power_of_two();
        let extent = Extent {
            owner: self.owner,
            number: EXEMPLAR | octave,
            values: 0,
            shape: SHAPE,
        };
        let words = (self.kept.len() < MOST && is_asked)
            .then(|| self.storage.extent(extent, &[]))
            .flatten();
        let Some(words) = words else {
            self.refused += 1;
            return None;
        };
        self.kept.push(KeptExemplar {
            octave,
            slot: Slot::new(words, BUFFERS),
            context: Reference::NONE,
        });
        Some(self.kept.len() - 1)
    }
}

impl Drop for ExemplarTable {
    /// Releases the contexts of a removed group. (Its extents go to the next group in its place.)
    fn drop(&mut self) {
        for kept in &self.kept {
            self.storage.contexts().release(kept.context);
        }
    }
}

/// A value that was recorded with a context, the last one of its magnitude: see
/// [`Timer::record_with`](crate::Timer::record_with).
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar<T> {
    value: T,
    time: u64,
    context: ResolvedContext,
}

impl<T: Copy> Exemplar<T> {
    /// Returns the value; that of a timer is in nanoseconds.
    ///
    /// ```
    /// # let snapshot = mmstats::reader::Reader::open("tests/golden/exemplars.mmstats")?.snapshot()?;
    /// # let times = snapshot.get("traced", "time").and_then(|value| value.as_distribution()).unwrap();
    /// let exemplar = times.exemplars().last().unwrap();
    /// assert_eq!(exemplar.value(), 900_000_000); // nanoseconds
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn value(&self) -> T {
        self.value
    }

    /// Returns when it was recorded, in nanoseconds since 1970-01-01 UTC.
    ///
    /// ```
    /// # let snapshot = mmstats::reader::Reader::open("tests/golden/exemplars.mmstats")?.snapshot()?;
    /// # let times = snapshot.get("traced", "time").and_then(|value| value.as_distribution()).unwrap();
    /// let exemplar = times.exemplars().last().unwrap();
    /// assert!(exemplar.time_ns() > 0);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn time_ns(&self) -> u64 {
        self.time
    }

    /// Returns when it was recorded, in seconds since 1970-01-01 UTC.
    ///
    /// ```
    /// # let snapshot = mmstats::reader::Reader::open("tests/golden/exemplars.mmstats")?.snapshot()?;
    /// # let times = snapshot.get("traced", "time").and_then(|value| value.as_distribution()).unwrap();
    /// let exemplar = times.exemplars().last().unwrap();
    /// assert_eq!(exemplar.time_ns() / 1_000_000_000, exemplar.timestamp() as u64);
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn timestamp(&self) -> f64 {
        self.time as f64 / 1e9
    }

    /// Returns its context; `None` if it is lost: there was no space for it, or it has been replaced.
    ///
    /// ```
    /// # let snapshot = mmstats::reader::Reader::open("tests/golden/exemplars.mmstats")?.snapshot()?;
    /// # let times = snapshot.get("traced", "time").and_then(|value| value.as_distribution()).unwrap();
    /// let exemplar = times.exemplars().last().unwrap();
    /// assert_eq!(exemplar.context().unwrap().text(), "slow");
    /// # Ok::<(), mmstats::Error>(())
    /// ```
    pub fn context(&self) -> Option<&Context> {
        self.context.context().map(|context| &**context)
    }
}

/// The exemplars of a distribution, by the magnitude of their values.
pub(super) type ByMagnitude<T> = BTreeMap<u32, Exemplar<T>>;

/// Decodes the exemplars among the extents of a metric. `value` returns the magnitude and the value of its
/// bits.
pub(super) fn decode<T: Copy>(
    extents: &[(u32, &[u64])],
    contexts: &CopiedContexts<'_>,
    value: impl Fn(u64) -> Option<(u32, T)>,
) -> ByMagnitude<T> {
    let mut found = ByMagnitude::new();
    for (_, words) in extents.iter().filter(|(number, _)| number & EXEMPLAR != 0) {
        // 0: the exemplar has its space, but has not been published yet.
        let Some(&[sequence, time, bits, context]) = words.first_chunk() else {
            continue;
        };
        let Some((magnitude, value)) = (sequence != 0).then(|| value(bits)).flatten() else {
            continue;
        };
        let context = contexts.find(Reference(context));
        let exemplar = Exemplar {
            value,
            time,
            context,
        };
        merge(&mut found, [(magnitude, exemplar)]);
    }
    found
}

/// Merges exemplars. Of each magnitude the later one stays.
pub(super) fn merge<T>(
    into: &mut ByMagnitude<T>,
    others: impl IntoIterator<Item = (u32, Exemplar<T>)>,
) {
    for (magnitude, other) in others {
        match into.get(&magnitude) {
            Some(known) if known.time >= other.time => {}
            _ => drop(into.insert(magnitude, other)),
        }
    }
}
