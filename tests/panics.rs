//! A panic of the main thread, which ends the process, and a caught panic, which does not. A separate program, because
//! tests do not run on the main thread.

use std::path::Path;
use std::process::Command;

use mmstats::reader::{Ending, Per, Reader, Snapshot};
use mmstats::{Counter, MmStats};

#[derive(MmStats)]
struct Work {
    done: Counter,
}

const HOW: &str = "MMSTATS_TEST_HOW";

fn main() {
    match std::env::var(HOW) {
        Ok(how) => be_the_child(&how),
        Err(_) => {
            for fold in ["0", "1"] {
                a_panic_of_the_main_thread_leaves_the_files_and_its_words(fold);
                one_that_is_caught_is_no_end(fold);
            }
            without_the_hook_a_panic_is_an_end_as_any();
            println!("panics: ok");
        }
    }
}

fn be_the_child(how: &str) {
    if how != "hookless" {
        mmstats::install_panic_hook();
    }
    Work::local(|s| s.done.add(7));
    if how == "caught" {
        let caught = std::panic::catch_unwind(|| panic!("{how}"));
        assert!(caught.is_err());
        return;
    }
    // Dropped during unwinding.
    let owned = Work::create().unwrap();
    owned.done.add(7);
    panic!("{how}");
}

/// Runs a child; returns its status.
fn run(root: &Path, how: &str, fold: &str) -> Option<i32> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .env(HOW, how)
        .env("MMSTATS_PATH", root)
        .env("MMSTATS_FOLD", fold);
    command
        .env_remove("MMSTATS_KEEP")
        .output()
        .unwrap()
        .status
        .code()
}

fn look(root: &Path) -> Snapshot {
    let snapshot = Reader::open(root)
        .unwrap()
        .per(Per::File)
        .snapshot()
        .unwrap();
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
    snapshot
}

fn a_panic_of_the_main_thread_leaves_the_files_and_its_words(fold: &str) {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(run(root.path(), "the end", fold), Some(101));
    let snapshot = look(root.path());
    assert_eq!(snapshot.files().len(), 3);
    for file in snapshot.files() {
        assert_eq!(file.ending(), Some(Ending::Panicked), "{file:?}");
    }
    assert_eq!(snapshot.get("Work", "done").unwrap().as_u64(), Some(14));
    let words = snapshot.get("panics", "message").unwrap().as_str().unwrap();
    assert!(
        words.starts_with("thread 'main' panicked at tests/panics.rs:"),
        "{words}"
    );
    assert!(words.ends_with(": the end"), "{words}");
    let panics = snapshot.get("panics", "errors__EXC:Panic").unwrap();
    assert_eq!(panics.as_u64(), Some(1));
}

fn one_that_is_caught_is_no_end(fold: &str) {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(run(root.path(), "caught", fold), Some(0));
    let snapshot = look(root.path());
    assert!(snapshot.files().iter().all(|file| file.retired().is_some()));
    assert_eq!(snapshot.files().len(), if fold == "1" { 2 } else { 0 });
}

fn without_the_hook_a_panic_is_an_end_as_any() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(run(root.path(), "hookless", "0"), Some(101));
    assert!(look(root.path()).files().is_empty());
}
