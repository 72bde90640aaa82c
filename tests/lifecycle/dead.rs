//! What a start does with the files of processes that were killed (`MMSTATS_DEAD`).

use std::path::Path;

use mmstats::MmStats;

use super::{All, child, files, root, snapshot};

/// The child: one file that stays, like that of a killed process.
fn be_the_child() {
    let all = All::builder().path(root()).keep(true).create().unwrap();
    all.n.add(1);
}

/// Runs a process that counts one; returns how many files there are then, and the sum of all.
fn run(name: &str, root: &Path, dead: Option<&str>) -> (usize, Option<u64>) {
    let mut command = child::command(name, root);
    match dead {
        Some(dead) => command.env("MMSTATS_DEAD", dead),
        None => command.env_remove("MMSTATS_DEAD"),
    };
    child::run(&mut command);
    let sum = snapshot(root).get("All", "n").unwrap().as_u64();
    (files(root, "All").len(), sum)
}

#[test]
fn a_start_folds_the_files_of_dead_processes_beyond_the_newest_eight() {
    const NAME: &str = "dead::a_start_folds_the_files_of_dead_processes_beyond_the_newest_eight";
    if child::is_child(NAME) {
        return be_the_child();
    }
    let root = tempfile::tempdir().unwrap();
    for n in 1..=9 {
        assert_eq!(run(NAME, root.path(), None), (n, Some(n as u64)));
    }
    let before = files(root.path(), "All");
    let created = |path: &std::path::PathBuf| std::fs::read(path).unwrap()[48..56].to_vec();
    let oldest = before.iter().min_by_key(|path| {
        let created: [u8; 8] = created(path).try_into().unwrap();
        u64::from_le_bytes(created)
    });
    // Eight of nine files, the retired file, and the file of the process itself.
    assert_eq!(run(NAME, root.path(), None), (10, Some(10)));
    assert!(!oldest.unwrap().exists(), "the oldest goes first");
    assert_eq!(run(NAME, root.path(), Some("all")), (11, Some(11)));
    assert_eq!(run(NAME, root.path(), Some("3")), (5, Some(12)));
    assert_eq!(run(NAME, root.path(), Some("0")), (2, Some(13)));
    assert_eq!(
        run(NAME, root.path(), Some("many")),
        (3, Some(14)),
        "as by default"
    );
}

#[test]
fn a_start_leaves_the_files_of_the_living_alone() {
    const NAME: &str = "dead::a_start_leaves_the_files_of_the_living_alone";
    if child::is_child(NAME) {
        return be_the_child();
    }
    let root = tempfile::tempdir().unwrap();
    let living: Vec<_> = (0..20)
        .map(|_| All::builder().path(root.path()).create().unwrap())
        .collect();
    living.iter().for_each(|all| all.n.add(1));
    assert_eq!(run(NAME, root.path(), Some("0")), (21, Some(21)));
    // When the living files are gone, the next start folds the file of the first run.
    let ours = files(root.path(), "All");
    drop(living);
    assert_eq!(run(NAME, root.path(), Some("0")), (2, Some(2)));
    assert_eq!(ours.iter().filter(|path| path.exists()).count(), 0);
}

#[test]
fn a_start_succeeds_where_dead_files_cannot_be_folded() {
    const NAME: &str = "dead::a_start_succeeds_where_dead_files_cannot_be_folded";
    if child::is_child(NAME) {
        return be_the_child();
    }
    let root = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        run(NAME, root.path(), Some("all"));
    }
    // A retired file to which nothing can be added.
    let retired = root.path().join("All/mmstats-retired");
    std::fs::write(&retired, "mine").unwrap();
    child::run(child::command(NAME, root.path()).env("MMSTATS_DEAD", "0"));
    assert_eq!(files(root.path(), "All").len(), 5);
    assert_eq!(std::fs::read(&retired).unwrap(), b"mine");
    std::fs::remove_file(&retired).unwrap();
    assert_eq!(run(NAME, root.path(), Some("0")), (2, Some(5)));
}
