//! Groups that come and go: what a reader reads of an instance belongs to one group, whatever the writer and the
//! remover do meanwhile.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use mmstats::format::generation::{self, Orders};

/// A space: its generation, the text of the group, a value in its block, and a value in an octave, which is a separate
/// record.
struct Space {
    generation: AtomicU64,
    text: AtomicU64,
    value: AtomicU64,
    further: AtomicU64,
}

impl Space {
    /// Contains group 1, which has written 1 everywhere.
    fn new() -> Space {
        Space {
            generation: AtomicU64::new(0),
            text: AtomicU64::new(1),
            value: AtomicU64::new(1),
            further: AtomicU64::new(1),
        }
    }

    /// The writer gives the space to a new group, which then writes. Only if the old group has been removed.
    fn reuse(&self, orders: Orders, group: u64) -> bool {
        if generation::is_there(self.generation.load(Ordering::Relaxed)) {
            return false;
        }
        generation::begin_reuse_ordered(orders, &self.generation);
        self.value.store(0, Ordering::Relaxed);
        self.further.store(0, Ordering::Relaxed);
        self.text.store(group, Ordering::Relaxed);
        generation::end_reuse_ordered(orders, &self.generation);
        self.value.store(group, Ordering::Relaxed);
        self.further.store(group, Ordering::Relaxed);
        true
    }

    /// Reads in one pass the group of the text, and the values. Panics if they belong to different groups.
    fn read(&self, orders: Orders) -> Option<u64> {
        let first = self.generation.load(Ordering::Relaxed);
        if !generation::is_there(first) {
            return None;
        }
        generation::after_first_look_ordered(orders);
        let text = self.text.load(Ordering::Relaxed);
        let value = self.value.load(Ordering::Relaxed);
        let further = self.further.load(Ordering::Relaxed);
        generation::before_second_look_ordered(orders);
        if self.generation.load(Ordering::Relaxed) != first {
            return None;
        }
        for value in [value, further] {
            assert!(
                value == text || value == 0,
                "mixed: {value} of the group {text}"
            );
        }
        Some(text)
    }
}

/// One thread removes the group, the writer reuses the space, a reader reads twice.
fn check(orders: Orders) {
    super::bounded(move || {
        let space = Arc::new(Space::new());
        let remover = thread::spawn({
            let space = space.clone();
            move || {
                let known = space.generation.load(Ordering::Relaxed);
                generation::remove(&space.generation, known)
            }
        });
        let writer = thread::spawn({
            let space = space.clone();
            // The group is removed by the other thread, or by this one.
            move || {
                if !space.reuse(orders, 2) {
                    let known = space.generation.load(Ordering::Relaxed);
                    generation::remove(&space.generation, known);
                    space.reuse(orders, 2);
                }
            }
        });
        let mut last = 0;
        for _ in 0..2 {
            if let Some(group) = space.read(orders) {
                assert!(group >= last, "backwards: {group} after {last}");
                last = group;
            }
        }
        remover.join().unwrap();
        writer.join().unwrap();
    });
}

#[test]
fn values_are_of_the_group_whose_text_they_are_read_with() {
    check(Orders::PROVED);
}

#[test]
#[should_panic(expected = "mixed")]
fn words_that_are_written_before_the_begin_are_found() {
    check(Orders {
        before_words: Ordering::Relaxed,
        ..Orders::PROVED
    });
}

#[test]
#[should_panic(expected = "mixed")]
fn a_relaxed_end_is_found() {
    check(Orders {
        end: Ordering::Relaxed,
        ..Orders::PROVED
    });
}

#[test]
#[should_panic(expected = "mixed")]
fn words_that_are_read_before_the_first_look_are_found() {
    check(Orders {
        after_first: Ordering::Relaxed,
        ..Orders::PROVED
    });
}

#[test]
#[should_panic(expected = "mixed")]
fn words_that_are_read_after_the_second_look_are_found() {
    check(Orders {
        before_second: Ordering::Relaxed,
        ..Orders::PROVED
    });
}
