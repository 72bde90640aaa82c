//! The two ways of copying the values out of a file, and why there are two.
//!
//! **Mapped**: atomic loads of words, the slot protocol as [`slot`] proves it. Used for files of this user in
//! directories that nobody else can write to, because only these cannot be truncated under the mapping.
//!
//! **Read** (pread): used for all other files, because a truncated file is then a short read. But a kernel
//! copy is not an atomic load, and the loads within one copy are unordered. One pread of a slot, with its
//! sequence read again afterwards, returned 3,400 wrong values per million. So there are three phases with a
//! fence between them: sequences, data, sequences. Step 1 of the proof (`slot`) then holds between the first
//! phase and the second, step 2 between the second and the third. If two phases are merged into one, a test
//! in `copy/tests.rs` fails. Buffers, offsets and lengths are multiples of 8: in measurements words were
//! never torn that way, and were torn otherwise.

mod recopy;
#[cfg(test)]
mod tests;

use super::contents::{Contents, ExtentPlace, ReadInstance, RecopiedContexts, Segment, Values};
use super::plan::PlannedSlot;
use super::source::{Access, GAP, ReadAt, ReadError, SPAN, load};
use crate::format::slot::{self, Orders};
use crate::sync::{AtomicU64, Ordering, fence};

/// Buffers for copying, reused for every file, and the count of failed tries.
#[derive(Debug, Default)]
pub struct Scratch {
    data: Vec<u64>,
    sequences: Vec<u64>,
    firsts: Vec<u64>,
    pause: Pause,
    /// Tries that failed since the count was last taken.
    pub rejected: u64,
}

/// How often a slot is tried. The longest run of failures ever measured, at full write speed through a
/// mapping, is 180.
const TRIES: u32 = 4_000;
/// At most this many words are copied in vain in one file and pass: 128 MiB, some 50 ms. So a hostile writer
/// of a million slots, or of slots of half a megabyte, cannot hold a reader up for an hour.
const WORDS_PER_FILE: usize = 64 * TRIES as usize * TRY;
/// What a try costs beside its words, for the pause and the sequences, in units of the time that a word
/// takes.
const TRY: usize = 64;

/// What may still be spent on further tries in one file and pass, in words.
#[derive(Debug)]
struct RetryBudget(usize);

impl RetryBudget {
    fn new() -> RetryBudget {
        RetryBudget(WORDS_PER_FILE)
    }

    /// Deducts the cost of one more try at a slot. Returns false if less than that is left.
    fn spend(&mut self, slot: PlannedSlot) -> bool {
        let left = self.0.checked_sub(TRY + slot.words);
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }
}

/// Pauses of pseudo-random length. With a fixed pause a reader can fall into step with a writer that writes
/// at a fixed rate, and then every try fails.
#[derive(Debug)]
struct Pause(u32);

impl Default for Pause {
    fn default() -> Pause {
        Pause(0x9e37_79b9)
    }
}

impl Pause {
    fn wait(&mut self) {
        // xorshift32 (Marsaglia): never zero.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        for _ in 0..self.0 % 32 {
            std::hint::spin_loop();
        }
    }
}

/// How often a slot of one buffer is tried. If it cannot be read, it is being overwritten, or its writer died
/// while writing it. Either way its value is gone.
const TRIES_ONE_BUFFER: u32 = 64;

fn tries(slot: PlannedSlot) -> u32 {
    if slot.buffers == 1 {
        TRIES_ONE_BUFFER
    } else {
        TRIES
    }
}

/// Tries to read a slot of a mapping, as often as allowed. Returns the number of the publication that it
/// read.
fn try_slot(
    block: &[AtomicU64],
    slot: PlannedSlot,
    out: &mut Vec<u64>,
    left: &mut RetryBudget,
    scratch: &mut Scratch,
) -> Option<u64> {
    out.resize(slot.words, 0);
    let buffer = |p| &block[slot.buffer(p)..][..slot.words];
    let sequence = &block[slot.from];
    let mut had = slot::try_read_ordered(Orders::PROVED, sequence, slot.buffers, buffer, out);
    let mut tried = 1;
    while had.is_none() && tried < tries(slot) && left.spend(slot) {
        tried += 1;
        scratch.rejected += 1;
        scratch.pause.wait();
        had = slot::try_read_ordered(Orders::PROVED, sequence, slot.buffers, buffer, out);
    }
    had
}

/// Copies the values of all instances.
pub fn copy(
    access: &Access<'_>,
    contents: &mut Contents,
    scratch: &mut Scratch,
) -> Result<(), ReadError> {
    contents.values.busy.clear();
    contents.values.again = RecopiedContexts::default();
    match access {
        Access::Mapped(view) => {
            copy_mapped(view.words(), contents, scratch);
            if view.is_cut() {
                Err(ReadError::cut())
            } else {
                Ok(())
            }
        }
        Access::Read(file) => copy_read(*file, contents, scratch),
        Access::ReadOnce(file) => copy_read(file, contents, scratch),
    }
}

fn copy_mapped(words: &[AtomicU64], contents: &mut Contents, scratch: &mut Scratch) {
    let Contents {
        instances,
        contexts,
        values,
        ..
    } = contents;
    let mut left = RetryBudget::new();
    // The words of a failed try mean nothing, so the last good ones are kept until a try succeeds.
    let mut tried = std::mem::take(&mut scratch.sequences);
    for (number, instance) in instances.iter().enumerate() {
        if !instance.is_there() {
            continue;
        }
        let plan = &*instance.plan;
        let block = &words[instance.block..][..plan.block as usize / 8];
        let to = &mut values.words[instance.at..][..plan.words];
        for run in &plan.runs {
            load(&block[run.from..][..run.words], &mut to[run.to..]);
        }
        for extent in &instance.extents {
            copy_extent(
                words, number, extent, values, &mut tried, &mut left, scratch,
            );
        }
        for (index, &slot) in plan.slots.iter().enumerate() {
            let had = try_slot(block, slot, &mut tried, &mut left, scratch);
            values.settle(instance, number, index, had.map(|_| &tried));
        }
    }
    // Last, by step 1 of the proof in `metric::context`. The fence that it requires is that of the slots.
    for context in contexts.iter() {
        copy_extent(words, 0, context, values, &mut tried, &mut left, scratch);
    }
    scratch.sequences = tried;
    let try_cell = |from: usize, cell: PlannedSlot, out: &mut Vec<u64>| {
        let block = &words[from..];
        Ok(slot::try_read_ordered(
            Orders::PROVED,
            &block[cell.from],
            cell.buffers,
            |p| &block[cell.buffer(p)..][..cell.words],
            {
                out.resize(cell.words, 0);
                out
            },
        ))
    };
    // It fails only where a file is read with pread.
    let _: Result<(), ReadError> = recopy::recopy(contents, &mut left, try_cell);
}

/// Copies the cells and the plain words of an extent of instance `number`.
fn copy_extent(
    words: &[AtomicU64],
    number: usize,
    extent: &ExtentPlace,
    values: &mut Values,
    tried: &mut Vec<u64>,
    left: &mut RetryBudget,
    scratch: &mut Scratch,
) {
    let block = &words[extent.from..][..extent.shape.total_words()];
    for cell in extent.cells() {
        let known = values.words[extent.at + cell.to];
        // A publication that has been read never changes.
        if known == 0 || block[cell.from].load(Ordering::Relaxed) != known {
            let had = try_slot(block, cell, tried, left, scratch);
            values.settle_cell(number, extent, cell, had.map(|p| (p, &**tried)));
        }
    }
    let plain = extent.plain();
    load(
        &block[plain.from..],
        &mut values.words[plain.to..][..plain.words],
    );
}

fn copy_read(
    file: &impl ReadAt,
    contents: &mut Contents,
    scratch: &mut Scratch,
) -> Result<(), ReadError> {
    let Contents {
        instances,
        segments,
        contexts,
        values,
        ..
    } = contents;
    let mut left = RetryBudget::new();
    read_segments(file, instances, segments, values, scratch, &mut left)?;
    // Contexts last, by step 1 of the proof in `metric::context`. The fence that it requires is that of the
    // slots.
    let mut segments: Vec<Segment> = contexts.iter().map(|context| context.segment(0)).collect();
    segments.sort_unstable_by_key(|segment| segment.from);
    read_segments(file, instances, &segments, values, scratch, &mut left)?;
    recopy::recopy(contents, &mut left, |from, cell, out| {
        out.resize(cell.words, 0);
        read_slot(file, from, cell, out)
    })
}

/// Reads segments, which must be in the order of the file.
fn read_segments(
    file: &impl ReadAt,
    instances: &[ReadInstance],
    segments: &[Segment],
    values: &mut Values,
    scratch: &mut Scratch,
    left: &mut RetryBudget,
) -> Result<(), ReadError> {
    let mut rest = segments;
    while let Some(first) = rest.first() {
        let mut end = first.from + first.words;
        let mut count = 1;
        while let Some(next) = rest.get(count)
            && 8 * (next.from - end) <= GAP
            && 8 * (next.from + next.words - first.from) <= SPAN
        {
            end = next.from + next.words;
            count += 1;
        }
        let (span, others) = rest.split_at(count);
        read_span(file, instances, span, end, values, scratch, left)?;
        rest = others;
    }
    Ok(())
}

/// Reads segments that lie close together, up to word `end`.
fn read_span(
    file: &impl ReadAt,
    instances: &[ReadInstance],
    span: &[Segment],
    end: usize,
    values: &mut Values,
    scratch: &mut Scratch,
    left: &mut RetryBudget,
) -> Result<(), ReadError> {
    let start = span[0].from;
    let Scratch {
        data,
        sequences,
        firsts,
        pause,
        rejected,
    } = scratch;
    data.resize(end - start, 0);
    let slots = || span.iter().flat_map(|segment| slots_of(segment, instances));
    // The sequences lie among the data: everything from the first to the last of them is read, and they are
    // picked out. (Octaves, which make up most of a file, have none.)
    let places = || slots().map(|(segment, _, slot)| segment.from + slot.from);
    let looked_at = places().min().zip(places().max());
    let low = looked_at.map_or(start, |(low, _)| low);
    if let Some((low, high)) = looked_at {
        // Phase 1: the sequences.
        sequences.resize(high + 1 - low, 0);
        file.read(low, sequences)?;
        firsts.clear();
        firsts.extend(places().map(|at| sequences[at - low]));
        // Acquire: step 1 of the proof. The words are read after the first look at the sequences.
        fence(Ordering::Acquire);
    }
    // Phase 2: the data.
    file.read(start, data)?;
    if looked_at.is_some() {
        // Acquire: step 2 of the proof. The second look at the sequences comes after the words.
        fence(Ordering::Acquire);
        // Phase 3: the sequences.
        file.read(low, sequences)?;
    }
    for segment in span {
        let data = &data[segment.from - start..][..segment.words];
        match segment.extent {
            Some(extent) => {
                let plain = extent.plain();
                values.words[plain.to..][..plain.words].copy_from_slice(&data[plain.from..]);
            }
            None => {
                let instance = &instances[segment.instance];
                for run in &instance.plan.runs {
                    values.words[instance.at + run.to..][..run.words]
                        .copy_from_slice(&data[run.from..][..run.words]);
                }
            }
        }
    }
    for ((segment, index, slot), &first) in slots().zip(firsts.iter()) {
        let at = segment.from - start;
        let second = sequences[segment.from + slot.from - low];
        let mut had = slot::whole(first, second, slot.buffers).then_some(slot::published(first));
        let buffer = at + slot.buffer(slot::published(first));
        let words = &mut data[buffer..][..slot.words];
        let mut tried = 1;
        while had.is_none() && tried < tries(slot) && left.spend(slot) {
            tried += 1;
            *rejected += 1;
            pause.wait();
            had = read_slot(file, segment.from, slot, words)?;
        }
        let number = segment.instance;
        match &segment.extent {
            Some(extent) => values.settle_cell(number, extent, slot, had.map(|p| (p, &*words))),
            None => values.settle(&instances[number], number, index, had.map(|_| &*words)),
        }
    }
    Ok(())
}

/// Returns the slots of a block, or the cells of an extent, with their numbers.
fn slots_of<'a>(
    segment: &'a Segment,
    instances: &'a [ReadInstance],
) -> impl Iterator<Item = (&'a Segment, usize, PlannedSlot)> {
    let block = match segment.extent {
        None => &*instances[segment.instance].plan.slots,
        Some(_) => &[],
    };
    let cells = segment.extent.into_iter().flat_map(ExtentPlace::cells);
    (block.iter().copied().chain(cells).enumerate())
        .map(move |(index, slot)| (segment, index, slot))
}

/// Tries once to read one slot of a block that begins at word `block`, in the three phases. Returns the
/// number of the publication that was read.
fn read_slot(
    file: &impl ReadAt,
    block: usize,
    slot: PlannedSlot,
    words: &mut [u64],
) -> Result<Option<u64>, ReadError> {
    let mut first = [0];
    file.read(block + slot.from, &mut first)?;
    fence(Ordering::Acquire);
    let p = slot::published(first[0]);
    file.read(block + slot.buffer(p), words)?;
    fence(Ordering::Acquire);
    let mut second = [0];
    file.read(block + slot.from, &mut second)?;
    Ok(slot::whole(first[0], second[0], slot.buffers).then_some(p))
}
