//! The exit of a process, and threads that give names to files and remove them.
//!
//! The real code counts the threads that are waited for, and the list's lock is the real one.

use std::time::Duration;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use mmstats::sys::lifecycle::naming::{Names, Orders};
use mmstats::sys::process::lock::{self, RawLock};

fn wait_for_all(names: &Names, orders: Orders) {
    // The model decides how long it takes.
    names.wait_for_all_ordered(orders, Duration::MAX);
}

/// `N` threads each give a file its name while the process exits: the exit sees every file that will have a name.
fn named<const N: usize>(naming: Orders, exit: Orders) {
    super::bounded(move || {
        let shared = Arc::new((Names::new(), [0; N].map(|_| AtomicU64::new(0))));
        let threads = std::array::from_fn::<_, N, _>(|n| {
            let shared = shared.clone();
            thread::spawn(move || {
                let (names, files) = &*shared;
                if let Some(_naming) = names.begin_ordered(naming).unless_over() {
                    files[n].store(1, Ordering::Relaxed);
                }
            })
        });
        let (names, files) = &*shared;
        let look = || files.each_ref().map(|file| file.load(Ordering::Relaxed));
        names.end_ordered(exit);
        wait_for_all(names, exit);
        let seen = look();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(seen, look(), "a name is left behind");
    });
}

#[test]
fn the_exit_sees_all_that_is_named() {
    named::<1>(Orders::PROVED, Orders::PROVED);
    named::<2>(Orders::PROVED, Orders::PROVED);
}

/// A thread removes a file from the list and then removes its name, or the exit does.
fn unnamed(orders: Orders) {
    super::bounded(move || {
        let shared = Arc::new((
            Names::new(),
            RawLock::new(),
            [AtomicU64::new(1), AtomicU64::new(1)],
        ));
        let thread = thread::spawn({
            let shared = shared.clone();
            move || {
                let _naming = shared.0.begin_ordered(orders);
                take_away(&shared);
            }
        });
        let (names, _, [_, named]) = &*shared;
        names.end_ordered(orders);
        wait_for_all(names, orders);
        take_away(&shared);
        wait_for_all(names, orders);
        let left = named.load(Ordering::Relaxed);
        thread.join().unwrap();
        assert_eq!(left, 0, "a name is left behind");
    });
}

fn take_away((_, list, [listed, named]): &(Names, RawLock, [AtomicU64; 2])) {
    let mine = lock::with(list, || {
        let mine = listed.load(Ordering::Relaxed) == 1;
        listed.store(0, Ordering::Relaxed);
        mine
    });
    if mine {
        named.store(0, Ordering::Relaxed);
    }
}

#[test]
fn no_name_is_left_that_a_thread_was_taking_away() {
    unnamed(Orders::PROVED);
}

const WEAKER_FENCE: Orders = Orders {
    told: Ordering::AcqRel,
    ..Orders::PROVED
};
const RELAXED_END: Orders = Orders {
    done: Ordering::Relaxed,
    ..Orders::PROVED
};
const RELAXED_WAIT: Orders = Orders {
    wait: Ordering::Relaxed,
    ..Orders::PROVED
};

#[test]
#[should_panic(expected = "a name is left behind")]
fn with_a_weaker_fence_a_thread_may_miss_the_exit() {
    named::<1>(WEAKER_FENCE, Orders::PROVED);
}

#[test]
#[should_panic(expected = "a name is left behind")]
fn with_a_weaker_fence_the_exit_may_miss_a_name() {
    named::<1>(Orders::PROVED, WEAKER_FENCE);
}

#[test]
#[should_panic(expected = "a name is left behind")]
fn a_relaxed_end_of_naming_is_found() {
    named::<1>(RELAXED_END, Orders::PROVED);
}

#[test]
#[should_panic(expected = "a name is left behind")]
fn a_relaxed_end_of_taking_away_is_found() {
    unnamed(RELAXED_END);
}

#[test]
#[should_panic(expected = "a name is left behind")]
fn a_relaxed_wait_is_found() {
    named::<1>(Orders::PROVED, RELAXED_WAIT);
}

#[test]
#[should_panic(expected = "a name is left behind")]
fn a_relaxed_wait_for_who_takes_away_is_found() {
    unnamed(RELAXED_WAIT);
}
