//! A file and its copy count once.

use super::*;

fn bytes(pid: u32, n: u64) -> Vec<u8> {
    let header = header("m", pid, 7);
    Maker::simple(&header, &schema([counter("a")]), &[n]).finish()
}

#[test]
fn a_file_copied_beside_itself_counts_once_and_the_copy_is_reported() {
    both_ways(|root| {
        // The copy has older values than the file, wherever its name is in the order.
        for copy in ["a-copy", "mmstats-1-2.bak", "mmstats-1-2-1", "z"] {
            let original = root.write("mmstats-1-2", &bytes(1, 100));
            root.write("mmstats-2-3", &bytes(2, 1_000));
            let copy = root.write(copy, &bytes(1, 90));
            let mut reader = root.reader();
            for _ in 0..2 {
                let snapshot = reader.snapshot().unwrap();
                assert_eq!(u64_of(&snapshot, "a"), Some(1_100));
                assert_eq!(snapshot.files().len(), 2);
                let [problem] = snapshot.errors() else {
                    panic!("{:?}", snapshot.errors());
                };
                assert_eq!(problem.path(), copy);
                let named = original.display().to_string();
                assert!(problem.error().contains(&named), "{problem:?}");
                assert!(problem.error().contains("remove"), "{problem:?}");
            }
            std::fs::remove_file(copy).unwrap();
            assert_no_errors(&reader.snapshot().unwrap());
        }
    });
}

#[test]
fn a_copy_in_another_model_s_directory_counts_once() {
    let root = Root::new();
    root.write("mmstats-1-2", &bytes(1, 100));
    let backup = root.path().join("a-backup");
    std::fs::create_dir(&backup).unwrap();
    std::fs::write(backup.join("mmstats-1-2"), bytes(1, 90)).unwrap();
    let snapshot = root.reader().snapshot().unwrap();
    assert_eq!(u64_of(&snapshot, "a"), Some(100));
    assert_eq!(snapshot.errors().len(), 1);
}

#[test]
fn another_name_of_the_same_file_counts_once_and_is_no_problem() {
    let root = Root::new();
    let path = root.write("mmstats-1-2", &bytes(1, 100));
    std::fs::hard_link(path, root.file("mmstats-1-2-1")).unwrap();
    let snapshot = root.reader().snapshot().unwrap();
    assert_no_errors(&snapshot);
    assert_eq!(u64_of(&snapshot, "a"), Some(100));
}

#[test]
fn a_copy_of_somebody_else_hides_nothing() {
    if !rustix::process::geteuid().is_root() {
        assert!(
            std::env::var_os("MMSTATS_REQUIRE_REAL").is_none_or(|value| value != "1"),
            "only root can give a file away"
        );
        return eprintln!("SKIPPED: cannot give a file away without being root");
    }
    let root = Root::new();
    // The header says user 0, and the name of the other one comes first.
    root.write("mmstats-1-2-1", &bytes(1, 100));
    let other = root.write("mmstats-1-2", &bytes(1, 1));
    std::os::unix::fs::chown(&other, Some(65534), None).unwrap();
    let snapshot = root.reader().snapshot().unwrap();
    assert_eq!(u64_of(&snapshot, "a"), Some(100));
    // If nobody can tell which one is the original, both count.
    for name in ["mmstats-1-2-1", "mmstats-1-2"] {
        let uid = if name.ends_with("-1") { 65533 } else { 65534 };
        std::os::unix::fs::chown(root.file(name), Some(uid), None).unwrap();
    }
    let snapshot = root.reader().snapshot().unwrap();
    assert_eq!(u64_of(&snapshot, "a"), Some(101));
}

#[test]
fn a_copy_that_is_read_for_the_first_time_has_not_delta() {
    let root = Root::new();
    let path = root.write("mmstats-1-2", &bytes(1, 100));
    let mut reader = root.reader();
    reader.deltas(true).snapshot().unwrap();
    root.write("mmstats-1-2-1", &bytes(1, 90));
    let delta = |snapshot: &Snapshot| snapshot.models()[0].deltas()[0].value().as_u64();
    assert_eq!(delta(&reader.snapshot().unwrap()), Some(0));
    std::fs::remove_file(path).unwrap();
    let snapshot = reader.snapshot().unwrap();
    assert_no_errors(&snapshot);
    assert_eq!(
        (u64_of(&snapshot, "a"), delta(&snapshot)),
        (Some(90), Some(0))
    );
}
