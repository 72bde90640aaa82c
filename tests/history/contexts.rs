//! Contexts: stored once, bounded, and never mixed up.

use super::*;

#[test]
fn a_context_is_stored_once_and_found_by_the_md5_of_its_content() {
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder()
        .path(root.path())
        .max_contexts(2)
        .create()
        .unwrap();
    for value in 0..40 {
        tasks
            .times
            .push_with(value.into(), ["nightly", "hourly"][value as usize % 2]);
    }
    let snapshot = snapshot(root.path());
    let history = history(&snapshot, "times");
    assert_eq!(contexts_of(history).len(), 20);
    for (text, value) in contexts_of(history) {
        assert_eq!(text, ["nightly", "hourly"][value as usize % 2]);
    }
    // printf nightly | md5sum
    let id = "0ae3489815127120cfb606170a053745";
    let found = snapshot.contexts([id, "nope"]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[id].text(), "nightly");
}

#[test]
fn contexts_may_be_anything() {
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    let long = "é".repeat(20_000);
    let all: [&[u8]; 6] = [
        b"",
        b"\0",
        b"\x1b[31m\n",
        b"\xff\xfe no UTF-8",
        b"a text of forty-nine bytes: one more than a place",
        long.as_bytes(),
    ];
    for (value, context) in (0..).zip(all) {
        tasks.times.push_with(value.into(), context);
    }
    let snapshot = snapshot(root.path());
    for entry in history(&snapshot, "times").entries() {
        let context = entry.context().unwrap();
        let pushed = all[entry.value() as usize];
        let kept = pushed.len().min(16_368);
        assert_eq!(context.bytes(), &pushed[..kept]);
        assert_eq!(context.is_cut(), kept < pushed.len());
    }
}

#[test]
fn contexts_stay_while_entries_refer_to_them_and_give_way_after() {
    let root = tempfile::tempdir().unwrap();
    // As many as the ring has entries, plus one that is being replaced.
    let tasks = Tasks::builder()
        .path(root.path())
        .max_contexts(21)
        .create()
        .unwrap();
    let size = || tasks.path().unwrap().metadata().unwrap().len();
    let mut reader = Reader::open(root.path()).unwrap();
    let mut at_first = 0;
    for value in 0..2_000 {
        tasks
            .times
            .push_with(value.into(), format!("context {value}"));
        if value % 97 == 96 {
            let snapshot = reader.snapshot().unwrap();
            let history = history(&snapshot, "times");
            assert_eq!(contexts_of(history).len(), 20, "all are there");
            for (text, value) in contexts_of(history) {
                assert_eq!(text, format!("context {value}"));
            }
            at_first = if at_first == 0 { size() } else { at_first };
        }
    }
    assert_eq!(size(), at_first, "the file does not grow");
}

#[test]
fn a_context_that_finds_no_place_is_lost_and_known_to_be() {
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder()
        .path(root.path())
        .max_contexts(5)
        .create()
        .unwrap();
    for value in 0..100 {
        tasks
            .times
            .push_with(value.into(), format!("context {value}"));
    }
    let snapshot = snapshot(root.path());
    let entries = history(&snapshot, "times").entries();
    assert_eq!(entries.len(), 20);
    for entry in entries {
        match entry.context() {
            Some(context) => assert_eq!(context.text(), format!("context {}", entry.value())),
            None => assert!(entry.has_lost_context()),
        }
    }
    let kept = entries
        .iter()
        .filter(|entry| entry.context().is_some())
        .count();
    assert!((1..=5).contains(&kept), "{kept}");
}

#[test]
fn bytes_are_bounded_too_and_a_long_context_takes_the_place_of_a_short_one() {
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder()
        .path(root.path())
        .max_context_bytes(64 * 10)
        .create()
        .unwrap();
    // Ten places of 48 bytes; after that, longer contexts are cut to them.
    for value in 0..10 {
        tasks
            .times
            .push_with(value.into(), format!("context {value}"));
    }
    for value in 10..40 {
        tasks.times.push(value.into());
    }
    tasks.times.push_with(40.0, "x".repeat(1_000));
    let snapshot = snapshot(root.path());
    let newest = &history(&snapshot, "times").entries()[0];
    let context = newest.context().unwrap();
    assert_eq!((context.bytes().len(), context.is_cut()), (48, true));
}

#[test]
fn contexts_are_shared_by_all_histories_of_a_file() {
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder()
        .path(root.path())
        .max_contexts(1)
        .create()
        .unwrap();
    for name in ["a", "b", "c"] {
        tasks.by_name.group(name).times.push_with(1.0, "nightly");
    }
    let snapshot = snapshot(root.path());
    for name in ["a.times", "b.times", "c.times"] {
        assert_eq!(
            contexts_of(history(&snapshot, name)),
            [("nightly".to_owned(), 1.0)]
        );
    }
}
