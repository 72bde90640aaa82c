//! Values of the golden files, written by hand. (`tests/readers/golden.rs` compares all of them.)

use mmstats::reader::Reader;

use super::golden;

/// The expected JSON was written by a program; this checks a few of its values by hand.
#[test]
fn golden_values_are_those_that_were_written() {
    let mut reader = Reader::open(golden("every-kind.mmstats")).unwrap();
    let snapshot = reader.snapshot().unwrap();
    let get = |label: &str| {
        snapshot
            .get("every-kind", label)
            .unwrap_or_else(|| panic!("no {label}"))
    };
    assert_eq!(get("requests").as_u64(), Some(7));
    assert_eq!(get("least_i64").as_i64(), Some(i64::MIN));
    assert_eq!(get("release").as_str(), Some("Grüße aus Köln"));
    assert_eq!(get("cut").as_str(), Some("Stra"));
    assert_eq!(get("pool.by_shard.4").as_u64(), Some(255));
    assert_eq!(get("handler.größe.v2.response_ok").as_u64(), Some(2));
    let timer = get("timers.response").as_distribution().unwrap();
    assert_eq!((timer.count(), timer.total()), (100, 5_050_000_000));
    // 95 ms in nanoseconds, in a bucket of width 2^19.
    let (low, high) = (
        95_000_000 >> 19 << 19,
        (95_000_000 >> 19 << 19) + (1 << 19) - 1,
    );
    assert_eq!(timer.percentile(95.0), Some(low + (high - low) / 2));
    let fine = get("fine").as_distribution().unwrap();
    assert_eq!(fine.percentile(50.0), Some(2_000));
    let mut reader = Reader::open(golden("odd-sequence.mmstats")).unwrap();
    let snapshot = reader.snapshot().unwrap();
    assert!(snapshot.is_whole());
    assert_eq!(
        snapshot.get("odd-sequence", "pair.a").unwrap().as_u64(),
        Some(0x1111_2222_3333_4444)
    );
    assert_eq!(
        snapshot.get("odd-sequence", "note").unwrap().as_str(),
        Some("zweitens")
    );
    let sizes = snapshot
        .get("odd-sequence", "sizes")
        .unwrap()
        .as_distribution()
        .unwrap();
    assert_eq!((sizes.count(), sizes.bucket_count()), (2, 3));
    let mut reader = Reader::open(golden("histories.mmstats")).unwrap();
    let snapshot = reader.snapshot().unwrap();
    let history = snapshot.history("histories", "times").unwrap();
    let entries = history.entries();
    assert_eq!((entries.len(), history.pushed()), (20, 45));
    assert_eq!(entries[0].value(), 44.0);
    assert!(entries[0].context().is_none() && !entries[0].has_lost_context());
    assert!(
        entries[1].has_lost_context(),
        "one more than there was space for"
    );
    let context = |entry: usize| entries[entry].context().unwrap();
    assert_eq!(context(2).text(), "größe\x1b");
    assert!(context(11).is_cut() && context(11).bytes() == [b'x'; 16_368]);
    let count = |label: &str| snapshot.get("histories", label).unwrap().as_u64();
    assert_eq!(count("errors__EXC:ParseIntError"), Some(4));
    assert_eq!(count("errors__timeout"), Some(2));
    assert_eq!(count("task.one"), Some(5));
    let mut reader = Reader::open(golden("summaries.mmstats")).unwrap();
    let snapshot = reader.snapshot().unwrap();
    let get = |label: &str| snapshot.get("summaries", label).unwrap();
    let large = get("large").as_summary().unwrap();
    assert_eq!((large.count(), large.total()), (5, 5e9 + 10.5));
    assert_eq!(large.mean(), Some(1e9 + 2.1));
    // For 1, 2, 3, 2 and 2.5, the squared differences from 2.1 add up to 2.2.
    assert!((large.stddev().unwrap() - (2.2f64 / 4.0).sqrt()).abs() < 1e-15);
    assert_eq!(get("tasks").as_summary().unwrap().rejected(), 2);
    assert_eq!(get("tasks.LastTime").as_f64(), Some(1_795_214_569.92));
    assert_eq!(get("recent").as_f64(), Some(-0.6));
    assert_eq!(get("begun").as_f64(), Some(-0.9));
    assert_eq!(get("mean").as_f64(), Some(2.75 / 3.0));
    assert_eq!(get("no_mean").as_f64(), None);
    assert_eq!(get("hits.Count").as_u64(), Some(20));
    let mut reader = Reader::open(golden("lost-contexts.mmstats")).unwrap();
    let snapshot = reader.snapshot().unwrap();
    let entries = snapshot
        .history("lost-contexts", "times")
        .unwrap()
        .entries();
    // Newest first: one without a context, four that are lost in four ways, one that is there.
    let lost: Vec<bool> = entries
        .iter()
        .map(|entry| entry.has_lost_context())
        .collect();
    assert_eq!(lost, [false, true, true, true, true, false]);
    assert!(entries[0].context().is_none());
    assert_eq!(entries[5].context().unwrap().text(), "context");
    for (name, labels, problems) in [
        ("fault-refuses-file", &[][..], 1),
        ("fault-ends-list", &["before"], 1),
        ("fault-costs-metric", &["first", "last"], 4),
        ("fault-skipped", &["a", "g.b"], 0),
        ("two-kinds", &["size", "x"], 1),
        ("windows", &["level", "requests", "size"], 1),
    ] {
        let mut reader = Reader::open(golden(&format!("{name}.mmstats"))).unwrap();
        let snapshot = reader.snapshot().unwrap();
        let read: Vec<_> = snapshot.iter().map(|(_, label, _)| label).collect();
        assert_eq!(
            (&*read, snapshot.errors().len()),
            (labels, problems),
            "{name}"
        );
    }
}
