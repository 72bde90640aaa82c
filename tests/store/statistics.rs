//! Statistics over threads and processes. Each test runs in a child with its own root.

use std::io::{BufReader, Read, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use super::example::connector::{FileConnector, MemoryConnector};
use super::example::error::Error;
use super::example::key::Key;
use super::example::stats::{self, Operation};
use super::{builder, child, in_memory};

/// Returns whether this is the child that runs the test; the parent runs the child.
fn is_child(name: &str) -> bool {
    if child::is_child(name) {
        return true;
    }
    let root = tempfile::tempdir().unwrap();
    child::run(&mut child::command(name, root.path()));
    false
}

#[test]
fn every_operation_has_its_times() {
    if !is_child("statistics::every_operation_has_its_times") {
        return;
    }
    let store = builder()
        .with_stats(true)
        .build(MemoryConnector::default())
        .unwrap();
    let began = SystemTime::now();
    let key = Key::new("object").unwrap();
    store.set_at(&key, &1u8).unwrap();
    for _ in 0..3 {
        store.get::<u8>(&key).unwrap();
    }
    store.set_bytes_at(&key, &[1, 2, 3]).unwrap();
    store.get_bytes(&key).unwrap();
    store.exists(&key).unwrap();
    store.is_cached(&key);
    let proxy = store.strict_proxy_of::<(u8, u8, u8)>(&key);
    assert_eq!(proxy, (1, 2, 3));
    let background = store.proxy_of::<(u8, u8, u8)>(&key);
    background.resolve_async();
    assert_eq!(background, proxy);
    store.evict(&key).unwrap();
    // They outlive the object.
    let all = store.stats(&proxy).unwrap();
    assert_eq!(all, store.stats(&key).unwrap());
    let calls: Vec<_> = all
        .iter()
        .map(|(operation, stats)| (*operation, stats.calls))
        .collect();
    use Operation::*;
    let expected = [
        (Set, 1),
        (SetBytes, 1),
        (Get, 5),
        (GetBytes, 1),
        (Exists, 1),
        (IsCached, 1),
        (Evict, 1),
        (Proxy, 2),
        (Resolve, 2),
        (ResolveAsync, 1),
    ];
    assert_eq!(calls, expected);
    for (operation, stats) in &all {
        assert!(
            stats.min_time_ms > 0.0 && stats.min_time_ms <= stats.avg_time_ms,
            "{operation:?} {stats:?}"
        );
        assert!(
            stats.avg_time_ms <= stats.max_time_ms && stats.p99_time_ms >= stats.min_time_ms,
            "{stats:?}"
        );
        let size = matches!(operation, SetBytes | GetBytes).then_some(3);
        assert_eq!(stats.size_bytes, size, "{operation:?}");
        let connector = !matches!(operation, IsCached | Proxy | Resolve | ResolveAsync);
        assert_eq!(stats.avg_connector_ms.is_some(), connector, "{operation:?}");
        assert_eq!(
            stats.avg_serialize_ms.is_some(),
            matches!(operation, Set | Get),
            "{operation:?}"
        );
    }
    for (operation, stats) in &all {
        let last = stats.last_time_ms.unwrap();
        // The bounds of buckets and the floats are rounded; the extremes are not.
        assert!(
            last >= stats.min_time_ms * 0.999 && last <= stats.max_time_ms * 1.001,
            "{operation:?} {stats:?}"
        );
        let at = stats.last_timestamp.unwrap();
        // The kernel's coarse clock lags by a few milliseconds.
        assert!(
            at + Duration::from_secs(1) >= began && at <= SystemTime::now(),
            "{operation:?} {at:?}"
        );
    }
    assert_eq!((all[&Get].cache_hits, all[&Get].cache_misses), (3, 1));
    assert!(store.stats(&Key::generate()).unwrap().is_empty());
    let without = in_memory();
    assert!(matches!(without.stats(&key), Err(Error::NoStats(_))));
    // And this store recorded nothing.
    without.set_at(&key, &1u8).unwrap();
    assert_eq!(store.stats(&key).unwrap(), all);
}

const READY: &[u8] = b"!";

/// A process that gets an object on two threads, and waits to be killed.
#[test]
fn process() {
    if !child::is_child("statistics::process") {
        return;
    }
    let directory = std::env::var_os("OBJECTS").unwrap();
    let connector = FileConnector::new(Path::new(&directory)).unwrap();
    let store = builder().with_stats(true).build(connector).unwrap();
    let key = Key::new("shared").unwrap();
    let get = || (0..50).for_each(|_| drop(store.get::<u8>(&key).unwrap()));
    thread::scope(|scope| {
        scope.spawn(get);
        scope.spawn(get);
    });
    std::io::stdout().write_all(READY).unwrap();
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().read(&mut [0]);
}

#[test]
fn threads_and_processes_are_merged_also_killed_ones() {
    if !is_child("statistics::threads_and_processes_are_merged_also_killed_ones") {
        return;
    }
    let objects = tempfile::tempdir().unwrap();
    let connector = FileConnector::new(objects.path()).unwrap();
    let store = builder().with_stats(true).build(connector).unwrap();
    let key = Key::new("shared").unwrap();
    store.set_at(&key, &1u8).unwrap();
    let root = std::env::var_os("MMSTATS_PATH").unwrap();
    let mut command = child::command("statistics::process", Path::new(&root));
    command.env("OBJECTS", objects.path());
    let mut processes: Vec<_> = (0..3).map(|_| child::start(&mut command)).collect();
    for process in &mut processes {
        let bytes = BufReader::new(process.0.stdout.as_mut().unwrap()).bytes();
        // The harness prints text before it.
        assert!(bytes.map(Result::unwrap).any(|byte| byte == READY[0]));
    }
    let gets = || {
        let stats = store.stats(&key).unwrap().remove(&Operation::Get).unwrap();
        assert_eq!(stats.cache_hits + stats.cache_misses, stats.calls);
        stats.calls
    };
    assert_eq!(gets(), 300);
    // SIGKILL.
    drop(processes);
    let before = store.stats(&key).unwrap()[&Operation::Get].last_timestamp;
    assert!(before.is_some());
    store.get::<u8>(&key).unwrap();
    assert_eq!(gets(), 301);
    let stats = store.stats(&key).unwrap().remove(&Operation::Get).unwrap();
    // Also from several files.
    assert!(
        stats.last_time_ms.is_some() && stats.last_timestamp >= before,
        "{stats:?}"
    );
}

#[test]
fn keys_beyond_the_cap_count_as_other() {
    if !is_child("statistics::keys_beyond_the_cap_count_as_other") {
        return;
    }
    let store = builder()
        .with_stats(true)
        .build(MemoryConnector::default())
        .unwrap();
    for n in 0..10_100 {
        let key = Key::new(&format!("key-{n}")).unwrap();
        store.set_bytes_at(&key, b"x").unwrap();
    }
    let key = |n: u32| Key::new(&format!("key-{n}")).unwrap();
    store.get_bytes(&key(0)).unwrap();
    let all = stats::all().unwrap();
    let calls = |operation| -> u64 {
        let of = all.values().filter_map(|of| of.get(&operation));
        of.map(|stats| stats.calls).sum()
    };
    // What README.md says: this many series of their own, in this many bytes; everything beyond counts as `_other`.
    assert_eq!(calls(Operation::SetBytes), 10_000);
    assert_eq!(all.len(), 10_001);
    // No call is lost.
    assert_eq!(all["_other"][&Operation::Other].calls, 101);
    let root = std::env::var_os("MMSTATS_PATH").unwrap();
    let files = std::fs::read_dir(Path::new(&root).join("store")).unwrap();
    let bytes: u64 = files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    println!("{bytes} bytes");
    assert!(bytes <= 16 << 20, "{bytes}");
}
