//! Files in use are marked for cleaners of temporary directories, by a lock that their mapping keeps.

use std::fs::{File, TryLockError};
use std::io::{BufRead, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use mmstats::MmStats;

use super::identity::{live_writer, write_and_stay};
use super::process::fork;
use super::{All, child, files, root};

/// Returns whether a cleaner would leave a file: some process holds a lock on it.
fn is_locked(path: &Path) -> bool {
    match File::open(path).unwrap().try_lock() {
        Ok(()) => false,
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(error)) => panic!("{error}"),
    }
}

#[test]
fn a_file_is_locked_while_its_writer_lives() {
    const NAME: &str = "mapped::a_file_is_locked_while_its_writer_lives";
    if child::is_child(NAME) {
        return write_and_stay();
    }
    let root = tempfile::tempdir().unwrap();
    let lock = root.path().join(".lock");
    let (mut writer, _output) = live_writer(&mut child::command(NAME, root.path()));
    let file = files(root.path(), "All").remove(0);
    assert!(is_locked(&file) && is_locked(&lock) && is_locked(root.path()));
    let mode = std::fs::metadata(&lock).unwrap().permissions().mode();
    assert_eq!(mode & 0o1000, 0o1000, "sticky: it stays");
    writer.0.kill().unwrap();
    writer.0.wait().unwrap();
    assert!(!is_locked(&file) && !is_locked(&lock) && !is_locked(root.path()));
}

#[test]
fn a_file_stays_locked_when_it_grows_and_when_its_thread_ends() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().to_owned();
    let stats = std::thread::spawn(move || {
        let stats = All::builder().path(path).create().unwrap();
        let before = std::fs::metadata(stats.path().unwrap()).unwrap().len();
        for group in 0..100 {
            stats.parts.group(&format!("g{group}")).n.inc();
        }
        let after = std::fs::metadata(stats.path().unwrap()).unwrap().len();
        assert!(after > before, "it has grown");
        stats
    });
    let stats = stats.join().unwrap();
    let file = stats.path().unwrap();
    assert!(is_locked(&file));
    drop(stats);
    // Removed at the drop.
    assert!(!file.exists());
    assert!(is_locked(&root.path().join(".lock")), "this process lives");
}

#[test]
fn the_child_of_a_fork_keeps_its_own_files_locked_and_not_its_parent_s() {
    const NAME: &str =
        "mapped::the_child_of_a_fork_keeps_its_own_files_locked_and_not_its_parent_s";
    if child::is_child(NAME) {
        All::local(|s| s.n.add(1));
        let of_parent = files(&root(), "All").remove(0);
        println!("\nparent {}", of_parent.display());
        // A child without files keeps nothing of its parent's, either: the root is free when neither has files in it
        // any more.
        if std::env::var_os(IDLE).is_some() {
            fork(|| {
                println!("\nchild -\nready");
                std::io::stdout().flush().unwrap();
                let _ = std::io::stdin().read(&mut [0]);
                0
            });
            loop {
                std::thread::park();
            }
        }
        fork(|| {
            All::local(|s| s.n.add(1));
            let of_child = files(&root(), "All")
                .into_iter()
                .find(|path| *path != of_parent);
            println!("\nchild {}\nready", of_child.unwrap().display());
            std::io::stdout().flush().unwrap();
            // Until the test ends: the parent does not wait for it, because it is killed.
            let _ = std::io::stdin().read(&mut [0]);
            0
        });
        loop {
            std::thread::park();
        }
    }
    for idle in [false, true] {
        let root = tempfile::tempdir().unwrap();
        let mut command = child::command(NAME, root.path());
        if idle {
            command.env(IDLE, "1");
        }
        parent_is_killed(root.path(), &mut command, idle);
    }
}

/// Tells the child of a test that its own child makes no files.
const IDLE: &str = "MMSTATS_TEST_IDLE";

fn parent_is_killed(root: &Path, command: &mut Command, idle: bool) {
    let mut writer = child::start(command);
    let mut lines = std::io::BufReader::new(writer.0.stdout.take().unwrap()).lines();
    let mut said = |word: &str| {
        let line = lines.find_map(|line| line.unwrap().strip_prefix(word).map(str::to_owned));
        line.unwrap_or_else(|| panic!("{word} was not said"))
    };
    let of_parent = said("parent ");
    let of_child = said("child ");
    said("ready");
    assert!(is_locked(of_parent.as_ref()) && is_locked(root));
    assert!(idle || is_locked(of_child.as_ref()));
    // Its end of the pipe stays open: the child waits for it.
    let input = writer.0.stdin.take();
    writer.0.kill().unwrap();
    writer.0.wait().unwrap();
    assert!(!is_locked(of_parent.as_ref()));
    // The child is alive.
    assert!(idle || is_locked(of_child.as_ref()));
    assert_eq!(is_locked(root), !idle);
    drop(input);
}
