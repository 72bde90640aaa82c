//! The reader against files made by hand: what merges how, and what hostile bytes may do.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::testing::*;
use super::*;
use crate::format::header::{COMMITTED, Owner, OwnerState};
use crate::format::scalar::{Number, Scalar};
use crate::format::schema::{Geometry, MetricSchema};
use crate::format::slot;
use crate::metric::Value;
use crate::metric::kind::code;
use crate::sys::identity::Life;

fn u64_of(snapshot: &Snapshot, label: &str) -> Option<u64> {
    snapshot.get("m", label).and_then(Value::as_u64)
}

/// Both ways of copying: mapped, and read.
fn both_ways(test: impl Fn(&Root)) {
    for shared in [false, true] {
        let root = Root::new();
        std::fs::create_dir(root.path().join("m")).unwrap();
        if shared {
            root.share();
        }
        test(&root);
    }
}

#[track_caller]
fn assert_no_errors(snapshot: &Snapshot) {
    assert_eq!(snapshot.errors(), []);
}

#[test]
fn snapshots_and_readers_may_go_to_other_threads() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<Reader>();
    send::<Snapshot>();
    sync::<Snapshot>();
}

#[test]
fn two_files_merge_and_later_snapshots_see_new_values_files_and_records() {
    both_ways(|root| {
        let schema = schema([counter("a"), text("t"), counter("b")]);
        let mut one = Maker::new(&header("m", 10, 1));
        let at = one.schema(&schema);
        let block = one.instance(at, &schema, "", "");
        // a; sequence 2 (publication 1), buffer 0, buffer 1: "hi"; b
        one.set(block, &[5, 2, 9, 9, 9, 2, 0x6968, 0, 7]);
        let path = root.write("mmstats-10-11", &one.bytes);
        let mut reader = root.reader();
        // Nothing is committed yet.
        let snapshot = reader.snapshot().unwrap();
        assert_no_errors(&snapshot);
        assert_eq!(snapshot.iter().count(), 0);
        assert_eq!(snapshot.files().len(), 1);

        let bytes = one.finish();
        root.write("mmstats-10-11", &bytes);
        let snapshot = reader.snapshot().unwrap();
        assert_no_errors(&snapshot);
        assert_eq!(u64_of(&snapshot, "a"), Some(5));
        assert_eq!(u64_of(&snapshot, "b"), Some(7));
        assert_eq!(snapshot.get("m", "t").unwrap().as_str(), Some("hi"));

        let two = Maker::simple(&header("m", 20, 2), &schema, &[100, 0, 0, 0, 0, 0, 0, 0, 1]);
        root.write("mmstats-20-21", &two.finish());
        let snapshot = reader.snapshot().unwrap();
        assert_no_errors(&snapshot);
        assert!(snapshot.is_whole());
        assert_eq!(u64_of(&snapshot, "a"), Some(105));
        assert_eq!(u64_of(&snapshot, "b"), Some(8));
        assert_eq!(
            snapshot.get("m", "t").unwrap().as_str(),
            Some(""),
            "of the file created last"
        );
        let model = snapshot.model("m").unwrap();
        assert_eq!((model.processes(), model.files()), (2, &[0, 1][..]));
        let labels: Vec<_> = model.stats().iter().map(Stat::label).collect();
        assert_eq!(labels, ["a", "b", "t"]);
        assert_eq!(reader.plans.len(), 1);

        // A group is added to the first file.
        let mut one = Maker { bytes };
        let block = one.instance(at, &schema, "g.", "index");
        one.set(block, &[3]);
        let grown = one.finish();
        std::fs::write(&path, &grown).unwrap();
        let snapshot = reader.snapshot().unwrap();
        assert_no_errors(&snapshot);
        assert_eq!(u64_of(&snapshot, "g.index.a"), Some(3));
        assert_eq!(
            snapshot.labels("g.*").collect::<Vec<_>>(),
            ["g.index.a", "g.index.b", "g.index.t"]
        );

        std::fs::remove_file(&path).unwrap();
        let snapshot = reader.snapshot().unwrap();
        assert_no_errors(&snapshot);
        assert_eq!(u64_of(&snapshot, "a"), Some(100));
        assert_eq!(u64_of(&snapshot, "g.index.a"), None);
    });
}

#[test]
fn private_files_are_mapped_and_others_are_not() {
    for shared in [false, true] {
        let root = Root::new();
        root.write(
            "mmstats-1-1",
            &Maker::simple(&header("m", 1, 1), &schema([counter("a")]), &[1]).finish(),
        );
        if shared {
            root.share();
        }
        let mut reader = root.reader();
        reader.snapshot().unwrap();
        assert!(
            reader
                .files
                .in_order()
                .iter()
                .all(|file| file.is_mapped() != shared)
        );
    }
}

#[test]
fn a_root_a_model_and_a_file_can_be_opened() {
    let root = Root::new();
    assert!(Reader::open(root.path().join("missing")).is_err());
    assert_eq!(root.reader().snapshot().unwrap().models().len(), 0);
    let bytes = |pid| Maker::simple(&header("m", pid, 1), &schema([counter("a")]), &[1]).finish();
    let file = root.write("mmstats-1-2", &bytes(1));
    root.write("mmstats-2-3", &bytes(2));
    for (path, want) in [(root.path(), 2), (&root.path().join("m"), 2), (&file, 1)] {
        let snapshot = reader(path).snapshot().unwrap();
        assert_no_errors(&snapshot);
        assert_eq!(u64_of(&snapshot, "a"), Some(want));
        assert_eq!(snapshot.path(), path);
    }
}

#[test]
fn which_files_count_depends_on_who_lives() {
    let root = Root::new();
    let schema = schema([
        counter("counter"),
        word("updown", code::UP_DOWN, Scalar::I64),
        word("gauge", code::GAUGE, Scalar::F64),
        word("flag", code::FLAG, Scalar::Bool),
        word("constant", code::CONSTANT, Scalar::U64),
    ]);
    for (pid, state) in [
        (1, OwnerState::Live),
        (2, OwnerState::Orphan),
        (3, OwnerState::Live),
        (4, OwnerState::Live),
    ] {
        let values = [
            1,
            10u64.pow(pid),
            f64::to_bits(pid.into()),
            u64::from(pid == 3),
            pid.into(),
        ];
        let maker = Maker::simple(&header("m", pid, pid.into()), &schema, &values);
        let file = maker
            .owner(Owner {
                tid: 90 + pid,
                state,
                adoptions: 0,
            })
            .finish();
        root.write(&format!("mmstats-{pid}-0"), &file);
    }
    let mut reader = root.reader();
    reader.judge = Box::new(Stub([(3, Life::Dead), (4, Life::Unknown)].into()));
    let snapshot = reader.snapshot().unwrap();
    let states: Vec<_> = snapshot
        .files()
        .iter()
        .map(|file| file.state().name())
        .collect();
    assert_eq!(states, ["live", "orphan", "dead", "unknown"]);
    assert_eq!(
        snapshot.files()[1].get("sys.tid").unwrap().as_u64(),
        Some(92)
    );
    assert_eq!(
        snapshot.files()[1].get("sys.pid").unwrap().as_u64(),
        Some(2)
    );
    assert_eq!(u64_of(&snapshot, "counter"), Some(4));
    assert_eq!(u64_of(&snapshot, "updown"), Some(10 + 100 + 10_000));
    assert_eq!(snapshot.get("m", "gauge").unwrap().as_f64(), Some(5.0));
    assert_eq!(snapshot.get("m", "flag").unwrap().as_bool(), Some(false));
    assert_eq!(u64_of(&snapshot, "constant"), Some(4));

    reader.judge = Box::new(Stub((1..5).map(|pid| (pid, Life::Dead)).collect()));
    let snapshot = reader.snapshot().unwrap();
    assert_eq!(u64_of(&snapshot, "counter"), Some(4));
    assert_eq!(
        snapshot.get("m", "gauge"),
        Some(&Value::Gauge(Number::Int(0)))
    );
    assert_eq!(u64_of(&snapshot, "updown"), Some(0));
    assert_eq!(
        u64_of(&snapshot, "constant"),
        Some(4),
        "none lives, so all count"
    );

    let snapshot = reader.per_file(true).snapshot().unwrap();
    let dead = &snapshot.files()[0];
    assert_eq!(
        dead.get("gauge").unwrap().as_f64(),
        Some(1.0),
        "what the file itself says"
    );
    assert_eq!(dead.stats().unwrap().len(), 5);
}

#[test]
fn percentiles_have_their_octaves_and_are_looked_up_in_both_forms() {
    both_ways(|root| {
        let schema = schema([counter("a"), percentile("p")]);
        for pid in [1, 2] {
            let mut maker = Maker::new(&header("m", pid, pid.into()));
            let at = maker.schema(&schema);
            let block = maker.instance(at, &schema, "", "index");
            let moments = crate::metric::distribution::Moments::default()
                .with(3)
                .with(1000)
                .to_words();
            maker.set(block + 8, &[2]);
            maker.set(block + 8 + 8 + 64, &moments);
            // With 2 digits an octave has 128 buckets: 3 is in the fourth of octave 0, and 1000 = 512 + 4·122
            // in octave 3, whose buckets are 4 wide.
            for (octave, position) in [(0, 3), (3, 122)] {
                let mut counts = [0; 128];
                counts[position] = 1;
                maker.octave(block + 8, octave, &counts);
            }
            root.write(&format!("mmstats-{pid}-0"), &maker.finish());
        }
        let snapshot = root.reader().snapshot().unwrap();
        assert_no_errors(&snapshot);
        let merged = snapshot
            .get("m", "index.p")
            .unwrap()
            .as_distribution()
            .unwrap();
        assert_eq!(
            (merged.count(), merged.bucket_count(), merged.total()),
            (4, 4, 2006)
        );
        for label in ["index.p.Median", "index.p:Median", "index.p.Percentile50th"] {
            assert_eq!(u64_of(&snapshot, label), Some(3), "{label}");
        }
        assert_eq!(snapshot.get("m", "index.p.Nothing"), None);
    });
}

/// A later writer may add words to the moments.
#[test]
fn words_after_the_moments_are_not_looked_at() {
    both_ways(|root| {
        let mut wide = percentile("p");
        wide.geometry.words = 10;
        let schema = schema([wide, counter("a")]);
        let mut maker = Maker::new(&header("m", 1, 1));
        let at = maker.schema(&schema);
        let block = maker.instance(at, &schema, "", "");
        let moments = crate::metric::distribution::Moments::default().with(3);
        maker.set(block, &[2]);
        maker.set(block + 8 + 80, &moments.to_words());
        maker.set(block + 8 + 80 + 64, &[u64::MAX; 2]);
        // The coarse count of octave 0.
        maker.set(block + 8 + 2 * 80, &[1]);
        maker.set(block + 8 + 2 * 80 + 8 * 58, &[7]);
        root.write("mmstats-1-1", &maker.finish());
        let snapshot = root.reader().snapshot().unwrap();
        assert_no_errors(&snapshot);
        let read = snapshot.get("m", "p").unwrap().as_distribution().unwrap();
        assert_eq!((read.count(), read.bucket_count()), (1, 1));
        assert_eq!(read.percentile(50.0), Some(3));
        assert_eq!(u64_of(&snapshot, "a"), Some(7));
    });
}

#[test]
fn a_label_with_two_kinds_is_of_the_kind_created_last() {
    let root = Root::new();
    let old = schema([counter("a"), counter("x"), counter("only old")]);
    let new = schema([word("x", code::GAUGE, Scalar::U64), counter("a")]);
    root.write(
        "mmstats-1-1",
        &Maker::simple(&header("m", 1, 1), &old, &[1, 10, 7]).finish(),
    );
    root.write(
        "mmstats-2-2",
        &Maker::simple(&header("m", 2, 2), &new, &[20, 2]).finish(),
    );
    root.write(
        "mmstats-3-3",
        &Maker::simple(&header("m", 3, 3), &old, &[4, 30, 7]).finish(),
    );
    let mut reader = root.reader();
    let snapshot = reader.snapshot().unwrap();
    assert_eq!(u64_of(&snapshot, "a"), Some(7));
    assert_eq!(u64_of(&snapshot, "only old"), Some(14));
    assert_eq!(
        snapshot.get("m", "x"),
        Some(&Value::Counter(40)),
        "the two counters"
    );
    assert_eq!(snapshot.errors().len(), 1);
    assert_eq!(snapshot.errors()[0].path(), root.file("mmstats-2-2"));
    assert!(
        snapshot.errors()[0].error().contains("gauge"),
        "{:?}",
        snapshot.errors()
    );
    std::fs::remove_file(root.file("mmstats-3-3")).unwrap();
    let snapshot = reader.snapshot().unwrap();
    assert_eq!(u64_of(&snapshot, "a"), Some(3));
    assert_eq!(snapshot.get("m", "x"), Some(&Value::Gauge(Number::Int(20))));
}

#[test]
fn of_a_label_that_a_file_has_twice_the_first_counts() {
    let root = Root::new();
    let schema = schema([counter("a"), counter("b"), counter("a")]);
    root.write(
        "mmstats-1-1",
        &Maker::simple(&header("m", 1, 1), &schema, &[1, 2, 4]).finish(),
    );
    let snapshot = root.reader().per_file(true).snapshot().unwrap();
    assert_eq!(u64_of(&snapshot, "a"), Some(1));
    assert_eq!(snapshot.files()[0].get("a").unwrap().as_u64(), Some(1));
    assert_eq!(snapshot.errors().len(), 1);
}

#[test]
fn an_unknown_kind_is_skipped_and_a_wrong_metric_named() {
    let root = Root::new();
    let wrong = MetricSchema {
        geometry: Geometry {
            plain: 2,
            ..Geometry::WORD
        },
        ..counter("wrong")
    };
    let schema = schema([
        counter("a"),
        word("later", 999, Scalar::U64),
        wrong,
        counter("b"),
    ]);
    root.write(
        "mmstats-1-1",
        &Maker::simple(&header("m", 1, 1), &schema, &[1, 2, 3, 4, 5]).finish(),
    );
    let snapshot = root.reader().snapshot().unwrap();
    assert_eq!(
        (u64_of(&snapshot, "a"), u64_of(&snapshot, "b")),
        (Some(1), Some(5))
    );
    assert_eq!(snapshot.iter().count(), 2);
    assert_eq!(snapshot.errors().len(), 1);
    assert!(snapshot.errors()[0].error().contains("wrong"));
}

#[test]
fn an_unknown_merge_rule_costs_the_metric_and_an_unknown_kind_nothing() {
    let root = Root::new();
    let later = word("later", 999, Scalar::U64);
    let gauge = word("gauge", code::GAUGE, Scalar::U64);
    let schema = schema([gauge, compound("pair", 2), later, counter("a")]);
    let mut bytes = Maker::simple(&header("m", 1, 1), &schema, &[0; 8]).finish();
    let find = |text: &[u8], bytes: &[u8]| {
        let found = bytes.windows(text.len()).position(|part| part == text);
        found.unwrap()
    };
    for label in ["gauge", "later"] {
        let entry = find(label.as_bytes(), &bytes) - 32;
        bytes[entry + 7] = 5;
    }
    let field = find(b"f1", &bytes) - 8;
    bytes[field + 1] = 5;
    root.write("mmstats-1-1", &bytes);
    let snapshot = root.reader().snapshot().unwrap();
    let labels: Vec<_> = snapshot.labels("*").collect();
    assert_eq!(labels, ["a"]);
    let errors: Vec<_> = snapshot.errors().iter().map(Problem::error).collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains("\"gauge\" with the unknown merge rule 5"));
    assert!(errors[1].contains("\"f1\" with the unknown merge rule 5"));
}

#[test]
fn a_truth_is_no_gauge() {
    let root = Root::new();
    let schema = schema([
        word("gauge", code::GAUGE, Scalar::Bool),
        word("text", code::GAUGE, Scalar::Text),
        word("constant", code::CONSTANT, Scalar::Bool),
    ]);
    let bytes = Maker::simple(&header("m", 1, 1), &schema, &[1, 1, 1]).finish();
    root.write("mmstats-1-1", &bytes);
    let snapshot = root.reader().snapshot().unwrap();
    assert_eq!(snapshot.labels("*").collect::<Vec<_>>(), ["constant"]);
    assert_eq!(snapshot.errors().len(), 2);
}

#[test]
fn what_came_before_a_wrong_record_is_used() {
    both_ways(|root| {
        let schema = schema([counter("a")]);
        let mut maker = Maker::simple(&header("m", 1, 1), &schema, &[1]);
        let at = maker.bytes.len();
        maker.bytes.extend([0; 64]);
        root.write("mmstats-1-1", &maker.finish());
        root.write(
            "mmstats-2-2",
            &Maker::simple(&header("m", 2, 2), &schema, &[2]).finish(),
        );
        let mut reader = root.reader();
        for _ in 0..2 {
            let snapshot = reader.snapshot().unwrap();
            assert_eq!(u64_of(&snapshot, "a"), Some(3));
            assert_eq!(snapshot.errors().len(), 1);
            assert!(
                snapshot.errors()[0]
                    .error()
                    .contains(&format!("at byte {at}"))
            );
        }
    });
}

#[test]
fn control_characters_do_not_get_out() {
    let root = Root::new();
    let metric = MetricSchema {
        help: "h\x07".into(),
        unit: "u\n".into(),
        ..text("t\x1b")
    };
    let schema = schema([metric]);
    let header = header("m\x1b[2J", 1, 1);
    root.write(
        "mmstats-1-1",
        &Maker::simple(&header, &schema, &[2, 0, 0, 0, 2, 0x1b41]).finish(),
    );
    let snapshot = root.reader().snapshot().unwrap();
    assert_no_errors(&snapshot);
    let model = &snapshot.models()[0];
    assert_eq!(model.name(), "m\\u{1b}[2J");
    let stat = &model.stats()[0];
    assert_eq!(
        (stat.label(), stat.unit(), stat.help()),
        ("t\\u{1b}", "u\\n", "h\\u{7}")
    );
    assert_eq!(stat.value().as_str(), Some("A\\u{1b}"));
}

#[test]
fn foreign_entries_are_errors_and_hide_nothing() {
    both_ways(|root| {
        let good = Maker::simple(&header("m", 1, 1), &schema([counter("a")]), &[1]).finish();
        let path = root.write("mmstats-1-1", &good);
        root.write("empty", b"");
        root.write("zeros", &[0; 4096]);
        root.write("short", &good[..100]);
        root.write(
            "text",
            b"#!/bin/sh\necho hello world, this is not a stats file\n",
        );
        root.write(".hidden", b"not looked at");
        root.write("python", &[&[1], &[0; 4095][..]].concat());
        let mut beyond = good.clone();
        beyond[COMMITTED..COMMITTED + 8].copy_from_slice(&(1u64 << 40).to_le_bytes());
        root.write("beyond", &beyond);
        std::os::unix::fs::symlink(path, root.file("link")).unwrap();
        std::fs::create_dir(root.file("directory")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.file("socket")).unwrap();
        let fifo = std::process::Command::new("mkfifo")
            .arg(root.file("fifo"))
            .status();
        assert!(fifo.unwrap().success());
        let snapshot = root.reader().snapshot().unwrap();
        assert_eq!(u64_of(&snapshot, "a"), Some(1));
        let mut named: Vec<_> = snapshot
            .errors()
            .iter()
            .map(|p| p.path().file_name().unwrap().to_str().unwrap())
            .collect();
        named.sort_unstable();
        let want = [
            "beyond",
            "directory",
            "empty",
            "fifo",
            "link",
            "python",
            "short",
            "socket",
            "text",
            "zeros",
        ];
        assert_eq!(named, want);
    });
}

#[test]
fn a_sparse_giant_is_refused_without_allocating() {
    both_ways(|root| {
        let text = MetricSchema {
            geometry: Geometry::slot(65_535, Some(64)),
            ..text("t")
        };
        let schema = schema(std::iter::repeat_n(text, 100));
        let mut maker = Maker::new(&header("m", 1, 1));
        let at = maker.schema(&schema);
        let record = crate::format::record::Instance {
            schema: at,
            block: 0,
            prefix: String::new(),
            group: String::new(),
        };
        let placed = record.encode(maker.bytes.len(), schema.block as usize / 8, None);
        maker.bytes.extend(&placed.metadata);
        maker.set(COMMITTED, &[placed.end as u64]);
        let path = root.write("mmstats-1-1", &maker.bytes);
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(1 << 40).unwrap();
        let mut reader = root.reader();
        let snapshot = reader.snapshot().unwrap();
        assert_eq!(snapshot.errors().len(), 1);
        assert!(
            snapshot.errors()[0].error().contains("out of proportion"),
            "{:?}",
            snapshot.errors()
        );
        assert!(reader.files.in_order()[0].contents.values.words.is_empty());
    });
}

#[test]
fn labels_out_of_proportion_are_refused() {
    // 500 instances of 4 KiB each whose labels would take 400 times as much.
    let root = Root::new();
    let schema = schema((0..500).map(|i| counter(&format!("{i}"))));
    let mut maker = Maker::new(&header("m", 1, 1));
    let at = maker.schema(&schema);
    for i in 0..500 {
        maker.instance(at, &schema, &"x".repeat(4000), &i.to_string());
    }
    root.write("mmstats-1-1", &maker.finish());
    let snapshot = root.reader().snapshot().unwrap();
    assert_eq!(snapshot.errors().len(), 1);
    assert!(snapshot.errors()[0].error().contains("out of proportion"));
    assert!(snapshot.iter().count() > 500);
}

#[test]
fn a_file_cut_short_is_an_error_and_the_others_are_read() {
    guard_sigbus().unwrap();
    both_ways(|root| {
        let schema = schema((0..2000).map(|i| counter(&format!("{i}"))));
        let values: Vec<u64> = (0..2000).collect();
        let path = root.write(
            "mmstats-1-1",
            &Maker::simple(&header("m", 1, 1), &schema, &values).finish(),
        );
        root.write(
            "mmstats-2-2",
            &Maker::simple(&header("m", 2, 2), &schema, &values).finish(),
        );
        let mut reader = root.reader();
        assert_eq!(u64_of(&reader.snapshot().unwrap(), "7"), Some(14));
        std::fs::OpenOptions::new()
            .write(true)
            .open(path)
            .unwrap()
            .set_len(4096)
            .unwrap();
        for _ in 0..2 {
            let snapshot = reader.snapshot().unwrap();
            assert_eq!(u64_of(&snapshot, "7"), Some(7));
            assert_eq!(snapshot.errors().len(), 1);
            assert!(snapshot.errors()[0].error().contains("cut short"));
        }
    });
}

#[test]
fn a_file_cut_short_in_the_middle_of_a_pass_is_an_error_with_the_guard() {
    guard_sigbus().unwrap();
    let root = Root::new();
    let schema = schema((0..2000).map(|i| counter(&format!("{i}"))));
    let maker = Maker::simple(&header("m", 1, 1), &schema, &[7; 2000]);
    let path = root.write("mmstats-1-1", &maker.finish());
    let mut reader = root.reader();
    reader.snapshot().unwrap();
    let mut files = reader.files.in_order();
    let file = &mut files[0];
    let result = file.refresh_with(&mut reader.plans, &mut reader.scratch, || {
        std::fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(4096)
            .unwrap();
    });
    assert!(matches!(result, Err(Trouble::Bad(why)) if why.contains("cut short")));
}

/// A writer in this process on a file that is mapped by both sides: a compound whose fields are always
/// equal, as fast as it goes.
fn with_busy_writer(root: &Root, test: impl FnOnce(&AtomicU64)) {
    const WORDS: usize = 16;
    let schema = schema([compound("c", WORDS)]);
    let mut maker = Maker::new(&header("m", 1, 1));
    let at = maker.schema(&schema);
    let block = maker.instance(at, &schema, "", "");
    let path = root.write("mmstats-1-1", &maker.finish());
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let map = memmap2::MmapOptions::new().map_raw(&file).unwrap();
    // SAFETY: the block lies within the mapping, which outlives the threads below; everyone accesses
    // it atomically.
    let words: &[AtomicU64] = unsafe {
        std::slice::from_raw_parts(map.as_ptr().add(block).cast::<AtomicU64>(), 1 + 2 * WORDS)
    };
    let stop = AtomicBool::new(false);
    // Spins between two writes.
    let gap = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                let buffer = |p: u64| &words[1 + (p as usize % 2) * WORDS..][..WORDS];
                slot::publish(&words[0], buffer, std::iter::repeat_n(n, WORDS));
                for _ in 0..gap.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            }
        });
        test(&gap);
        stop.store(true, Ordering::Relaxed);
    });
}

fn fields(snapshot: &Snapshot) -> Vec<u64> {
    (0..16)
        .filter_map(|i| u64_of(snapshot, &format!("c.f{i}")))
        .collect()
}

#[test]
fn values_of_a_busy_writer_are_never_torn_and_never_go_back() {
    both_ways(|root| {
        with_busy_writer(root, |gap| {
            let mut reader = root.reader();
            let mut last = 0;
            for round in 0..400 {
                gap.store(if round < 200 { 0 } else { 100 }, Ordering::Relaxed);
                let snapshot = reader.snapshot().unwrap();
                assert_no_errors(&snapshot);
                let fields = fields(&snapshot);
                assert!(
                    fields.windows(2).all(|two| two[0] == two[1]),
                    "torn: {fields:?}"
                );
                let now = fields.first().copied().unwrap_or(0);
                assert!(now >= last, "{now} after {last}");
                assert!(snapshot.is_whole() || snapshot.busy().eq([("m", "c")]));
                last = now;
            }
            assert!(last > 0);
        });
    });
}

#[test]
fn a_slot_that_is_never_had_is_busy_and_missing_then_kept() {
    both_ways(|root| {
        let schema = schema([counter("a"), compound("c", 2)]);
        let bytes = Maker::simple(&header("m", 1, 1), &schema, &[1, 2, 0, 0, 8, 9]).finish();
        root.write("mmstats-1-1", &bytes);
        let mut reader = root.reader();
        reader.snapshot().unwrap();
        {
            // As if the last pass had not got it.
            let mut files = reader.files.in_order();
            files[0].contents.values.busy.push((0, 0));
            files[0].contents.values.had[0] = false;
            let mut table = table::Table::new(u64::MAX);
            table.begin(&mut files, &[0]);
            table.add(1, files[0], State::Live, &mut Vec::new());
            assert_eq!(
                table
                    .busy(files[0])
                    .map(|label| &**label)
                    .collect::<Vec<_>>(),
                ["c"]
            );
            let stats = table.finish();
            assert_eq!(stats.iter().map(Stat::label).collect::<Vec<_>>(), ["a"]);
        }
        let snapshot = reader.snapshot().unwrap();
        assert!(snapshot.is_whole());
        assert_eq!(u64_of(&snapshot, "c.f1"), Some(9));
    });
}

mod no_bytes_hurt {
    use super::*;
    use proptest::prelude::*;

    fn good() -> Vec<u8> {
        let schema = schema([counter("a"), text("t"), compound("c", 4), percentile("p")]);
        let mut maker = Maker::new(&header("m", 1, 1));
        let at = maker.schema(&schema);
        for group in ["", "one", "two"] {
            let block = maker.instance(at, &schema, "", group);
            maker.octave(block + 8 * (1 + 7 + 9), 0, &[1; 128]);
        }
        maker.finish()
    }

    fn read(bytes: &[u8]) {
        both_ways(|root| {
            root.write("mmstats-1-1", bytes);
            let mut reader = root.reader();
            reader.per_file(true);
            for _ in 0..2 {
                let snapshot = reader.snapshot().unwrap();
                for stat in snapshot.models().iter().flat_map(Model::stats) {
                    stat.exposed();
                }
                assert!(snapshot.files().len() + snapshot.errors().len() > 0);
            }
        });
    }

    #[test]
    fn the_good_file_is_good() {
        let root = Root::new();
        root.write("mmstats-1-1", &good());
        let snapshot = root.reader().snapshot().unwrap();
        assert_no_errors(&snapshot);
        assert_eq!(snapshot.iter().count(), 12);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn random_ones(mut bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            read(&bytes);
            let start = header("m", 1, 1).encode();
            bytes.splice(0..0, start);
            let len = bytes.len() as u64;
            bytes[COMMITTED..COMMITTED + 8].copy_from_slice(&len.to_le_bytes());
            read(&bytes);
        }

        #[test]
        fn changed_ones(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
            let mut bytes = good();
            for (at, to) in changes {
                let at = at.index(bytes.len().min(1600));
                bytes[at] = to;
            }
            read(&bytes);
        }

        #[test]
        fn changed_words(changes in proptest::collection::vec(
            (any::<prop::sample::Index>(), prop_oneof![any::<u32>(), 0u32..2000, 0u32..4]), 1..4,
        )) {
            let mut bytes = good();
            for (at, to) in changes {
                let at = 4 * at.index(bytes.len().min(1600) / 4);
                bytes[at..at + 4].copy_from_slice(&to.to_le_bytes());
            }
            read(&bytes);
        }
    }
}

#[test]
fn a_file_that_is_scribbled_over_while_it_is_read_hurts_nobody() {
    guard_sigbus().unwrap();
    both_ways(|root| {
        let schema = schema([counter("a"), text("t"), compound("c", 4), percentile("p")]);
        let mut maker = Maker::new(&header("m", 1, 1));
        let at = maker.schema(&schema);
        for group in 0..20 {
            maker.instance(at, &schema, "", &group.to_string());
        }
        let good = maker.finish();
        let path = root.write("mmstats-1-1", &good);
        root.write(
            "mmstats-2-2",
            &Maker::simple(&header("good", 2, 2), &schema, &[3]).finish(),
        );
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                use std::os::unix::fs::FileExt;
                let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
                let mut random = 1u64;
                let mut next = |below: usize| {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    (random >> 33) as usize % below
                };
                while !stop.load(Ordering::Relaxed) {
                    match next(20) {
                        0 => file.set_len(next(2 * good.len()) as u64).unwrap(),
                        1..5 => file.write_all_at(&good, 0).unwrap(),
                        _ => {
                            let word = [next(300) as u8, next(3) as u8, 0, 0];
                            let at = 4 * next(good.len() / 4);
                            file.write_all_at(&word, at as u64).unwrap();
                        }
                    }
                }
            });
            let mut reader = root.reader();
            for _ in 0..300 {
                let snapshot = reader.per_file(true).snapshot().unwrap();
                assert_eq!(snapshot.get("good", "a"), Some(&Value::Counter(3)));
            }
            stop.store(true, Ordering::Relaxed);
        });
    });
}

/// Prints what distributions cost.
#[test]
#[ignore = "a measurement"]
fn cost_of_a_snapshot_of_a_thousand_files_of_distributions() {
    let root = Root(tempfile::tempdir_in("/dev/shm").unwrap());
    let schema = schema((0..20).map(|i| percentile(&format!("p_{i}"))));
    for pid in 0..1000 {
        let mut maker = Maker::new(&header("m", pid, pid.into()));
        let at = maker.schema(&schema);
        let block = maker.instance(at, &schema, "", "");
        for metric in &schema.metrics {
            for octave in 0..5 {
                maker.octave(block + metric.offset as usize, octave, &[1; 128]);
            }
        }
        root.write(&format!("mmstats-{pid}-{pid}"), &maker.finish());
    }
    let mut reader = root.reader();
    for round in 0..4 {
        let start = std::time::Instant::now();
        let snapshot = reader.snapshot().unwrap();
        let nanoseconds = start.elapsed().as_nanos();
        let merged = snapshot.get("m", "p_7").unwrap().as_distribution().unwrap();
        assert_eq!(merged.bucket_count(), 1000 * 5 * 128);
        println!(
            "distributions round {round}: {} ns each",
            nanoseconds / 20_000
        );
    }
}

/// Prints what a later snapshot costs: `cargo test --release -- --ignored --nocapture cost`.
#[test]
#[ignore = "a measurement"]
fn cost_of_a_snapshot_of_ten_thousand_files() {
    for shared in [false, true] {
        let root = Root(tempfile::tempdir_in("/dev/shm").unwrap());
        let schema = schema((0..100).map(|i| counter(&format!("counter_{i}"))));
        for pid in 0..10_000 {
            let file = Maker::simple(&header("m", pid, pid.into()), &schema, &[1; 100]).finish();
            root.write(&format!("mmstats-{pid}-{pid}"), &file);
        }
        if shared {
            root.share();
        }
        let mut reader = root.reader();
        for round in 0..6 {
            let start = std::time::Instant::now();
            let snapshot = reader.snapshot().unwrap();
            let nanoseconds = start.elapsed().as_nanos();
            assert_eq!(u64_of(&snapshot, "counter_7"), Some(10_000));
            println!(
                "shared {shared} round {round}: {} ns a value",
                nanoseconds / 1_000_000
            );
        }
    }
}
