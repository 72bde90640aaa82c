//! Tests why there are three phases, with a memory that changes in the middle of every copy.

use std::cell::RefCell;

use super::*;
use crate::format::extent::Shape;
use crate::format::schema::{Geometry, MetricSchema};
use crate::metric::context::{CopiedContexts, Reference};
use crate::reader::plan::Plans;
use crate::reader::testing::{compound, history, schema, text};

const WORDS: usize = 4;

/// A memory that is read word by word in any order, while a writer changes it. That covers everything a
/// kernel copy might do.
struct Memory {
    /// A slot of two buffers at word 8, and the stores that the writer makes next.
    words: RefCell<Vec<u64>>,
    stores: RefCell<Vec<(usize, u64)>>,
    random: RefCell<Pause>,
    /// Before one in this many reads of a word, the writer makes up to three publications.
    every: u32,
}

const SLOT: usize = 8;

impl Memory {
    fn new(every: u32) -> Memory {
        Memory {
            words: RefCell::new(vec![0; SLOT + 1 + 2 * WORDS]),
            stores: RefCell::default(),
            random: RefCell::default(),
            every,
        }
    }

    fn random(&self, below: u32) -> u32 {
        let mut random = self.random.borrow_mut();
        random.wait();
        (random.0 >> 8) % below
    }

    /// Makes one store of the writer. All words of publication `p` are `p`.
    fn store(&self) {
        let (mut words, mut stores) = (self.words.borrow_mut(), self.stores.borrow_mut());
        if stores.is_empty() {
            let sequence = words[SLOT];
            let p = sequence / 2 + 1;
            stores.push((SLOT, sequence + 2));
            let buffer = SLOT + 1 + (p as usize % 2) * WORDS;
            stores.extend((buffer..buffer + WORDS).map(|at| (at, p)));
            stores.push((SLOT, sequence + 1));
        }
        let (at, word) = stores.pop().expect("filled above");
        words[at] = word;
    }
}

impl ReadAt for Memory {
    fn read(&self, at: usize, words: &mut [u64]) -> Result<(), ReadError> {
        let len = words.len() as u32;
        let mut order: Vec<u32> = (0..len).collect();
        for i in (1..len).rev() {
            order.swap(i as usize, self.random(i + 1) as usize);
        }
        for i in order {
            if self.random(self.every) == 0 {
                (0..self.random(20)).for_each(|_| self.store());
            }
            words[i as usize] = self.words.borrow()[at + i as usize];
        }
        Ok(())
    }
}

fn instance() -> ReadInstance {
    let record = schema([compound("c", WORDS)]).encode();
    ReadInstance {
        plan: Plans::default().get(&record, 0).unwrap(),
        identity: Default::default(),
        block: SLOT,
        at: 0,
        slots: 0,
        extents: Vec::new(),
        shape: None,
        generation: None,
    }
}

#[test]
fn three_phases_never_accept_a_torn_value_whatever_the_order_of_a_copy() {
    for every in [5, 20, 50] {
        let memory = Memory::new(every);
        let mut contents = Contents::new(0);
        contents.instances.push(instance());
        contents.segments.push(Segment {
            from: SLOT,
            words: 1 + 2 * WORDS,
            instance: 0,
            extent: None,
        });
        contents.values.words = vec![0; WORDS];
        contents.values.had = vec![false];
        let mut scratch = Scratch::default();
        let mut last = 0;
        for _ in 0..500 {
            copy_read(&memory, &mut contents, &mut scratch).unwrap();
            let words = &contents.values.words;
            assert_eq!(*words, [words[0]; WORDS]);
            assert!(words[0] >= last);
            last = words[0];
        }
        assert!(last > 0 && scratch.rejected > 0);
    }
}

#[test]
fn two_phases_would_accept_torn_values() {
    // The error that the test above guards against: the first load of the sequence is part of the copy of the
    // data. Step 1 of the proof is then missing, and the same memory shows it.
    let slot = instance().plan.slots[0];
    let memory = Memory::new(50);
    let torn = (0..5000)
        .filter(|_| {
            let mut data = [0; 1 + 2 * WORDS];
            memory.read(SLOT, &mut data).unwrap();
            let mut second = [0];
            memory.read(SLOT, &mut second).unwrap();
            let p = slot::published(data[0]);
            let words = &data[slot.buffer(p)..][..WORDS];
            slot::whole(data[0], second[0], slot.buffers) && words != [p; WORDS]
        })
        .count();
    assert!(torn > 0);
}

/// A file whose slots are always being written.
struct Busy(std::cell::Cell<(u64, usize)>);

impl ReadAt for Busy {
    fn read(&self, _: usize, words: &mut [u64]) -> Result<(), ReadError> {
        let (sequence, read) = self.0.get();
        self.0.set((sequence + 4, read + words.len()));
        words.fill(sequence + 4);
        Ok(())
    }
}

#[test]
fn the_words_that_are_copied_for_nothing_are_bounded_however_wide_the_slots_are() {
    // Half a megabyte each: the tries allowed for a narrow slot would copy 2 GB.
    let geometry = Geometry::slot(65_000, None);
    let wide = |label: &str| MetricSchema {
        geometry,
        ..text(label)
    };
    let record = schema([wide("a"), wide("b")]).encode();
    let plan = Plans::default().get(&record, 0).unwrap();
    let block = plan.block as usize / 8;
    let mut contents = Contents::new(0);
    contents.values.words = vec![0; plan.words];
    contents.values.had = vec![false; 2];
    contents.instances.push(ReadInstance { plan, ..instance() });
    contents.segments.push(Segment {
        from: SLOT,
        words: block,
        instance: 0,
        extent: None,
    });
    let file = Busy(Default::default());
    let mut scratch = Scratch::default();
    copy_read(&file, &mut contents, &mut scratch).unwrap();
    assert_eq!(contents.values.busy.len(), 2);
    let (_, read) = file.0.get();
    // The whole block is read three times at first.
    assert!(read > WORDS_PER_FILE / 2, "{read}");
    assert!(read <= WORDS_PER_FILE + 3 * block, "{read}");
}

/// A ring of entries with a context each. Its writer goes round it between two reads of more than one cell.
struct Ring {
    words: RefCell<Vec<u64>>,
    pushed: std::cell::Cell<u64>,
}

/// Cells of the ring; there is one more place for contexts.
const ENTRIES: usize = 8;
/// Words of a cell, of an entry or a context.
const CELL: usize = 4;
const CONTEXTS: usize = SLOT + ENTRIES * CELL;
/// The shape of the entries, and with one cell that of a context: a sequence and three words each.
const PART: Shape = Shape {
    cells: ENTRIES as u32,
    buffers: 1,
    words: 3,
    plain: 0,
};

impl Ring {
    /// Pushes the next value `p`, with the context `p` in the next place.
    fn push(&self) {
        let p = self.pushed.get() + 1;
        self.pushed.set(p);
        let place = p as usize % (ENTRIES + 1);
        let (entry, context) = (SLOT + p as usize % ENTRIES * CELL, CONTEXTS + place * CELL);
        let mut words = self.words.borrow_mut();
        words[context..][..CELL].copy_from_slice(&[2 * p, 8, p, 0]);
        words[entry..][..CELL].copy_from_slice(&[2 * p, p, p, p << 32 | (place as u64 + 1)]);
    }
}

impl ReadAt for Ring {
    fn read(&self, at: usize, words: &mut [u64]) -> Result<(), ReadError> {
        if words.len() > CELL && at == CONTEXTS {
            (0..2 * ENTRIES).for_each(|_| self.push());
        }
        words.copy_from_slice(&self.words.borrow()[at..][..words.len()]);
        Ok(())
    }
}

#[test]
fn contexts_that_are_replaced_while_they_are_read_are_found() {
    let record = schema([history("h")]).encode();
    let mut contents = Contents::new(0);
    let place = |number, from, at, shape| ExtentPlace {
        metric: 0,
        number,
        from,
        at,
        shape,
    };
    let extent = place(0, SLOT, 1, PART);
    contents.instances.push(ReadInstance {
        plan: Plans::default().get(&record, 0).unwrap(),
        extents: vec![extent],
        ..instance()
    });
    contents.segments.push(extent.segment(0));
    for number in 0..=ENTRIES {
        let (from, at) = (CONTEXTS + number * CELL, 1 + (ENTRIES + number) * CELL);
        let shape = Shape { cells: 1, ..PART };
        contents
            .contexts
            .push(place(number as u32, from, at, shape));
    }
    contents.values.words = vec![0; 1 + (2 * ENTRIES + 1) * CELL];
    let file = Ring {
        words: vec![0; CONTEXTS + (ENTRIES + 1) * CELL].into(),
        pushed: Default::default(),
    };
    (0..ENTRIES).for_each(|_| file.push());
    copy_read(&file, &mut contents, &mut Scratch::default()).unwrap();
    let values = &contents.values;
    let places =
        (contents.contexts.iter()).map(|context| (context.number, context.values(&values.words)));
    let replaced = values.again.places.iter();
    let copied = CopiedContexts::new(places.collect())
        .with(replaced.map(|(&reference, range)| (reference, &values.again.words[range.clone()])));
    for entry in extent.values(&values.words).chunks(CELL) {
        let found = copied.find(Reference(entry[3]));
        let context = found.context().unwrap_or_else(|| panic!("lost: {entry:?}"));
        assert_eq!(context.bytes(), entry[1].to_le_bytes());
    }
}
