//! The views that the handler of SIGBUS knows: it never mistakes one for another, and zeros are known to be zeros.
//!
//! The table is the real one. The handler is what the faulting thread executes.

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;
use mmstats::format::generation::Orders;
use mmstats::sys::memory::sigbus::table::ViewTable;

/// The first byte and the length of a view.
type Bounds = (usize, usize);

const OLD: Bounds = (1000, 10);
const NEW: Bounds = (5000, 100);
/// A view of the faulting thread.
const OWN: Bounds = (9000, 10);

fn found<const N: usize>(table: &ViewTable<N>, orders: Orders, address: usize) -> Option<Bounds> {
    let (_, start, len) = table.find_ordered(orders, address)?;
    Some((start, len))
}

/// A thread replaces an old view by a new one, while another thread faults.
fn no_mix(orders: Orders) {
    // An address that would be in the old view if that had the length of the new one; and one that is both in the new
    // view and in a view that begins there and is as long as the old one.
    for address in [OLD.0 + 50, NEW.0 + 5] {
        super::bounded(move || {
            let table = Arc::new(ViewTable::<2>::new());
            let mut free = Vec::new();
            let place = table.enter(&mut free, OLD.0, OLD.1).unwrap();
            table.enter(&mut free, OWN.0, OWN.1).unwrap();
            // The changing thread is the main thread. If it came after the other one, loom would treat its loads of
            // the generation as happening before its stores, and would not try these stores before the other's loads.
            let faulting = thread::spawn({
                let table = table.clone();
                move || {
                    let other = found(&table, orders, address);
                    assert!(
                        other.is_none_or(|bounds| bounds == NEW),
                        "mixed: {other:?} for {address}"
                    );
                    assert_eq!(found(&table, orders, OWN.0), Some(OWN), "not found");
                    other
                }
            });
            table.leave_ordered(orders, &mut free, place);
            table
                .enter_ordered(orders, &mut free, NEW.0, NEW.1)
                .unwrap();
            faulting.join().unwrap();
        });
    }
}

#[test]
fn a_view_that_is_found_is_one_that_was_entered() {
    no_mix(Orders::PROVED);
}

#[test]
#[should_panic(expected = "mixed")]
fn words_that_are_written_before_the_entry_is_odd_are_found() {
    no_mix(Orders {
        before_words: Ordering::Relaxed,
        ..Orders::PROVED
    });
}

/// Not needed here, because there are zeros between two views: see the table's proof.
#[test]
fn an_entry_may_be_even_before_its_words() {
    no_mix(Orders {
        end: Ordering::Relaxed,
        ..Orders::PROVED
    });
}

#[test]
#[should_panic(expected = "mixed")]
fn words_that_are_read_before_the_first_look_are_found() {
    no_mix(Orders {
        after_first: Ordering::Relaxed,
        ..Orders::PROVED
    });
}

#[test]
#[should_panic(expected = "mixed")]
fn words_that_are_read_after_the_second_look_are_found() {
    no_mix(Orders {
        before_second: Ordering::Relaxed,
        ..Orders::PROVED
    });
}

/// Two threads read a view and one of them faults: the other one may also get the zeros.
fn zeros_are_known(before_zeros: Ordering, after_words: Ordering) {
    loom::model(move || {
        let table = Arc::new(ViewTable::<1>::new());
        let place = table.enter(&mut Vec::new(), OLD.0, OLD.1).unwrap();
        // A word of the page that the kernel replaces. Relaxed: nothing is assumed of mmap except that it comes after
        // what precedes it in the handler.
        let page = Arc::new(AtomicU64::new(7));
        let faulting = thread::spawn({
            let (table, page) = (table.clone(), page.clone());
            move || {
                let (entry, ..) = table.find(OLD.0 + 5).expect("its own view");
                entry.cut_ordered(before_zeros);
                page.store(0, Ordering::Relaxed);
                assert!(table.entry(place).is_cut_ordered(after_words));
            }
        });
        let word = page.load(Ordering::Relaxed);
        let cut = table.entry(place).is_cut_ordered(after_words);
        assert!(word == 7 || cut, "a zero was believed");
        faulting.join().unwrap();
    });
}

#[test]
fn who_reads_a_zero_of_the_handler_sees_that_the_view_is_cut() {
    zeros_are_known(Ordering::Release, Ordering::Acquire);
}

#[test]
#[should_panic(expected = "a zero was believed")]
fn zeros_that_are_there_before_the_cut_are_found() {
    zeros_are_known(Ordering::Relaxed, Ordering::Acquire);
}

#[test]
#[should_panic(expected = "a zero was believed")]
fn a_look_at_the_cut_before_the_words_is_found() {
    zeros_are_known(Ordering::Release, Ordering::Relaxed);
}

/// A view is cut and dropped, while another thread enters a view that takes its place in the table as soon as it is
/// free.
#[test]
fn a_new_view_is_not_cut_by_the_old_one_in_its_place() {
    loom::model(|| {
        let table = Arc::new(ViewTable::<1>::new());
        let free = Arc::new(Mutex::new(Vec::new()));
        let place = table
            .enter(&mut free.lock().unwrap(), OLD.0, OLD.1)
            .unwrap();
        let old = thread::spawn({
            let (table, free) = (table.clone(), free.clone());
            move || {
                let (entry, ..) = table.find(OLD.0).expect("its own view");
                entry.cut();
                assert!(table.entry(place).is_cut());
                table.leave(&mut free.lock().unwrap(), place);
            }
        });
        let entered = table.enter(&mut free.lock().unwrap(), NEW.0, NEW.1);
        if let Some(place) = entered {
            assert!(!table.entry(place).is_cut(), "cut by the old one");
            assert_eq!(found(&table, Orders::PROVED, NEW.0), Some(NEW));
        }
        old.join().unwrap();
        if let Some(place) = entered {
            assert!(!table.entry(place).is_cut(), "cut by the old one");
        }
    });
}

/// A view is dropped, and another one is mapped at the same address and has another place in the table.
fn mapped_where_another_was(leaves_first: bool) {
    const LONGER: Bounds = (OLD.0, 20);
    loom::model(move || {
        let table = Arc::new(ViewTable::<2>::new());
        let mut free = Vec::new();
        let place = table.enter(&mut free, OLD.0, OLD.1).unwrap();
        let spare = table.enter(&mut free, OWN.0, OWN.1).unwrap();
        table.leave(&mut free, spare);
        // What the kernel knows. It has its own locks.
        let unmapped = Arc::new(AtomicU64::new(0));
        let old = thread::spawn({
            let (table, unmapped) = (table.clone(), unmapped.clone());
            move || {
                if !leaves_first {
                    unmapped.store(1, Ordering::Release);
                }
                table.leave(&mut Vec::new(), place);
                if leaves_first {
                    unmapped.store(1, Ordering::Release);
                }
            }
        });
        if unmapped.load(Ordering::Acquire) == 1 {
            table.enter(&mut free, LONGER.0, LONGER.1).unwrap();
            assert_eq!(
                found(&table, Orders::PROVED, LONGER.0),
                Some(LONGER),
                "taken for the old one"
            );
        }
        old.join().unwrap();
    });
}

#[test]
fn a_view_is_not_taken_for_the_one_that_was_mapped_there() {
    mapped_where_another_was(true);
}

#[test]
#[should_panic(expected = "taken for the old one")]
fn a_view_that_is_unmapped_before_it_leaves_is_found() {
    mapped_where_another_was(false);
}
