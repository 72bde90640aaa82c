//! Deltas between two snapshots, while files come and go.

use super::*;
use crate::format::header::Header;
use crate::format::retired::{FileId, Folded, Retired};
use crate::sys::process::clock::unix_nanos;

/// A file that was created at `created` and has counted `n`.
fn file(created: u64, n: u64) -> Vec<u8> {
    let header = header("m", 1, created);
    Maker::simple(&header, &schema([counter("n")]), &[n]).finish()
}

/// Changes a file in place, as a writer does.
fn rewrite(root: &Root, name: &str, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(root.file(name));
    file.unwrap().write_all_at(bytes, 0).unwrap();
}

fn delta(reader: &mut Reader) -> Option<u64> {
    let snapshot = reader.snapshot().unwrap();
    assert_no_errors(&snapshot);
    let stat = snapshot.model("m")?.deltas().first()?;
    assert_eq!(stat.label(), "n");
    stat.value().as_u64()
}

fn watched(root: &Root) -> Reader {
    let mut reader = root.reader();
    reader.deltas(true);
    reader
}

#[test]
fn what_was_there_before_the_first_snapshot_is_no_delta() {
    let root = Root::new();
    root.write("mmstats-1-1", &file(5, 100));
    let mut reader = watched(&root);
    assert_eq!(delta(&mut reader), Some(0));
    rewrite(&root, "mmstats-1-1", &file(5, 107));
    assert_eq!(delta(&mut reader), Some(7));
    assert_eq!(delta(&mut reader), Some(0));
}

#[test]
fn a_new_file_counts_whole_if_it_is_younger_than_the_last_snapshot() {
    let root = Root::new();
    root.write("mmstats-1-1", &file(5, 100));
    let mut reader = watched(&root);
    delta(&mut reader);
    root.write("mmstats-1-2", &file(unix_nanos(), 3));
    // Like a file that could not be read until now: its 1,000 are older.
    root.write("mmstats-1-3", &file(6, 1_000));
    assert_eq!(delta(&mut reader), Some(3));
    rewrite(&root, "mmstats-1-3", &file(6, 1_001));
    assert_eq!(delta(&mut reader), Some(1));
}

#[test]
fn a_file_that_goes_takes_nothing_away() {
    let root = Root::new();
    root.write("mmstats-1-1", &file(5, 100));
    root.write("mmstats-1-2", &file(6, 1_000));
    let mut reader = watched(&root);
    delta(&mut reader);
    std::fs::remove_file(root.file("mmstats-1-2")).unwrap();
    rewrite(&root, "mmstats-1-1", &file(5, 102));
    assert_eq!(delta(&mut reader), Some(2));
    // Another process now has a file of that name.
    std::fs::remove_file(root.file("mmstats-1-1")).unwrap();
    root.write("mmstats-1-1", &file(unix_nanos(), 4));
    assert_eq!(delta(&mut reader), Some(4));
}

/// Replaces the retired file by one into which `folds` files were folded, the last of them with the header
/// `last`.
fn retire(root: &Root, folds: u64, last: &Header, n: u64) {
    let mut maker = Maker::simple(&header("m", 1, last.created), &schema([counter("n")]), &[n]);
    let folded = Folded {
        id: FileId::of(last),
        name: "mmstats-1-1".into(),
    };
    let retired = Retired {
        folds,
        unseen: 1,
        named: vec![folded],
        since: 5,
    };
    maker.bytes.extend(retired.encode());
    root.write("new", &maker.finish());
    std::fs::rename(root.file("new"), root.file("mmstats-retired")).unwrap();
}

/// The values of a process at its end go into the retired file, in one step for a snapshot.
#[test]
fn totals_that_go_into_the_retired_file_are_not_counted_twice() {
    let root = Root::new();
    root.write("mmstats-1-1", &file(5, 100));
    root.write("mmstats-1-2", &file(6, 1_000));
    let mut reader = watched(&root);
    assert_eq!(delta(&mut reader), Some(0));
    // The second file counted three more and ended. First it still exists, but is named; then it is gone.
    retire(&root, 1, &header("m", 1, 6), 1_003);
    assert_eq!(delta(&mut reader), Some(3));
    std::fs::remove_file(root.file("mmstats-1-2")).unwrap();
    assert_eq!(delta(&mut reader), Some(0));
    // So did the first file, at 107, and a third one that was never seen, at 20.
    retire(&root, 3, &header("m", 1, 5), 1_130);
    std::fs::remove_file(root.file("mmstats-1-1")).unwrap();
    assert_eq!(delta(&mut reader), Some(27));
    assert_eq!(delta(&mut reader), Some(0));
}

/// Both in the same interval: only the file that is named is in the retired file.
#[test]
fn of_a_file_that_is_folded_and_one_that_is_removed_only_the_first_is_in_the_totals() {
    let root = Root::new();
    root.write("mmstats-1-1", &file(5, 100));
    root.write("mmstats-1-2", &file(6, 1_000));
    let mut reader = watched(&root);
    delta(&mut reader);
    retire(&root, 1, &header("m", 1, 6), 1_003);
    std::fs::remove_file(root.file("mmstats-1-2")).unwrap();
    std::fs::remove_file(root.file("mmstats-1-1")).unwrap();
    assert_eq!(delta(&mut reader), Some(3));
    assert_eq!(delta(&mut reader), Some(0));
}

/// It is then not known which files they were, so the delta is too small rather than too large.
#[test]
fn where_more_were_folded_than_are_named_all_that_went_may_be_in_the_totals() {
    let root = Root::new();
    root.write("mmstats-1-1", &file(5, 100));
    root.write("mmstats-1-2", &file(6, 1_000));
    let mut reader = watched(&root);
    delta(&mut reader);
    std::fs::remove_file(root.file("mmstats-1-2")).unwrap();
    std::fs::remove_file(root.file("mmstats-1-1")).unwrap();
    retire(&root, 1_025, &header("m", 1, 6), 1_103);
    // More folds than names between two looks make the reader start over; then it finds the same file.
    assert_eq!(delta(&mut reader), Some(3));
}

#[test]
fn a_retired_file_that_was_there_before_has_not_risen() {
    let root = Root::new();
    retire(&root, 1, &header("m", 1, 6), 1_003);
    let mut reader = watched(&root);
    assert_eq!(delta(&mut reader), Some(0));
    assert_eq!(delta(&mut reader), Some(0));
}

#[test]
fn of_a_file_that_grew_the_delta_is_what_is_new() {
    let root = Root::new();
    let header = header("m", 1, 5);
    let schema = schema([counter("n")]);
    let mut maker = Maker::simple(&header, &schema, &[10]);
    root.write(
        "mmstats-1-1",
        &Maker {
            bytes: maker.bytes.clone(),
        }
        .finish(),
    );
    let mut reader = watched(&root);
    delta(&mut reader);
    let at = maker.schema(&schema);
    let block = maker.instance(at, &schema, "", "group");
    maker.set(block, &[4]);
    rewrite(&root, "mmstats-1-1", &maker.finish());
    let snapshot = reader.snapshot().unwrap();
    let delta: Vec<_> = (snapshot.model("m").unwrap().deltas().iter())
        .map(|stat| (stat.label(), stat.value().as_u64().unwrap()))
        .collect();
    assert_eq!(delta, [("group.n", 4), ("n", 0)]);
}

#[test]
fn percentiles_are_those_of_the_interval() {
    let root = Root::new();
    // Moments, and one coarse count for each octave. Octave 1 is 128 to 255, octave 4 is 1024 to 2047.
    let values = |low: u64, high: u64| {
        let mut words = [0; 1 + 2 * 8 + 58];
        let count = low + high;
        words[1..9].copy_from_slice(&[count, 200 * low + 1500 * high, 0, 0, 0, !200, 1500, 1500]);
        (words[17 + 1], words[17 + 4]) = (low, high);
        let header = header("m", 1, 5);
        Maker::simple(&header, &schema([percentile("p")]), &words).finish()
    };
    root.write("mmstats-1-1", &values(1_000, 1));
    let mut reader = watched(&root);
    reader.per(Per::File).snapshot().unwrap();
    rewrite(&root, "mmstats-1-1", &values(1_000, 11));
    let snapshot = reader.snapshot().unwrap();
    let model = snapshot.model("m").unwrap();
    let all = model.get("p").unwrap().as_distribution().unwrap();
    assert!(all.percentile(50.0).unwrap() < 256);
    let of_file = &snapshot.models()[0].deltas()[0];
    for stat in [&model.deltas()[0], of_file] {
        let interval = stat.value().as_distribution().unwrap();
        assert_eq!((interval.count(), interval.total()), (10, 15_000));
        assert_eq!(interval.min(), Some(1024));
        assert_eq!(interval.max(), Some(1500));
        assert_eq!(
            interval.percentile(50.0),
            Some(1500),
            "1024 to 2047, at most 1500"
        );
    }
    // An interval without values.
    let snapshot = reader.snapshot().unwrap();
    let nothing = &snapshot.model("m").unwrap().deltas()[0];
    assert_eq!(
        nothing.value().as_distribution().unwrap().percentile(50.0),
        None
    );
}

#[test]
fn of_a_compound_only_the_fields_that_count_have_deltas() {
    let compound = |fields: &[bool]| {
        let mut metric = compound("pool", fields.len());
        for (field, counter) in std::sync::Arc::make_mut(&mut metric.fields)
            .iter_mut()
            .zip(fields)
        {
            field.counter = *counter;
        }
        metric
    };
    // (The words of a slot whose second buffer is published: sequence, first buffer, second buffer.)
    let file = |created, fields: &[bool], values: [u64; 2]| {
        let header = header("m", 1, created);
        let [a, b] = values;
        Maker::simple(&header, &schema([compound(fields)]), &[2, 0, 0, a, b]).finish()
    };
    let root = Root::new();
    root.write("mmstats-1-1", &file(5, &[true, false], [10, 3]));
    let mut reader = watched(&root);
    let deltas = |reader: &mut Reader| {
        let snapshot = reader.snapshot().unwrap();
        assert_no_errors(&snapshot);
        let model = snapshot.model("m").unwrap();
        let deltas = model.deltas().iter();
        deltas
            .map(|series| series.value().to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(deltas(&mut reader), ["f0 0"]);
    rewrite(&root, "mmstats-1-1", &file(5, &[true, false], [14, 1]));
    root.write("mmstats-1-2", &file(unix_nanos(), &[true, false], [100, 7]));
    assert_eq!(deltas(&mut reader), ["f0 104"]);
    // A counter that falls counts as a new one.
    rewrite(&root, "mmstats-1-1", &file(5, &[true, false], [2, 1]));
    assert_eq!(deltas(&mut reader), ["f0 0"]);

    let root = Root::new();
    root.write("mmstats-1-1", &file(5, &[false, false], [10, 3]));
    assert!(deltas(&mut watched(&root)).is_empty());
}
