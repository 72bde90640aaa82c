//! The writer without a struct.

use std::time::Duration;

use mmstats::{Compound, Counter, Error, Gauge, Merge, Text, Timer, Writer};

use super::models::{Pool, snapshot};

#[test]
fn metrics_of_every_kind_are_added_one_by_one() {
    let root = tempfile::tempdir().unwrap();
    let writer = Writer::builder("sqlalchemy")
        .path(root.path())
        .create()
        .unwrap();
    assert_eq!(snapshot(&root).iter().count(), 0);
    let url: &Text<256> = writer.text("connection_foo.url").add().unwrap();
    let selects: &Counter = writer
        .counter("users_table.selects")
        .help("Selects sent.")
        .add()
        .unwrap();
    let time: &Timer = writer.timer("users_table.select_time").add().unwrap();
    let rows = writer
        .group("users_table")
        .unwrap()
        .counter("rows")
        .unit("rows")
        .add()
        .unwrap();
    let open = writer.updown("open").add().unwrap();
    let level: &Gauge<i16> = writer.gauge("level").merge(Merge::Max).add().unwrap();
    let ready = writer.flag("ready").add().unwrap();
    let sizes = writer
        .percentile("sizes")
        .unit("bytes")
        .digits(3)
        .buffers(4)
        .add()
        .unwrap();
    let pool: &Compound<Pool> = writer.compound("pool").add().unwrap();
    let limit = writer.constant("limit", 9u8).add().unwrap();
    let name = writer
        .constant("name", String::from("größe"))
        .add()
        .unwrap();
    url.set("sqlite://memory");
    selects.inc();
    time.record(Duration::from_millis(2));
    rows.add(12);
    open.dec();
    level.set(-4);
    ready.set(true);
    (0..1000).for_each(|i| sizes.record(i));
    pool.set(Pool {
        open: 1,
        idle: 2,
        waits: 3,
    });
    assert_eq!((*limit.get(), name.get().as_str()), (9, "größe"));

    let snapshot = snapshot(&root);
    let get = |label: &str| {
        snapshot
            .get("sqlalchemy", label)
            .unwrap_or_else(|| panic!("{label}"))
    };
    assert_eq!(get("connection_foo.url").as_str(), Some("sqlite://memory"));
    assert_eq!(get("users_table.selects").as_u64(), Some(1));
    assert_eq!(get("users_table.select_time.Max").as_f64(), Some(0.002));
    assert_eq!(get("users_table.rows").as_u64(), Some(12));
    assert_eq!(get("open").as_i64(), Some(-1));
    assert_eq!(get("level").as_i64(), Some(-4));
    assert_eq!(get("ready").as_bool(), Some(true));
    assert_eq!(get("sizes.Count").as_u64(), Some(1000));
    assert_eq!(get("sizes.Percentile50th").as_u64(), Some(499));
    assert_eq!(
        snapshot.compound::<Pool>("sqlalchemy", "pool").unwrap(),
        Pool {
            open: 1,
            idle: 2,
            waits: 3
        }
    );
    assert_eq!(get("limit").as_u64(), Some(9));
    assert_eq!(get("name").as_str(), Some("größe"));
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
}

#[test]
fn a_label_is_added_once() {
    let root = tempfile::tempdir().unwrap();
    let writer = Writer::builder("twice").path(root.path()).create().unwrap();
    writer.counter("a.n").add().unwrap().inc();
    for error in [
        writer.timer("a.n").add().err().unwrap(),
        writer.group("a").unwrap().counter("n").add().err().unwrap(),
    ] {
        assert!(
            matches!(&error, Error::DuplicateLabel { label, .. } if label == "a.n"),
            "{error}"
        );
    }
    assert!(matches!(writer.counter("").add(), Err(Error::Name { .. })));
    assert!(matches!(
        writer.counter("a\0b").add(),
        Err(Error::Name { .. })
    ));
    assert!(matches!(
        writer.percentile("p").digits(9).add(),
        Err(Error::Name { .. })
    ));
    assert!(matches!(
        writer.percentile("p").buffers(3).add(),
        Err(Error::Name { .. })
    ));
    assert!(matches!(
        writer.group("").map(|_| ()),
        Err(Error::Name { .. })
    ));
    writer.counter("b").add().unwrap().add(2);
    let snapshot = snapshot(&root);
    assert_eq!(snapshot.get("twice", "a.n").unwrap().as_u64(), Some(1));
    assert_eq!(snapshot.get("twice", "b").unwrap().as_u64(), Some(2));
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
}

#[test]
fn thousands_of_metrics_grow_the_file_under_their_handles() {
    let root = tempfile::tempdir().unwrap();
    let writer = Writer::builder("many").path(root.path()).create().unwrap();
    let counters: Vec<&Counter> = (0..3000)
        .map(|i| writer.counter(&format!("c{i}")).add().unwrap())
        .collect();
    (0u64..)
        .zip(&counters)
        .for_each(|(i, counter)| counter.add(i));
    let snapshot = snapshot(&root);
    assert_eq!(snapshot.iter().count(), 3000);
    for (_, label, value) in snapshot.iter() {
        assert_eq!(value.as_u64().unwrap().to_string(), label[1..]);
    }
}

#[test]
fn a_writer_can_be_sent_but_not_its_metrics() {
    let writer = Writer::builder("sent").anonymous().create().unwrap();
    writer.counter("n").add().unwrap();
    let again = writer.counter("n").add();
    assert!(matches!(again, Err(Error::DuplicateLabel { .. })));
    std::thread::spawn(move || writer.counter("m").add().unwrap().inc())
        .join()
        .unwrap();
}
