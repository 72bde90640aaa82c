//! A level that several threads write: no addition is lost.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use mmstats::format::level;

/// Adds 1 twice on one thread, and 10 with `add` on another.
fn two_writers(add: fn(&AtomicU64)) {
    let word = Arc::new(AtomicU64::new(0));
    let other = word.clone();
    let writer = thread::spawn(move || add(&other));
    level::update(&word, |n| n + 1);
    level::update(&word, |n| n + 1);
    writer.join().unwrap();
    assert_eq!(word.load(Ordering::Relaxed), 12);
}

#[test]
fn what_two_threads_add_is_exact() {
    loom::model(|| two_writers(|word| level::update(word, |n| n + 10)));
}

/// What the proof is about: a load and a store, as in a counter, would lose additions.
#[test]
#[should_panic]
fn without_an_exchange_additions_are_lost() {
    loom::model(|| {
        two_writers(|word| word.store(word.load(Ordering::Relaxed) + 10, Ordering::Relaxed))
    });
}
