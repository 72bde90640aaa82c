//! Groups that end when no thread writes them (`#[mmstats(idle = "3s")]`).
//!
//! The library determines the time-out, so the tests wait for the event, up to a deadline that only a broken library
//! reaches.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use mmstats::{Counter, Groups, MmStats, Timer};
use tempfile::TempDir;

use super::models::snapshot;

#[derive(MmStats)]
struct Sessions {
    #[mmstats(idle = "3s")]
    sessions: Groups<Session>,
    #[mmstats(prefix = "kept.")]
    kept: Groups<Session>,
    #[mmstats(prefix = "around.", idle = "3s")]
    around: Groups<Around>,
}

#[derive(MmStats)]
struct Session {
    requests: Counter,
    time: Timer,
    // The process writes its steps by the clock, whether or not anything is counted.
    #[mmstats(window = "1s")]
    recent: Counter,
}

#[derive(MmStats)]
struct Around {
    n: Counter,
    inner: Groups<Inner>,
}

#[derive(MmStats)]
struct Inner {
    n: Counter,
}

fn number(root: &TempDir, label: &str) -> Option<u64> {
    snapshot(root)
        .get("Sessions", label)
        .and_then(|v| v.as_u64())
}

/// Does something until `is_done`.
fn until(mut is_done: impl FnMut() -> bool, mut meanwhile: impl FnMut()) {
    let begun = Instant::now();
    while !is_done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never");
        meanwhile();
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_group_that_nobody_writes_ends_and_others_stay() {
    let root = tempfile::tempdir().unwrap();
    let mut stats = Sessions::builder().path(root.path()).create().unwrap();
    let idle = stats.sessions.group("idle");
    idle.requests.add(3);
    idle.recent.inc();
    idle.time.record(Duration::from_millis(1));
    stats.kept.group("idle").requests.add(5);
    let busy = stats.sessions.group("busy");
    until(
        || number(&root, "idle.requests").is_none(),
        || busy.requests.inc(),
    );
    assert_eq!(number(&root, "kept.idle.requests"), Some(5));
    assert_eq!(number(&root, "busy.requests"), Some(busy.requests.get()));
    // Looking it up again creates a new group.
    assert_eq!(stats.sessions.group("idle").requests.get(), 0);
    // The new group also ends, and so does a group in reused space.
    until(
        || number(&root, "idle.requests").is_none(),
        || stats.sessions.group("busy").requests.inc(),
    );
    let before = std::fs::metadata(stats.path().unwrap()).unwrap().len();
    assert_eq!(stats.sessions.len(), 1);
    stats.reuse_removed();
    stats.sessions.group("later").requests.add(7);
    assert_eq!(number(&root, "later.requests"), Some(7));
    assert_eq!(
        std::fs::metadata(stats.path().unwrap()).unwrap().len(),
        before
    );
    until(|| number(&root, "later.requests").is_none(), || ());
}

#[test]
fn a_group_stays_whole_while_one_thread_writes_it() {
    let root = tempfile::tempdir().unwrap();
    let stats = Sessions::builder().path(root.path()).create().unwrap();
    stats.sessions.group("shared").requests.add(100);
    stats.sessions.group("idle").requests.inc();
    let (tell, told) = mpsc::channel::<()>();
    let path = root.path().to_owned();
    let other = std::thread::spawn(move || {
        let stats = Sessions::builder().path(path).create().unwrap();
        let shared = stats.sessions.group("shared");
        let pause = Duration::from_millis(50);
        while told.recv_timeout(pause) == Err(mpsc::RecvTimeoutError::Timeout) {
            shared.requests.inc();
        }
        shared.requests.get()
    });
    // On this thread it was idle for as long as the other group.
    let mut last = 100;
    until(
        || number(&root, "idle.requests").is_none(),
        || {
            let now = number(&root, "shared.requests").unwrap();
            assert!(now >= last, "{now} after {last}");
            last = now;
        },
    );
    assert!(number(&root, "shared.requests").unwrap() >= last);
    drop(tell);
    other.join().unwrap();
    // That thread's file was removed together with its stats.
    until(|| number(&root, "shared.requests").is_none(), || ());
}

#[test]
fn a_group_is_not_idle_while_groups_within_it_are_written() {
    let root = tempfile::tempdir().unwrap();
    let stats = Sessions::builder().path(root.path()).create().unwrap();
    let busy = stats.around.group("busy");
    busy.n.inc();
    let written = busy.inner.group("written");
    busy.inner.group("not").n.inc();
    let idle = stats.around.group("idle");
    idle.n.inc();
    idle.inner.group("inner").n.inc();
    until(
        || number(&root, "around.idle.n").is_none(),
        || written.n.inc(),
    );
    assert_eq!(number(&root, "around.idle.inner.n"), None);
    assert_eq!(number(&root, "around.busy.n"), Some(1));
    assert_eq!(number(&root, "around.busy.not.n"), Some(1));
    assert_eq!(
        number(&root, "around.busy.written.n"),
        Some(written.n.get())
    );
    until(|| number(&root, "around.busy.n").is_none(), || ());
    assert_eq!(number(&root, "around.busy.written.n"), None);
}
