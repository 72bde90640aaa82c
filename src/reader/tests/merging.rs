//! How values merge, and what later snapshots see.

use super::*;

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
        let labels: Vec<_> = model.series().iter().map(Series::label).collect();
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

/// This happens, for example, between the listing of its directory and the reading of the file.
#[test]
fn a_mapped_file_that_was_removed_or_replaced_is_gone() {
    let root = Root::new();
    let bytes = Maker::simple(&header("m", 1, 1), &schema([counter("a")]), &[1]).finish();
    for replace in [false, true] {
        let path = root.write("mmstats-1-1", &bytes);
        let mut file = file::OpenFile::open(path.clone(), &root.path().into(), true).unwrap();
        assert!(file.is_mapped());
        let mut read = || file.refresh(&mut Default::default(), &mut Default::default());
        read().unwrap();
        if replace {
            std::fs::rename(root.write("mmstats-2-2", &bytes), &path).unwrap();
        } else {
            std::fs::remove_file(&path).unwrap();
        }
        assert!(matches!(read(), Err(source::ReadError::Gone)));
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
    reader.states = Box::new(Stub([(3, Liveness::Dead), (4, Liveness::Unknown)].into()));
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

    reader.states = Box::new(Stub((1..5).map(|pid| (pid, Liveness::Dead)).collect()));
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

    let snapshot = reader.per(Per::File).snapshot().unwrap();
    let dead = snapshot.of_file(&snapshot.files()[0]).unwrap();
    assert_eq!(
        dead.get("gauge").unwrap().as_f64(),
        Some(1.0),
        "what the file itself says"
    );
    assert_eq!(dead.series().len(), 5);
}

#[test]
fn percentiles_have_their_octaves_and_are_looked_up_in_both_forms() {
    both_ways(|root| {
        let schema = schema([counter("a"), percentile("p")]);
        for pid in [1, 2] {
            let mut maker = Maker::new(&header("m", pid, pid.into()));
            let at = maker.schema(&schema);
            let block = maker.instance(at, &schema, "", "index");
            let moments = crate::metric::percentile::moments::Moments::default()
                .with(3)
                .with(1000)
                .to_words();
            maker.set(block + 8, &[2]);
            maker.set(block + 8 + 8 + 64, &moments);
            // With 2 digits an octave has 128 buckets. 3 is in the fourth bucket of octave 0. The buckets of
            // octave 3 are 4 wide, and 1000 = 512 + 4·122 is in one of them.
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
        let moments = crate::metric::percentile::moments::Moments::default().with(3);
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
    let snapshot = root.reader().per(Per::File).snapshot().unwrap();
    assert_eq!(u64_of(&snapshot, "a"), Some(1));
    assert_eq!(snapshot.models()[0].get("a").unwrap().as_u64(), Some(1));
    assert_eq!(snapshot.errors().len(), 1);
}

#[test]
fn counters_after_one_that_a_file_has_twice_count() {
    let root = Root::new();
    let labels = ["a", "b", "a", "c", "b", "a", "d"];
    let schema = schema(labels.map(counter));
    let words = [1, 2, 4, 8, 16, 32, 64];
    let bytes = Maker::simple(&header("m", 1, 1), &schema, &words).finish();
    root.write("mmstats-1-1", &bytes);
    let snapshot = root.reader().snapshot().unwrap();
    let found = ["a", "b", "c", "d"].map(|label| u64_of(&snapshot, label));
    assert_eq!(found, [1, 2, 8, 64].map(Some));
    let [problem] = snapshot.errors() else {
        panic!("{:?}", snapshot.errors());
    };
    let text = problem.error();
    assert!(
        text.contains("\"a\" occurs twice (and 2 more labels)"),
        "{text}"
    );
}
