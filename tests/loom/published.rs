//! Data that is made first and then shared: a thread that finds it sees all of it. And work under a lock.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use mmstats::sync::{FIND, PUBLISH};
use mmstats::sys::memory::append_list::AppendList;
use mmstats::sys::process::own_lock::OwnLock;

/// A word is made, and found through another one. The maker then replaces it in the same place, as for a metric that
/// has ended.
fn found(publish: Ordering, find: Ordering) {
    loom::model(move || {
        let shared = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let maker = thread::spawn({
            let shared = shared.clone();
            move || {
                let [made, pointer] = &*shared;
                for value in 1..=2 {
                    made.store(value, Ordering::Relaxed);
                    pointer.store(value, publish);
                }
            }
        });
        let [made, pointer] = &*shared;
        let at_least = pointer.load(find);
        assert!(
            made.load(Ordering::Relaxed) >= at_least,
            "found and not made"
        );
        maker.join().unwrap();
    });
}

#[test]
fn what_is_found_was_made() {
    found(PUBLISH, FIND);
}

#[test]
#[should_panic(expected = "found and not made")]
fn a_relaxed_publication_is_found() {
    found(Ordering::Relaxed, FIND);
}

#[test]
#[should_panic(expected = "found and not made")]
fn a_relaxed_look_is_found() {
    found(PUBLISH, Ordering::Relaxed);
}

/// Two threads make the same thing; the later one takes the existing one.
fn first_wins(publish: Ordering, find: Ordering) {
    loom::model(move || {
        let shared = Arc::new([0; 3].map(|_| AtomicU64::new(0)));
        let make = move |shared: &[AtomicU64; 3], mine: u64| {
            let [made @ .., pointer] = shared;
            let known = pointer.load(find);
            let winner = if known != 0 {
                known
            } else {
                made[mine as usize - 1].store(7, Ordering::Relaxed);
                match pointer.compare_exchange(0, mine, publish, find) {
                    Ok(_) => mine,
                    Err(winner) => winner,
                }
            };
            let seen = made[winner as usize - 1].load(Ordering::Relaxed);
            assert_eq!(seen, 7, "found and not made");
            winner
        };
        let other = thread::spawn({
            let shared = shared.clone();
            move || make(&shared, 1)
        });
        let winner = make(&shared, 2);
        assert_eq!(other.join().unwrap(), winner, "there are two");
    });
}

#[test]
fn of_two_that_are_made_at_once_the_first_is_seen_whole() {
    first_wins(PUBLISH, FIND);
}

#[test]
#[should_panic(expected = "found and not made")]
fn a_relaxed_first_one_is_found() {
    first_wins(Ordering::Relaxed, FIND);
}

#[test]
#[should_panic(expected = "found and not made")]
fn a_relaxed_look_at_the_first_one_is_found() {
    first_wins(PUBLISH, Ordering::Relaxed);
}

/// The real list.
#[test]
fn entries_of_a_list_are_whole_and_added_once() {
    super::bounded(|| {
        let list = Arc::new(AppendList::new());
        let add = |list: &AppendList<(u64, AtomicU64)>, n: u64| {
            let value = AtomicU64::new(0);
            value.store(10 * n, Ordering::Relaxed);
            list.push_unless((n, value), |a, b| a.0 == b.0)
        };
        let look = |list: &AppendList<(u64, AtomicU64)>| {
            let mut entries = 0;
            for (n, value) in list.iter() {
                assert_eq!(value.load(Ordering::Relaxed), 10 * n, "not whole");
                entries += 1;
            }
            entries
        };
        let other = thread::spawn({
            let list = list.clone();
            move || {
                let added = [1, 2].map(|n| add(&list, n));
                added.map(u64::from).iter().sum::<u64>()
            }
        });
        let added = [2, 3].map(|n| add(&list, n));
        look(&list);
        let added = added.map(u64::from).iter().sum::<u64>() + other.join().unwrap();
        assert_eq!((added, look(&list)), (3, 3));
    });
}

/// The real lock: two threads work under it, and each sees what the other did.
fn under_a_lock(take: Ordering, open: Ordering) {
    loom::model(move || {
        let shared = Arc::new((OwnLock::new(), AtomicU64::new(0)));
        let add = move |shared: &(OwnLock, AtomicU64)| {
            shared.0.with_ordered(take, open, || {
                let n = shared.1.load(Ordering::Relaxed);
                shared.1.store(n + 1, Ordering::Relaxed);
            });
        };
        let other = thread::spawn({
            let shared = shared.clone();
            move || add(&shared)
        });
        add(&shared);
        other.join().unwrap();
        assert_eq!(shared.1.load(Ordering::Relaxed), 2, "one was lost");
    });
}

#[test]
fn a_lock_of_a_process_lets_one_thread_in() {
    under_a_lock(Ordering::Acquire, Ordering::Release);
}

#[test]
#[should_panic(expected = "one was lost")]
fn a_relaxed_taking_is_found() {
    under_a_lock(Ordering::Relaxed, Ordering::Release);
}

#[test]
#[should_panic(expected = "one was lost")]
fn a_relaxed_opening_is_found() {
    under_a_lock(Ordering::Acquire, Ordering::Relaxed);
}
