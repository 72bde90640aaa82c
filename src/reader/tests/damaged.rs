//! Files with invalid parts: the rest is read, and the problems are reported.

use super::*;
use crate::reader::source::ReadError;

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
fn texts_are_the_original_ones_and_two_labels_never_become_one() {
    let root = Root::new();
    let metric = |label: &str| MetricSchema {
        help: "h\x07".into(),
        unit: "u\n".into(),
        ..text(label)
    };
    // The second is the escaped form of the first.
    let schema = schema([metric("t\x1b"), metric("t\\u{1b}")]);
    let header = header("m\x1b[2J", 1, 1);
    let mut maker = Maker::new(&header);
    let at = maker.schema(&schema);
    for group in ["g\u{202e}", "g\\u{202e}"] {
        let block = maker.instance(at, &schema, "", group);
        maker.set(block, &[2, 0, 0, 0, 2, 0x1b41]);
    }
    root.write("mmstats-1-1", &maker.finish());
    let snapshot = root.reader().snapshot().unwrap();
    assert_no_errors(&snapshot);
    let model = &snapshot.models()[0];
    assert_eq!(model.name(), "m\x1b[2J");
    let labels: Vec<_> = model.series().iter().map(Series::label).collect();
    assert_eq!(
        labels,
        [
            "g\\u{202e}.t\x1b",
            "g\\u{202e}.t\\u{1b}",
            "g\u{202e}.t\x1b",
            "g\u{202e}.t\\u{1b}"
        ]
    );
    let stat = &model.series()[2];
    assert_eq!((stat.unit(), stat.help()), ("u\n", "h\x07"));
    assert_eq!(stat.value().as_str(), Some("A\x1b"));
}

#[test]
fn problems_are_sentences_that_may_be_printed() {
    let root = Root::new();
    let schema = schema([counter("a\x1b[2J"), counter("a\x1b[2J")]);
    let bytes = Maker::simple(&header("m", 1, 1), &schema, &[1, 2]).finish();
    root.write("mmstats-1-1", &bytes);
    let snapshot = root.reader().snapshot().unwrap();
    let [problem] = snapshot.errors() else {
        panic!("{:?}", snapshot.errors());
    };
    assert!(problem.error().contains("twice"), "{problem:?}");
    assert!(!problem.error().contains('\x1b'), "{problem:?}");
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
            labels: Vec::new(),
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
    // 500 instances of 4 KiB each. Their labels would take 400 times as much.
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
    assert!(matches!(result, Err(ReadError::Bad(why)) if why.contains("cut short")));
}
