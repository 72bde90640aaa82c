//! Rings and contexts that are overwritten while they are read.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// Stops the writer even if an assertion fails, because the scope waits for it.
pub struct Stop<'a>(pub &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Makes a directory writable by others: a reader does not map files there.
pub fn not_mapped(directory: &Path) {
    let mode = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(directory, mode).unwrap();
}

/// Reads while a thread pushes as fast as it can, each value with a context of the same number.
fn race(mapped: bool) {
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder()
        .path(root.path())
        .max_contexts(30)
        .create()
        .unwrap();
    if !mapped {
        not_mapped(&root.path().join("tasks"));
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stop = &stop;
        scope.spawn(move || {
            let mut value = 0.0;
            while !stop.load(Ordering::Relaxed) {
                value += 1.0;
                // With different lengths, and some of them for the second time.
                let context = format!("{:>1$}", value, (value % 7.0) as usize * 9);
                tasks.times.push_with(value, &context);
            }
        });
        let _stop = Stop(stop);
        let mut reader = Reader::open(root.path()).unwrap();
        let (mut newest, mut seen, mut found) = (0, 0, 0);
        while seen < 4_000 {
            let snapshot = reader.snapshot().unwrap();
            assert_eq!(snapshot.errors(), []);
            let history = history(&snapshot, "times");
            let entries = history.entries();
            assert!(
                history.pushed() >= newest,
                "{} after {newest}",
                history.pushed()
            );
            newest = history.pushed();
            if let Some(entry) = entries.first() {
                assert_eq!(
                    entry.value(),
                    newest as f64,
                    "the newest is the last that was pushed"
                );
            }
            assert!(
                entries
                    .windows(2)
                    .all(|two| two[0].value() > two[1].value())
            );
            if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
                let between = (first.value() - last.value()) as u64 + 1;
                assert_eq!(between, entries.len() as u64 + history.missed());
            }
            for entry in entries {
                match entry.context() {
                    Some(context) => {
                        assert_eq!(context.text().trim(), entry.value().to_string());
                        found += 1;
                    }
                    None => assert!(entry.has_lost_context()),
                }
            }
            seen += entries.len();
        }
        assert!(found > 0);
    });
}

#[test]
fn entries_and_contexts_that_are_mapped_are_never_mixed() {
    race(true);
}

#[test]
fn entries_and_contexts_that_are_read_are_never_mixed() {
    race(false);
}
