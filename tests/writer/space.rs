//! Space: what happens when there is none.

use std::time::Duration;

use mmstats::{Error, MmStats, Text, Writer};

use super::disk::SmallDisk;
use super::models::{Handler, Web, names, snapshot};

#[test]
fn an_exhausted_file_is_an_error_and_counts_under_other() {
    let root = tempfile::tempdir().unwrap();
    let stats = Handler::groups(["first"])
        .path(root.path())
        .max_size(64 << 10)
        .create()
        .unwrap();
    let mut refused = None;
    for i in 0..1000 {
        match stats.try_group(&format!("g{i}")) {
            Ok(group) => group.response_ok.inc(),
            Err(error) => {
                refused.get_or_insert((i, error));
            }
        }
        stats.group(&format!("g{i}")).response_bad.inc();
    }
    let (made, error) = refused.unwrap();
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert!(error.to_string().contains("MMSTATS_MAX_SIZE"), "{error}");
    let snapshot = snapshot(&root);
    let other = snapshot
        .get("Handler", "_other.response_bad")
        .unwrap()
        .as_u64()
        .unwrap();
    assert_eq!(other, 1000 - made);
    assert!(stats.path().unwrap().metadata().unwrap().len() <= 64 << 10);
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
}

#[test]
fn without_space_for_buckets_only_precision_is_lost() {
    let root = tempfile::tempdir().unwrap();
    let stats = Handler::groups(["first"])
        .path(root.path())
        .max_size(16 << 10)
        .create()
        .unwrap();
    let timer = &stats.group("first").response_time;
    for bits in 0..50 {
        for _ in 0..3 {
            timer.record(Duration::from_nanos(1 << bits));
        }
    }
    let snapshot = snapshot(&root);
    let read = snapshot
        .get("Handler", "first.response_time")
        .unwrap()
        .as_distribution()
        .unwrap();
    assert_eq!((read.count(), read.bucket_count()), (150, 150));
    // A value in the octave of the median, so within a factor of two.
    let median = read.percentile(50.0).unwrap() as f64;
    assert!(
        (0.5..=2.0).contains(&(median / f64::from(1 << 24))),
        "{median}"
    );
    assert_eq!(read.max(), Some(1 << 49));
}

#[test]
fn a_file_too_small_for_its_model_is_an_error() {
    #[derive(MmStats)]
    struct Large {
        #[allow(dead_code)]
        text: Text<4096>,
    }
    let root = tempfile::tempdir().unwrap();
    let error = Large::builder()
        .path(root.path())
        .max_size(1)
        .create()
        .err()
        .unwrap();
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert!(names(&root.path().join("Large")).is_empty());
}

#[test]
fn on_a_full_disk_nothing_dies() {
    let Some(disk) = SmallDisk::mount("96k") else {
        return;
    };
    let writer = Writer::builder("before")
        .path(disk.path())
        .create()
        .unwrap();
    let stats = Handler::groups(["first"])
        .path(disk.path())
        .create()
        .unwrap();
    // Fills it.
    let mut refused = 0;
    for i in 0..200 {
        if stats.try_group(&format!("g{i}")).is_err() {
            refused += 1;
        }
        stats
            .group(&format!("g{i}"))
            .response_time
            .record(Duration::from_micros(i));
    }
    assert!(refused > 0);
    assert!(
        std::fs::write(disk.path().join("filler"), vec![0u8; 96 << 10]).is_err(),
        "the disk is full"
    );
    let error = Web::builder().path(disk.path()).create().err().unwrap();
    assert!(
        matches!(&error, Error::Io { source, .. } if source.raw_os_error() == Some(libc::ENOSPC)),
        "{error}"
    );
    let mut added = 0;
    while writer.counter(&format!("c{added}")).add().is_ok() {
        added += 1;
    }
    let read = snapshot(disk.path());
    assert_eq!(read.labels("c*").count(), added);
    let count: u64 = read
        .labels("*.response_time")
        .filter_map(|label| {
            read.get("Handler", label)?
                .as_distribution()
                .map(|d| d.count())
        })
        .sum();
    assert_eq!(count, 200);
    assert!(read.errors().is_empty(), "{:?}", read.errors());
    // Space is available again: new files work.
    std::fs::remove_file(disk.path().join("filler")).unwrap();
    drop(stats);
    let web = Web::builder().path(disk.path()).create().unwrap();
    web.requests.inc();
    assert_eq!(
        snapshot(disk.path())
            .get("my-app", "requests")
            .unwrap()
            .as_u64(),
        Some(1)
    );
}
