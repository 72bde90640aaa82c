//! No bytes do harm to a reader.

use super::*;
use crate::format::schema::Schema;
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
        reader.per(Per::File);
        for _ in 0..2 {
            let snapshot = reader.snapshot().unwrap();
            for stat in snapshot
                .models()
                .iter()
                .chain(snapshot.merged())
                .flat_map(Model::series)
            {
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
                let snapshot = reader.per(Per::File).snapshot().unwrap();
                assert_eq!(snapshot.get("good", "a"), Some(&Value::Counter(3)));
            }
            stop.store(true, Ordering::Relaxed);
        });
    });
}

/// A file with `schema` and an instance of it, whose block is a hole.
fn with_a_hole(root: &Root, schema: &Schema) -> std::path::PathBuf {
    let mut maker = Maker::new(&header("m", 1, 1));
    let at = maker.schema(schema);
    let block = maker.instance(at, schema, "", "");
    let bytes = maker.finish();
    let path = root.write("mmstats-1-1", &bytes[..block]);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    path
}

#[test]
fn values_in_a_hole_that_would_decode_to_far_more_are_not_read() {
    // 44 KB on disk took 31 MB of memory. A byte of a compound becomes a number of 32 bytes.
    let numbers = |label: usize| {
        let mut metric = compound(&label.to_string(), 64);
        let mut field = metric.fields[0].clone();
        (field.scalar, field.count) = (Scalar::U8, Some(512));
        metric.fields = [field].into();
        metric
    };
    let texts = MetricSchema {
        geometry: Geometry::slot(60_000, Some(2)),
        ..text("t")
    };
    for schema in [schema((0..900).map(numbers)), schema([texts])] {
        both_ways(|root| {
            with_a_hole(root, &schema);
            let snapshot = root.reader().snapshot().unwrap();
            assert_eq!(snapshot.iter().count(), 0);
            let error = snapshot.errors()[0].error();
            assert!(error.contains("out of proportion"), "{error}");
        });
    }
}

#[test]
fn many_labels_in_holes_are_not_read_without_end() {
    // Each instance is one more page of the file, and 2000 more labels in memory.
    let schema = schema((0..2000).map(|i| counter(&i.to_string())));
    both_ways(|root| {
        let mut maker = Maker::new(&header("m", 1, 1));
        let at = maker.schema(&schema);
        let start = maker.bytes.len();
        for group in 0..200 {
            maker.instance(at, &schema, "", &group.to_string());
        }
        let bytes = maker.finish();
        let path = root.write("mmstats-1-1", &bytes[..start]);
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        use std::os::unix::fs::FileExt;
        for at in (start..bytes.len()).step_by(64) {
            let line = &bytes[at..bytes.len().min(at + 64)];
            if line.iter().any(|&byte| byte != 0) {
                file.write_all_at(line, at as u64).unwrap();
            }
        }
        file.set_len(bytes.len() as u64).unwrap();
        let snapshot = root.reader().snapshot().unwrap();
        assert!(snapshot.iter().count() < 200 * 2000 / 4);
        let error = snapshot.errors()[0].error();
        assert!(error.contains("out of proportion"), "{error}");
    });
}

#[test]
fn reading_a_hole_does_not_fill_it() {
    use std::os::unix::fs::MetadataExt;
    // On a tmpfs, reading through a mapping would fill it.
    let memory = std::path::Path::new("/dev/shm");
    let directory = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    let root = Root(directory.unwrap());
    let schema = schema((0..1000).map(|i| counter(&i.to_string())));
    let path = with_a_hole(&root, &schema);
    let blocks = || path.metadata().unwrap().blocks();
    let before = blocks();
    let snapshot = root.reader().snapshot().unwrap();
    assert_no_errors(&snapshot);
    assert_eq!(snapshot.iter().count(), 1000);
    assert_eq!(blocks(), before);
}
