//! Retired files: the files that they name are not counted twice, whatever else they contain.

use super::*;
use crate::format::retired::{FileId, Folded, NAMED, RETIRED_FILE, Retired};

/// A retired file with this record and this value.
fn retired(retired: &Retired, values: u64) -> Vec<u8> {
    let schema = schema([counter("a")]);
    let mut maker = Maker::new(&header("m", 0, 1));
    maker.bytes.extend(retired.encode());
    let at = maker.schema(&schema);
    let block = maker.instance(at, &schema, "", "");
    maker.set(block, &[values]);
    maker.finish()
}

/// Names the file of process `pid` as folded.
fn of(pid: u32) -> Folded {
    Folded {
        id: FileId::of(&header("m", pid, u64::from(pid))),
        name: format!("mmstats-{pid}-{pid}"),
    }
}

fn names(pids: impl IntoIterator<Item = u32>, folds: u64) -> Retired {
    Retired {
        folds,
        unseen: 0,
        named: pids.into_iter().map(of).collect(),
        since: 1,
    }
}

/// Writes the file of process `pid`, whose counter is `value`.
fn write(root: &Root, pid: u32, value: u64) {
    let header = header("m", pid, pid.into());
    let maker = Maker::simple(&header, &schema([counter("a")]), &[value]);
    root.write(&format!("mmstats-{pid}-{pid}"), &maker.finish());
}

/// Replaces the retired file.
fn replace(root: &Root, bytes: &[u8]) {
    let next = root.write(".next", bytes);
    std::fs::rename(next, root.file(RETIRED_FILE)).unwrap();
}

fn total(snapshot: &Snapshot) -> u64 {
    snapshot.get("m", "a").unwrap().as_u64().unwrap()
}

#[test]
fn files_that_are_named_are_left_out_and_the_totals_are_in() {
    both_ways(|root| {
        for pid in 1..=4 {
            write(root, pid, 10u64.pow(pid));
        }
        let mut reader = root.reader();
        assert_eq!(total(&reader.snapshot().unwrap()), 11_110);
        replace(root, &retired(&names([2, 4], 2), 10_100));
        for mut reader in [reader, root.reader()] {
            let snapshot = reader.snapshot().unwrap();
            assert_no_errors(&snapshot);
            assert_eq!(total(&snapshot), 11_110);
            let shown: Vec<_> = (snapshot.files().iter())
                .map(|file| (file.pid(), file.state(), file.retired()))
                .collect();
            let expected = [
                (1, State::Live, None),
                (0, State::Dead, Some(2)),
                (3, State::Live, None),
            ];
            assert_eq!(shown.len(), 3);
            assert!(
                expected.iter().all(|file| shown.contains(file)),
                "{shown:?}"
            );
            assert_eq!(snapshot.model("m").unwrap().processes(), 2);
        }
        // A file that is read by itself counts, whoever names it.
        let mut one = reader_of(root, "mmstats-2-2");
        assert_eq!(total(&one.snapshot().unwrap()), 100);
    });
}

fn reader_of(root: &Root, name: &str) -> Reader {
    super::reader(&root.file(name))
}

#[test]
fn a_retired_file_without_a_valid_retired_record_is_bad_as_a_whole() {
    let root = Root::new();
    write(&root, 1, 10);
    // No retired record at all, and one after an invalid record.
    let none = Maker::simple(&header("m", 0, 1), &schema([counter("a")]), &[1000]).finish();
    let mut late = Maker::simple(&header("m", 0, 1), &schema([counter("a")]), &[1000]);
    late.bytes.extend([4, 0, 0, 0, 1, 0, 0, 0]);
    late.bytes.extend(names([2], 1).encode());
    for bytes in [none, late.finish()] {
        root.write(RETIRED_FILE, &bytes);
        let snapshot = root.reader().snapshot().unwrap();
        assert_eq!(total(&snapshot), 10);
        let [problem] = snapshot.errors() else {
            panic!("{:?}", snapshot.errors());
        };
        assert!(problem.path().ends_with(RETIRED_FILE), "{problem:?}");
        assert!(problem.error().contains("move it away"), "{problem:?}");
    }
}

#[test]
fn totals_under_another_name_do_not_count_twice() {
    let root = Root::new();
    let bytes = retired(&names([2], 1), 1000);
    root.write(RETIRED_FILE, &bytes);
    let kept = root.write("mmstats-retired.old", &bytes);
    let snapshot = root.reader().snapshot().unwrap();
    assert_eq!(total(&snapshot), 1000);
    let [problem] = snapshot.errors() else {
        panic!("{:?}", snapshot.errors());
    };
    assert_eq!(problem.path(), kept);
    // It can be read by itself.
    let snapshot = reader_of(&root, "mmstats-retired.old").snapshot().unwrap();
    assert_no_errors(&snapshot);
    assert_eq!(total(&snapshot), 1000);
}

#[test]
fn the_last_value_of_what_was_folded_is_not_known_whatever_the_least_and_the_greatest_are() {
    let root = Root::new();
    let schema = schema([percentile("p")]);
    // Every word lies between the least and the greatest value.
    for last in [0, 7, u64::MAX] {
        let mut maker = Maker::new(&header("m", 0, 1));
        maker.bytes.extend(names([1], 1).encode());
        let at = maker.schema(&schema);
        let block = maker.instance(at, &schema, "", "");
        maker.set(
            block,
            &[0, 3, u64::MAX, 0, 1, u64::MAX - 1, !0, u64::MAX, last],
        );
        root.write(RETIRED_FILE, &maker.finish());
        let snapshot = root.reader().snapshot().unwrap();
        assert_no_errors(&snapshot);
        let value = snapshot.get("m", "p").unwrap().as_distribution().unwrap();
        assert_eq!((value.min(), value.max()), (Some(0), Some(u64::MAX)));
        assert_eq!(value.last(), None);
    }
}

#[test]
fn a_name_is_that_of_one_file_only() {
    let root = Root::new();
    write(&root, 1, 10);
    write(&root, 2, 100);
    let all = names([1], 1);
    // Another file with the same name in the directory: each part of the identity distinguishes it.
    for change in 0..4 {
        let mut header = header("m", 1, 1);
        match change {
            0 => header.created += 1,
            1 => header.lock.token += 1,
            2 => header.start_time += 1,
            _ => header.tid += 1,
        }
        let named = Folded {
            id: FileId::of(&header),
            ..all.named[0].clone()
        };
        let other = Retired {
            named: vec![named],
            ..all.clone()
        };
        replace(&root, &retired(&other, 1000));
        assert_eq!(total(&root.reader().snapshot().unwrap()), 1110, "{change}");
    }
    replace(&root, &retired(&all, 1000));
    assert_eq!(total(&root.reader().snapshot().unwrap()), 1100);
}

#[test]
fn names_of_somebody_else_s_retired_file_hide_nothing() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIPPED: cannot give a file away without being root");
    }
    let root = Root::new();
    write(&root, 1, 10);
    let path = root.write(RETIRED_FILE, &retired(&names([1], 1), 1000));
    std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
    let snapshot = root.reader().snapshot().unwrap();
    assert_eq!(total(&snapshot), 1010);
}

#[test]
fn a_bad_retired_file_is_named_and_hides_nothing() {
    let root = Root::new();
    write(&root, 1, 10);
    let good = retired(&names([1], 1), 1000);
    let mut reader = root.reader();
    for bytes in [&good[..100], b"\x03mmstats", b""] {
        replace(&root, bytes);
        for _ in 0..2 {
            let snapshot = reader.snapshot().unwrap();
            assert_eq!(total(&snapshot), 10);
            let [problem] = snapshot.errors() else {
                panic!("{:?}", snapshot.errors());
            };
            assert!(problem.path().ends_with(RETIRED_FILE));
        }
    }
    // A count of names that are not there.
    let mut wrong = good.clone();
    let at = header("m", 0, 1).encode().len() + 16;
    wrong[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    replace(&root, &wrong);
    let snapshot = reader.snapshot().unwrap();
    assert_eq!((total(&snapshot), snapshot.errors().len()), (10, 1));
    // A directory with that name.
    std::fs::remove_file(root.file(RETIRED_FILE)).unwrap();
    std::fs::create_dir(root.file(RETIRED_FILE)).unwrap();
    let snapshot = reader.snapshot().unwrap();
    assert_eq!((total(&snapshot), snapshot.errors().len()), (10, 1));
    std::fs::remove_dir(root.file(RETIRED_FILE)).unwrap();
    replace(&root, &good);
    let snapshot = reader.snapshot().unwrap();
    assert_no_errors(&snapshot);
    assert_eq!(total(&snapshot), 1000);
    std::fs::remove_file(root.file(RETIRED_FILE)).unwrap();
    assert_eq!(total(&reader.snapshot().unwrap()), 10, "it is gone");
}

#[test]
fn more_folds_at_once_than_names_make_the_reader_start_over() {
    let root = Root::new();
    let mut files = Files::default();
    let (mut plans, mut scratch, mut problems) = Default::default();
    let mut tools = Tools {
        plans: &mut plans,
        scratch: &mut scratch,
        problems: &mut problems,
    };
    write(&root, 1, 10);
    let place = Location::Tree(root.path().to_owned());
    replace(&root, &retired(&names([], 5), 0));
    let meanwhile = |files: &mut Files, tools: &mut Tools<'_>, folds: u64| {
        files.scan(&place, tools).unwrap();
        files.read(tools);
        replace(&root, &retired(&names([], folds), 0));
        files.retire(tools)
    };
    assert!(meanwhile(&mut files, &mut tools, 5 + NAMED as u64));
    assert!(!meanwhile(&mut files, &mut tools, 6 + 2 * NAMED as u64));
    assert!(!meanwhile(&mut files, &mut tools, 3), "fewer than before");
    assert!(meanwhile(&mut files, &mut tools, 4));
}

#[test]
fn a_label_of_two_versions_counts_for_both() {
    let root = Root::new();
    let (old, new) = (schema([counter("a")]), schema([counter("b"), counter("a")]));
    let mut maker = Maker::new(&header("m", 0, 1)).owner(Owner {
        tid: 0,
        state: OwnerState::Ended,
        adoptions: 0,
    });
    maker.bytes.extend(names([], 2).encode());
    for (schema, values) in [(new, &[1, 10][..]), (old, &[100])] {
        let at = maker.schema(&schema);
        let block = maker.instance(at, &schema, "", "");
        maker.set(block, values);
    }
    root.write(RETIRED_FILE, &maker.finish());
    let snapshot = root.reader().snapshot().unwrap();
    assert_no_errors(&snapshot);
    assert_eq!(total(&snapshot), 110);
}
