//! A level that several threads write: what is added is never lost, and the last value that was set wins.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use mmstats::format::level;

/// Runs two writers, `second` with a change of its own, and returns what is left.
fn left(second: fn(&AtomicU64)) -> impl Fn(&[u64]) {
    move |allowed| {
        let word = Arc::new(AtomicU64::new(0));
        let other = word.clone();
        let writer = thread::spawn(move || second(&other));
        level::update(&word, |n| n + 1);
        level::update(&word, |n| n + 1);
        writer.join().unwrap();
        let left = word.load(Ordering::Relaxed);
        assert!(allowed.contains(&left), "{left}");
    }
}

#[test]
fn what_two_threads_add_is_exact() {
    loom::model(|| left(|word| level::update(word, |n| n + 10))(&[12]));
}

#[test]
fn what_is_set_is_lost_only_to_what_comes_after() {
    // Before both, between them, after them.
    loom::model(|| left(|word| level::set(word, 100))(&[102, 101, 100]));
}

/// What the proof is about: a load and a store, as a counter's, would lose additions.
#[test]
#[should_panic]
fn without_an_exchange_additions_are_lost() {
    loom::model(|| {
        left(|word| word.store(word.load(Ordering::Relaxed) + 10, Ordering::Relaxed))(&[12])
    });
}
