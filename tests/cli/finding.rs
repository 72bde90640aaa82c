//! Files that are found through the processes that have them mapped.

use std::fs;
use std::path::Path;
use std::process;

use tempfile::TempDir;

use super::{db, mmstats, path_of, show_json, text_of, web};

#[test]
fn a_process_is_a_path() {
    let (root, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (a, b) = (db(root.path()), web(other.path()));
    a.queries.add(3);
    let pid = process::id().to_string();
    let shown = show_json(&[], &[Path::new(&pid)]);
    // This process has those of other tests, too.
    let paths = |model: &str| shown["models"][model]["files"].to_string();
    for (model, path) in [("Db", path_of(&a)), ("my-app", path_of(&b))] {
        assert!(paths(model).contains(path.to_str().unwrap()), "{shown}");
    }
    assert!(shown["models"]["Db"]["stats"]["queries"]["value"].as_u64() >= Some(3));
}

#[test]
fn a_file_that_is_called_like_a_process_is_a_path() {
    let directory = TempDir::new().unwrap();
    let stats = db(&directory.path().join("1"));
    let output = mmstats()
        .args(["ls", "1"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let shown = text_of(&output.stdout);
    assert!(
        shown.contains(path_of(&stats).to_str().unwrap()),
        "{output:?}"
    );
    assert_eq!(shown.lines().count(), 2);
}

#[test]
fn a_process_that_has_ended_is_found_by_its_number() {
    let root = TempDir::new().unwrap();
    let file = path_of(&db(root.path()));
    let stats = db(root.path());
    // A pid that no process can have.
    let left = file.with_file_name("mmstats-99999999-1");
    fs::copy(path_of(&stats), &left).unwrap();
    let output = mmstats()
        .args(["ls", "99999999"])
        .env("MMSTATS_PATH", root.path())
        .output()
        .unwrap();
    let shown = text_of(&output.stdout);
    assert!(shown.contains(left.to_str().unwrap()), "{output:?}");
    assert_eq!(shown.lines().count(), 2);
    let output = mmstats().args(["ls", "99999998"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text_of(&output.stderr);
    assert!(
        said.contains("no stats files in process 99999998"),
        "{said}"
    );
}

#[test]
fn all_processes_have_theirs_listed_whatever_their_root() {
    let (root, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (a, b) = (db(root.path()), web(other.path()));
    let output = mmstats().args(["ls", "--all"]).output().unwrap();
    let shown = text_of(&output.stdout);
    for path in [path_of(&a), path_of(&b)] {
        assert!(shown.contains(path.to_str().unwrap()), "{output:?}");
    }
    let output = mmstats().args(["ls", "--all", "/tmp"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn where_nothing_is_found_other_roots_are_named() {
    let (root, empty) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let _stats = db(root.path());
    let output = mmstats()
        .arg("show")
        .env("MMSTATS_PATH", empty.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text_of(&output.stderr);
    assert!(
        said.contains("running programs have some elsewhere"),
        "{said}"
    );
    // Among those of other tests, of which there may be too many to name.
    let named = said.contains(root.path().to_str().unwrap());
    assert!(named || said.contains("mmstats ls --all"), "{said}");
}
