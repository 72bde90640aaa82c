//! What a snapshot keeps apart: models, processes or files.

use super::*;
use std::time::{Duration, SystemTime};

/// A file of a process, created at `created`, with a counter, an up-down and a gauge.
fn file(pid: u32, created: u64, values: [u64; 3]) -> Vec<u8> {
    let schema = schema([
        counter("counter"),
        word("updown", code::UP_DOWN, Scalar::I64),
        word("gauge", code::GAUGE, Scalar::U64),
    ]);
    Maker::simple(&header("m", pid, created), &schema, &values).finish()
}

fn with_tid(mut bytes: Vec<u8>, tid: u32) -> Vec<u8> {
    bytes[60..64].copy_from_slice(&tid.to_le_bytes());
    bytes
}

/// Returns for each model the pid of its process, and its values.
fn entries(snapshot: &Snapshot) -> Vec<(Option<u32>, [Option<u64>; 3])> {
    let of = |model: &Model| {
        let value = |label| model.get(label).and_then(Value::as_u64);
        let values = ["counter", "updown", "gauge"].map(value);
        (model.process().map(Process::pid), values)
    };
    snapshot.models().iter().map(of).collect()
}

fn dead(pids: &[u32]) -> Stub {
    Stub(
        pids.iter()
            .map(|&pid| (pid.into(), Liveness::Dead))
            .collect(),
    )
}

/// Process 1 has two files, process 2 has one and is dead.
fn two_processes() -> Root {
    let root = Root::new();
    root.write("mmstats-1-1", &file(1, 10, [1, 10, 100]));
    root.write("mmstats-1-2", &with_tid(file(1, 12, [2, 20, 200]), 2));
    root.write("mmstats-2-2", &file(2, 11, [4, 40, 400]));
    root
}

#[test]
fn a_model_is_there_once_for_each_process() {
    let root = two_processes();
    let mut reader = root.reader();
    reader.states = Box::new(dead(&[2]));
    let snapshot = reader.per(Per::Process).snapshot().unwrap();
    assert_no_errors(&snapshot);
    // The levels of a dead process do not count within it either.
    let wanted = [
        (Some(1), [Some(3), Some(30), Some(300)]),
        (Some(2), [Some(4), Some(0), Some(0)]),
    ];
    assert_eq!(entries(&snapshot), wanted);
    let processes: Vec<_> = (snapshot.models().iter())
        .map(|model| model.process().unwrap())
        .map(|process| (process.exe(), process.state(), process.started()))
        .collect();
    let exe = "/bin/app";
    assert_eq!(
        processes,
        [(exe, State::Live, None), (exe, State::Dead, None)]
    );
    assert!(snapshot.models().iter().all(|model| model.file().is_none()));
    // Look-ups by name use the totals.
    assert_eq!(snapshot.merged().len(), 1);
    assert_eq!(u64_of(&snapshot, "counter"), Some(7));
    assert_eq!(u64_of(&snapshot, "gauge"), Some(300));
}

#[test]
fn a_model_is_there_once_for_each_file() {
    let root = two_processes();
    let mut reader = root.reader();
    reader.states = Box::new(dead(&[2]));
    let snapshot = reader.per(Per::File).snapshot().unwrap();
    // Everything in a file, whatever its state.
    let wanted = [
        (Some(1), [Some(1), Some(10), Some(100)]),
        (Some(2), [Some(4), Some(40), Some(400)]),
        (Some(1), [Some(2), Some(20), Some(200)]),
    ];
    assert_eq!(entries(&snapshot), wanted);
    for (file, model) in snapshot.files().iter().zip(snapshot.models()) {
        assert_eq!(model.file().unwrap().path(), file.path());
        assert_eq!(
            snapshot.of_file(file).unwrap().file().unwrap().path(),
            file.path()
        );
        assert_eq!(
            model.get("sys.tid").unwrap().as_u64(),
            Some(file.tid().into())
        );
    }
    let snapshot = reader.per(Per::Model).snapshot().unwrap();
    assert_eq!(entries(&snapshot), [(None, [Some(7), Some(30), Some(300)])]);
    assert!(snapshot.of_file(&snapshot.files()[0]).is_none());
}

#[test]
fn a_process_has_only_the_labels_of_its_files() {
    let root = Root::new();
    for pid in 1..=20 {
        let own = schema([counter("all"), counter(&format!("own-{pid:02}"))]);
        let bytes = Maker::simple(&header("m", pid, pid.into()), &own, &[1, pid.into()]).finish();
        root.write(&format!("mmstats-{pid}-{pid}"), &bytes);
    }
    let mut reader = root.reader();
    reader.per(Per::Process);
    for _ in 0..2 {
        let snapshot = reader.snapshot().unwrap();
        assert_eq!(snapshot.merged()[0].series().len(), 21);
        for (pid, model) in (1..).zip(snapshot.models()) {
            let labels: Vec<_> = model.series().iter().map(Series::label).collect();
            assert_eq!(labels, ["all".to_owned(), format!("own-{pid:02}")]);
            assert_eq!(model.get(labels[1]).unwrap().as_u64(), Some(pid));
        }
    }
}

#[test]
fn a_series_counts_since_its_earliest_file() {
    let root = two_processes();
    let at = |nanos| SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos);
    let mut reader = root.reader();
    reader.states = Box::new(dead(&[1]));
    let since = |snapshot: &Snapshot| -> Vec<Vec<SystemTime>> {
        let of = |model: &Model| model.series().iter().map(Series::since).collect();
        snapshot.models().iter().map(of).collect()
    };
    // Counter, gauge, up-down: the levels of process 1 no longer count.
    let merged = since(&reader.snapshot().unwrap());
    assert_eq!(merged, [[at(10), at(11), at(11)]]);
    let apart = since(reader.per(Per::Process).snapshot().as_ref().unwrap());
    assert_eq!(apart[1], [at(11); 3]);
    let apart = since(reader.per(Per::File).snapshot().as_ref().unwrap());
    assert_eq!(apart, [[at(10); 3], [at(11); 3], [at(12); 3]]);
}

#[test]
fn deltas_are_those_of_each_process_while_they_come_and_go() {
    use crate::sys::process::clock::unix_nanos;

    fn deltas(reader: &mut Reader) -> (Vec<(u32, u64)>, u64) {
        let snapshot = reader.snapshot().unwrap();
        assert_no_errors(&snapshot);
        let counter = |model: &Model| model.deltas()[0].value().as_u64().unwrap();
        let of = |model: &Model| (model.process().unwrap().pid(), counter(model));
        let merged = snapshot.merged().first().map_or(0, counter);
        (snapshot.models().iter().map(of).collect(), merged)
    }

    for per in [Per::Process, Per::File] {
        let root = Root::new();
        root.write("mmstats-1-1", &file(1, 10, [100, 0, 0]));
        let mut reader = root.reader();
        reader.per(per).deltas(true);
        assert_eq!(deltas(&mut reader), (vec![(1, 0)], 0));
        rewrite(&root, "mmstats-1-1", &file(1, 10, [107, 0, 0]));
        let now = unix_nanos();
        root.write("mmstats-2-2", &file(2, now, [5, 0, 0]));
        assert_eq!(deltas(&mut reader), (vec![(1, 7), (2, 5)], 12));
        // The first file is removed and subtracts nothing.
        std::fs::remove_file(root.file("mmstats-1-1")).unwrap();
        rewrite(&root, "mmstats-2-2", &file(2, now, [6, 0, 0]));
        assert_eq!(deltas(&mut reader), (vec![(2, 1)], 1));
        assert_eq!(deltas(&mut reader), (vec![(2, 0)], 0));
    }
}

/// Changes a file in place, as a writer does.
fn rewrite(root: &Root, name: &str, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(root.file(name));
    file.unwrap().write_all_at(bytes, 0).unwrap();
}

/// The process that was folded has no delta any more. What it counted until then is in the delta of the
/// retired file, which belongs to no process.
#[test]
fn deltas_of_processes_add_up_to_the_whole_across_a_fold() {
    use crate::format::retired::{FileId, Folded, Retired};

    let root = Root::new();
    root.write("mmstats-1-1", &file(1, 10, [100, 0, 0]));
    root.write("mmstats-2-2", &file(2, 11, [50, 0, 0]));
    let mut reader = root.reader();
    reader.per(Per::Process).deltas(true).snapshot().unwrap();
    // Process 1 counted three more and was folded; process 2 continues.
    let mut maker = Maker::new(&header("m", 1, 10));
    let retired = Retired {
        folds: 1,
        unseen: 1,
        named: vec![Folded {
            id: FileId::of(&header("m", 1, 10)),
            name: "mmstats-1-1".into(),
        }],
        since: 4,
    };
    maker.bytes.extend(retired.encode());
    let schema = schema([counter("counter")]);
    let at = maker.schema(&schema);
    let block = maker.instance(at, &schema, "", "");
    maker.set(block, &[103]);
    root.write("mmstats-retired", &maker.finish());
    std::fs::remove_file(root.file("mmstats-1-1")).unwrap();
    rewrite(&root, "mmstats-2-2", &file(2, 11, [52, 0, 0]));
    let snapshot = reader.snapshot().unwrap();
    let of = |model: &Model| {
        let delta = model.deltas()[0].value().as_u64().unwrap();
        (model.process().map(Process::pid), delta)
    };
    let parts: Vec<_> = snapshot.models().iter().map(of).collect();
    assert_eq!(parts, [(None, 3), (Some(2), 2)]);
    assert_eq!(of(&snapshot.merged()[0]), (None, 5));
    let since = snapshot.merged()[0].series()[0].since();
    assert_eq!(since, SystemTime::UNIX_EPOCH + Duration::from_nanos(4));
}
