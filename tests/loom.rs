//! The protocols, checked in every interleaving and with every reordering that the memory model allows.
//!
//! Run with `RUSTFLAGS='--cfg loom' cargo test --release --test loom`. Each ordering that the proofs in
//! `src/format/slot.rs`, `generation.rs` and `owner.rs` require is also weakened once, and the check must fail then.
#![cfg(loom)]

#[path = "loom/generations.rs"]
mod generations;
#[path = "loom/levels.rs"]
mod levels;
#[path = "loom/naming.rs"]
mod naming;
#[path = "loom/orphans.rs"]
mod orphans;
#[path = "loom/published.rs"]
mod published;
#[path = "loom/sigbus.rs"]
mod sigbus;
#[path = "loom/telling.rs"]
mod telling;

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering, fence};
use loom::thread;
use mmstats::format::slot::{self, Orders};

/// A slot with `N` buffers of two words.
struct Slot<const N: usize> {
    sequence: AtomicU64,
    buffers: [[AtomicU64; 2]; N],
}

impl<const N: usize> Slot<N> {
    fn new(sequence: u64) -> Slot<N> {
        Slot {
            sequence: AtomicU64::new(sequence),
            buffers: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
        }
    }

    fn buffer(&self, p: u64) -> &[AtomicU64] {
        &self.buffers[p as usize % N]
    }

    fn publish(&self, orders: Orders, value: u64) {
        // The words belong together: the second is ten times the first.
        let words = [value, 10 * value];
        slot::publish_ordered(orders, &self.sequence, |p| self.buffer(p), words);
    }

    /// Returns the value if it was read whole. Panics if it is torn.
    fn read(&self, orders: Orders) -> Option<u64> {
        let mut out = [0; 2];
        slot::try_read_ordered(orders, &self.sequence, N, |p| self.buffer(p), &mut out)?;
        assert_eq!(out[1], 10 * out[0], "torn: {out:?}");
        Some(out[0])
    }
}

/// Checks a model in all interleavings with up to three preemptions: enough to detect each ordering that is weakened
/// below, and few enough to finish.
fn bounded(check: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(check);
}

/// A writer publishes 1, 2, …, `values`; a reader reads twice and sees whole values that never go backwards.
fn check<const N: usize>(orders: Orders, values: u64) {
    bounded(move || {
        let slot = Arc::new(Slot::<N>::new(0));
        let writer = thread::spawn({
            let slot = slot.clone();
            move || (1..=values).for_each(|value| slot.publish(orders, value))
        });
        let mut last = 0;
        for _ in 0..2 {
            if let Some(value) = slot.read(orders) {
                assert!(value >= last, "backwards: {value} after {last}");
                last = value;
            }
        }
        writer.join().unwrap();
        assert_eq!(
            slot.read(orders),
            Some(values),
            "at rest the last value is there"
        );
    });
}

#[test]
fn values_are_whole_and_never_go_backwards() {
    check::<2>(Orders::PROVED, 3);
}

#[test]
fn four_buffers_keep_the_same_promise() {
    check::<4>(Orders::PROVED, 5);
}

/// A reader that is slower than one update but faster than two is never refused.
#[test]
fn one_update_during_a_read_refuses_nobody() {
    loom::model(|| {
        let slot = Arc::new(Slot::<2>::new(0));
        let writer = thread::spawn({
            let slot = slot.clone();
            move || slot.publish(Orders::PROVED, 1)
        });
        assert!(slot.read(Orders::PROVED).is_some());
        writer.join().unwrap();
    });
}

/// The wrap of the sequence at 2⁶⁴ is a step like any other.
#[test]
fn the_sequence_wraps() {
    loom::model(|| {
        let slot = Arc::new(Slot::<2>::new(u64::MAX - 1));
        let writer = thread::spawn({
            let slot = slot.clone();
            move || (1..=2).for_each(|value| slot.publish(Orders::PROVED, value))
        });
        slot.read(Orders::PROVED);
        writer.join().unwrap();
        assert_eq!(slot.read(Orders::PROVED), Some(2));
    });
}

/// Asserts that loom finds the hole that a weaker ordering leaves.
fn finds_a_hole(weaken: impl FnOnce(&mut Orders)) {
    let mut orders = Orders::PROVED;
    weaken(&mut orders);
    let result = catch_unwind(AssertUnwindSafe(|| check::<2>(orders, 3)));
    assert!(
        result.is_err(),
        "no failure with {orders:?}: the check cannot see this ordering"
    );
}

#[test]
fn a_relaxed_begin_mark_is_found() {
    finds_a_hole(|orders| orders.begin = Ordering::Relaxed);
}

#[test]
fn a_missing_writer_fence_is_found() {
    finds_a_hole(|orders| orders.writer_fence = None);
}

#[test]
fn a_relaxed_end_mark_is_found() {
    finds_a_hole(|orders| {
        // The next begin mark is Release and also comes after the words. So the weakness of the end mark alone shows
        // only in the last value, which the reader may then read torn.
        orders.end = Ordering::Relaxed;
    });
}

#[test]
fn a_missing_fence_after_the_first_load_is_found() {
    finds_a_hole(|orders| orders.first_fence = None);
}

#[test]
fn a_missing_reader_fence_is_found() {
    finds_a_hole(|orders| orders.reader_fence = None);
}

/// A slot of two buffers whose first word changes rarely: it is stored until `full` publications in a row have had it,
/// and omitted after that. The second word is the first plus ten times the number of the publication.
fn some_words(full: u64) {
    bounded(move || {
        let slot = Arc::new(Slot::<2>::new(0));
        let writer = thread::spawn({
            let slot = slot.clone();
            move || {
                let mut settled = 0;
                // The word that changes rarely, for each publication.
                for (p, seldom) in (1..).zip([1, 1, 1, 2, 2, 2]) {
                    let buffer = |p| slot.buffer(p);
                    let often = 10 * p + seldom;
                    let same = slot.buffer(p - 1)[0].load(Ordering::Relaxed) == seldom;
                    if same && settled >= full {
                        let some =
                            slot::update_some(&slot.sequence, buffer, |_| Some([(1, often)]));
                        assert!(some);
                    } else {
                        slot::publish(&slot.sequence, buffer, [seldom, often]);
                        settled = if same { settled + 1 } else { 1 };
                    }
                }
            }
        });
        let read = || {
            let mut out = [0; 2];
            let buffer = |p| slot.buffer(p);
            let p = slot::try_read_ordered(Orders::PROVED, &slot.sequence, 2, buffer, &mut out)?;
            let seldom = [0, 1, 1, 1, 2, 2, 2][p as usize];
            assert_eq!(out, [seldom, 10 * p + seldom], "torn, publication {p}");
            Some(p)
        };
        for _ in 0..2 {
            read();
        }
        writer.join().unwrap();
        assert_eq!(read(), Some(6));
    });
}

#[test]
fn words_that_every_buffer_has_need_not_be_stored_again() {
    some_words(2);
}

#[test]
#[should_panic(expected = "torn")]
fn words_that_only_one_buffer_has_are_missed() {
    some_words(1);
}

/// An entry of a ring: a slot with one buffer, whose number says which value it has.
struct Entry(Slot<1>);

impl Entry {
    /// Value `p` of a ring is `100 p`.
    fn push(&self, orders: Orders, p: u64) {
        let words = [100 * p, 1000 * p];
        let (sequence, buffer) = (&self.0.sequence, &self.0.buffers[0]);
        slot::publish_numbered_ordered(orders, sequence, p, buffer, words);
    }

    fn read(&self, orders: Orders) -> Option<u64> {
        let mut out = [0; 2];
        let buffer = |_| &self.0.buffers[0][..];
        let p = slot::try_read_ordered(orders, &self.0.sequence, 1, buffer, &mut out)?;
        assert_eq!(out, [100 * p, 1000 * p], "torn");
        Some(p)
    }
}

/// A ring of two entries: the reader gets each value under its own number, or knows that it does not have it.
fn ring(orders: Orders) {
    bounded(move || {
        let ring = Arc::new([0; 2].map(|_| Entry(Slot::new(0))));
        let writer = thread::spawn({
            let ring = ring.clone();
            move || (1..=5).for_each(|p| ring[p as usize % 2].push(orders, p))
        });
        let mut last = 0;
        for _ in 0..2 {
            if let Some(p) = ring[1].read(orders) {
                assert!(p == 0 || p % 2 == 1, "{p} is not in this entry");
                assert!(p >= last, "backwards: {p} after {last}");
                last = p;
            }
        }
        writer.join().unwrap();
        assert_eq!(
            ring.each_ref().map(|entry| entry.read(orders)),
            [Some(4), Some(5)]
        );
    });
}

#[test]
fn entries_of_a_ring_are_whole_and_known_by_their_numbers() {
    ring(Orders::PROVED);
}

fn finds_a_hole_in_a_ring(weaken: impl FnOnce(&mut Orders)) {
    let mut orders = Orders::PROVED;
    weaken(&mut orders);
    let result = catch_unwind(AssertUnwindSafe(|| ring(orders)));
    assert!(result.is_err(), "no failure with {orders:?}");
}

#[test]
fn a_missing_writer_fence_is_found_in_a_ring() {
    finds_a_hole_in_a_ring(|orders| orders.writer_fence = None);
}

#[test]
fn a_missing_reader_fence_is_found_in_a_ring() {
    finds_a_hole_in_a_ring(|orders| orders.reader_fence = None);
}

#[test]
fn a_relaxed_end_mark_is_found_in_a_ring() {
    finds_a_hole_in_a_ring(|orders| orders.end = Ordering::Relaxed);
}

/// An entry refers to a context by place and publication. The place of the context is reused once the entry is gone;
/// the reader copies entries first, and contexts after them.
fn contexts(entries_first: bool) {
    bounded(move || {
        let shared = Arc::new([0; 2].map(|_| Entry(Slot::new(0))));
        let writer = thread::spawn({
            let shared = shared.clone();
            move || {
                let [entry, context] = &*shared;
                for p in 1..=2 {
                    // Entry p refers to publication p of the context.
                    context.push(Orders::PROVED, p);
                    entry.push(Orders::PROVED, p);
                }
            }
        });
        let [entry, context] = &*shared;
        let (entry, context) = if entries_first {
            let entry = entry.read(Orders::PROVED);
            fence(Ordering::Acquire);
            (entry, context.read(Orders::PROVED))
        } else {
            let context = context.read(Orders::PROVED);
            (entry.read(Orders::PROVED), context)
        };
        if let (Some(entry), Some(context)) = (entry, context) {
            assert!(
                context >= entry,
                "entry {entry} before its context: {context}"
            );
        }
        writer.join().unwrap();
    });
}

#[test]
fn a_context_is_there_before_the_entry_that_refers_to_it() {
    contexts(true);
}

#[test]
#[should_panic(expected = "before its context")]
fn contexts_that_are_copied_first_may_come_too_early() {
    contexts(false);
}

/// Records: written first, then published by one Release store of the committed length.
fn records(publish: Ordering, look: Ordering) {
    loom::model(move || {
        let committed = Arc::new(AtomicU64::new(0));
        let record = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let writer = thread::spawn({
            let (committed, record) = (committed.clone(), record.clone());
            move || {
                record[0].store(16, Ordering::Relaxed);
                record[1].store(7, Ordering::Relaxed);
                committed.store(16, publish);
            }
        });
        if committed.load(look) == 16 {
            let read = record.each_ref().map(|word| word.load(Ordering::Relaxed));
            assert_eq!(read, [16, 7], "a record that is committed and not there");
        }
        writer.join().unwrap();
    });
}

#[test]
fn a_committed_record_is_there() {
    records(Ordering::Release, Ordering::Acquire);
}

#[test]
#[should_panic(expected = "committed and not there")]
fn a_relaxed_commit_is_found() {
    records(Ordering::Relaxed, Ordering::Acquire);
}

#[test]
#[should_panic(expected = "committed and not there")]
fn a_relaxed_look_at_the_length_is_found() {
    records(Ordering::Release, Ordering::Relaxed);
}

/// Reading with pread copies all sequences, then all data, then all sequences, with a fence between the copies.
/// `merged` omits the phase of the second copy: sequences and data are read in one pass in no particular order, like a
/// copy by the kernel.
fn phases(merged: bool) {
    bounded(move || {
        let slot = Arc::new(Slot::<2>::new(0));
        let writer = thread::spawn({
            let slot = slot.clone();
            move || (1..=3).for_each(|value| slot.publish(Orders::PROVED, value))
        });
        let copy = |slot: &Slot<2>| {
            [0, 1].map(|b| [0, 1].map(|i| slot.buffers[b][i].load(Ordering::Relaxed)))
        };
        let (first, data) = if merged {
            // One copy: its loads are not ordered.
            let data = copy(&slot);
            (slot.sequence.load(Ordering::Relaxed), data)
        } else {
            let first = slot.sequence.load(Ordering::Relaxed);
            fence(Ordering::Acquire);
            (first, copy(&slot))
        };
        fence(Ordering::Acquire);
        let second = slot.sequence.load(Ordering::Relaxed);
        if slot::whole(first, second, 2) {
            let words = data[slot::published(first) as usize % 2];
            assert_eq!(words[1], 10 * words[0], "torn: {words:?}");
        }
        writer.join().unwrap();
    });
}

#[test]
fn three_phases_are_enough() {
    phases(false);
}

#[test]
#[should_panic(expected = "torn")]
fn two_phases_are_not() {
    phases(true);
}
