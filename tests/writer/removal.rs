//! Groups that are removed: their series end everywhere, and their space is reused for others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use mmstats::reader::Reader;
use mmstats::{Compound, Counter, Gauge, Groups, History, MmStats, Percentile};

use super::child;
use super::line::Line;
use super::models::{Web, snapshot};

#[derive(MmStats)]
struct Crowd {
    members: Groups<Member>,
}

#[derive(MmStats)]
struct Member {
    n: Counter,
    level: Gauge<f64>,
    size: Percentile,
    #[mmstats(window = "1h")]
    recent: Counter,
    history: History<20>,
}

#[derive(MmStats)]
struct Tree {
    #[mmstats(prefix = "branch.")]
    branches: Groups<Branch>,
}

#[derive(MmStats)]
struct Branch {
    n: Counter,
    leaves: Groups<Leaf>,
}

#[derive(MmStats)]
struct Leaf {
    n: Counter,
}

fn number(root: &tempfile::TempDir, model: &str, label: &str) -> Option<u64> {
    snapshot(root).get(model, label).and_then(|v| v.as_u64())
}

#[test]
fn a_removed_group_is_gone_and_begins_anew() {
    let root = tempfile::tempdir().unwrap();
    let mut web = Web::builder().path(root.path()).create().unwrap();
    let held = web.handlers.group("index");
    held.response_ok.add(5);
    assert!(web.handlers.remove("index"));
    assert!(!web.handlers.remove("index"), "it is gone already");
    assert_eq!(web.handlers.len(), 0);
    assert_eq!(number(&root, "my-app", "index.response_ok"), None);
    let again = web.handlers.group("index");
    again.response_ok.inc();
    held.response_ok.add(100);
    assert_eq!(number(&root, "my-app", "index.response_ok"), Some(1));
    assert_eq!(again.response_ok.get(), 1);
    web.reuse_removed();
    web.handlers.group("login").response_ok.add(3);
    let snapshot = snapshot(&root);
    assert_eq!(
        snapshot
            .get("my-app", "login.response_ok")
            .unwrap()
            .as_u64(),
        Some(3)
    );
    assert_eq!(
        snapshot
            .get("my-app", "index.response_ok")
            .unwrap()
            .as_u64(),
        Some(1)
    );
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
    let file = web.path().unwrap();
    assert_eq!(mmstats::reader::verify(&file).unwrap(), []);
    // With a removed group that is still bound.
    web.handlers
        .group("login")
        .response_time
        .record(Duration::ZERO);
    assert!(web.handlers.remove("login"));
    drop(web);
    assert!(!file.exists());
}

#[test]
fn groups_within_a_group_end_with_it() {
    let root = tempfile::tempdir().unwrap();
    let mut tree = Tree::builder().path(root.path()).create().unwrap();
    for round in 1..50u64 {
        let branch = tree.branches.group("a");
        branch.n.inc();
        branch.leaves.group("x").n.add(round);
        tree.branches.group("ab").leaves.group("x").n.inc();
        assert_eq!(number(&root, "Tree", "branch.a.x.n"), Some(round));
        assert!(tree.branches.remove("a"));
        assert_eq!(number(&root, "Tree", "branch.a.x.n"), None);
        assert_eq!(number(&root, "Tree", "branch.ab.x.n"), Some(round));
        tree.reuse_removed();
    }
    assert!(std::fs::metadata(tree.path().unwrap()).unwrap().len() < 32 << 10);
}

#[test]
fn a_group_is_removed_in_all_threads() {
    let root = tempfile::tempdir().unwrap();
    let web = Web::builder().path(root.path()).create().unwrap();
    web.handlers.group("index").response_ok.add(1);
    let (to_thread, from_main) = mpsc::channel::<()>();
    let (to_main, from_thread) = mpsc::channel::<()>();
    let path = root.path().to_owned();
    let thread = std::thread::spawn(move || {
        let web = Web::builder().path(path).create().unwrap();
        web.handlers.group("index").response_ok.add(10);
        web.handlers.group("login").response_ok.add(10);
        to_main.send(()).unwrap();
        from_main.recv().unwrap();
        web.handlers.group("index").response_ok.add(100);
        to_main.send(()).unwrap();
        from_main.recv().unwrap();
    });
    from_thread.recv().unwrap();
    assert_eq!(number(&root, "my-app", "index.response_ok"), Some(11));
    assert!(web.handlers.remove("index"));
    // At once, although the other thread has done nothing since.
    assert_eq!(number(&root, "my-app", "index.response_ok"), None);
    assert_eq!(number(&root, "my-app", "login.response_ok"), Some(10));
    assert!(web.handlers.remove("login"), "only the other thread has it");
    assert_eq!(number(&root, "my-app", "login.response_ok"), None);
    to_thread.send(()).unwrap();
    from_thread.recv().unwrap();
    assert_eq!(number(&root, "my-app", "index.response_ok"), Some(100));
    to_thread.send(()).unwrap();
    thread.join().unwrap();
}

#[test]
fn the_cap_counts_groups_that_are_there() {
    let root = tempfile::tempdir().unwrap();
    let builder = Web::builder().path(root.path()).max_groups(2);
    let web = builder.create().unwrap();
    for name in ["a", "b", "c", "d"] {
        assert!(web.handlers.try_group(name).is_ok());
        assert!(web.handlers.try_group("z").is_ok());
        assert!(web.handlers.try_group("one too many").is_err());
        assert!(web.handlers.remove(name));
    }
    assert!(!web.handlers.remove("_other"));
}

/// Uses everything that a member has, including what is outside its block: octaves and parts.
fn use_all(member: &Member, i: u64) {
    member.n.inc();
    member.level.set(1.0);
    member.size.record(1 << (i % 30));
    member.recent.inc();
    for _ in 0..30 {
        member.history.push_with(i as f64, i.to_string());
    }
}

#[test]
fn a_million_groups_stay_within_the_file() {
    let root = tempfile::tempdir().unwrap();
    let mut crowd = Crowd::builder().path(root.path()).create().unwrap();
    let many = if cfg!(debug_assertions) {
        30_000
    } else {
        1_000_000
    };
    for i in 0..many {
        let name = format!("member-{i}");
        let member = crowd.members.try_group(&name).unwrap();
        assert_eq!((member.n.get(), member.history.len()), (0, 0));
        use_all(member, i);
        assert!(crowd.members.remove(&name));
        crowd.reuse_removed();
    }
    let len = std::fs::metadata(crowd.path().unwrap()).unwrap().len();
    assert!(len < 1 << 20, "{len} bytes");
    assert_eq!(mmstats::reader::verify(crowd.path().unwrap()).unwrap(), []);
    use_all(crowd.members.group("last"), 3);
    let snapshot = snapshot(&root);
    let get = |label| snapshot.get("Crowd", label).and_then(|v| v.as_u64());
    assert_eq!(get("last.n"), Some(1));
    assert_eq!(get("last.size.Count"), Some(1));
    assert_eq!(get("last.size.Median"), Some(8));
    assert_eq!(snapshot.iter().count(), 5);
}

#[test]
fn local_uses_the_space_again_when_its_outermost_call_begins() {
    #[derive(MmStats)]
    #[mmstats(name = "removal-local")]
    struct Locals {
        members: Groups<Member>,
    }
    const NAME: &str = "removal::local_uses_the_space_again_when_its_outermost_call_begins";
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        child::run(&mut child::command(NAME, root.path()));
        return;
    }
    for i in 0..20_000u64 {
        Locals::local(|locals| {
            let name = format!("member-{i}");
            let pairs = [("member", name.as_str())];
            // Whichever way it was borrowed.
            let held = match i % 4 {
                0 => locals.members.group(&name),
                1 => locals.members.try_group(&name).unwrap(),
                2 => locals.members.group_with(&pairs),
                _ => locals.members.try_group_with(&pairs).unwrap(),
            };
            use_all(held, i);
            assert!(match i % 4 {
                0 | 1 => locals.members.remove(&name),
                _ => locals.members.remove_with(&pairs),
            });
            // A call within this one reuses nothing, because the handle is still held.
            Locals::local(|inner| {
                let other = inner.members.try_group("other").unwrap();
                held.n.add(1000);
                assert_eq!(other.n.get(), 0);
                assert!(inner.members.remove("other"));
            });
        });
    }
    // After a panic a call no longer holds a handle, and a call that looks up no group holds none: calls within it
    // reuse space.
    let panics = || Locals::local(|locals| panic!("{}", locals.members.group("last").n.get()));
    assert!(std::panic::catch_unwind(panics).is_err());
    Locals::local(|_| {
        for i in 0..20_000 {
            Locals::local(|inner| {
                let name = format!("inner-{i}");
                inner.members.group(&name).n.inc();
                assert!(inner.members.remove(&name));
            });
        }
    });
    let root = std::env::var_os("MMSTATS_PATH").unwrap();
    let directory = std::path::Path::new(&root).join("removal-local");
    for file in std::fs::read_dir(directory).unwrap() {
        let len = file.unwrap().metadata().unwrap().len();
        assert!(len < 1 << 20, "{len} bytes");
    }
}

#[derive(MmStats)]
struct Shown {
    rooms: Groups<Room>,
}

#[derive(MmStats)]
struct Room {
    line: Compound<Line>,
    n: Counter,
    size: Percentile,
}

/// Readers of both kinds sample while groups come and go: never a value under another's name, and never one that goes
/// backwards.
fn sample(mapped: bool) {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let mut shown = Shown::builder().path(root.path()).create().unwrap();
    if !mapped {
        let directory = std::fs::metadata(root.path().join("Shown")).unwrap();
        let mut mode = directory.permissions();
        mode.set_mode(0o777);
        std::fs::set_permissions(root.path().join("Shown"), mode).unwrap();
    }
    let done = AtomicBool::new(false);
    let (rounds, samples) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reader = Reader::open(root.path()).unwrap();
            let (mut seen, mut last) = (0u64, 0u64);
            while !done.load(Ordering::Relaxed) {
                let snapshot = reader.snapshot().unwrap();
                assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
                for (_, label, value) in snapshot.iter() {
                    let (name, metric) = label.split_once('.').unwrap();
                    let own: u64 = name.parse().unwrap();
                    if metric == "n" {
                        // Every count of a room is a multiple of its number, and below its next round.
                        let n = value.as_u64().unwrap();
                        assert!(n.is_multiple_of(own), "{n} in {name}");
                        seen += u64::from(n > 0);
                        last = last.max(own);
                    } else if let Some(n) = snapshot.get("Shown", &format!("{name}.size.Max")) {
                        assert_eq!(n.as_u64(), Some(own), "in {name}");
                    }
                }
            }
            (seen, last)
        });
        let mut own = 1_000_003u64;
        let end = std::time::Instant::now() + Duration::from_millis(1500);
        while std::time::Instant::now() < end {
            let name = own.to_string();
            let room = shown.rooms.try_group(&name).unwrap();
            for i in 0..own % 5000 {
                room.n.add(own);
                room.line.set(Line::of(i));
                room.size.record(own);
            }
            assert!(shown.rooms.remove(&name));
            shown.reuse_removed();
            own += 2;
        }
        done.store(true, Ordering::Relaxed);
        (own, reader.join().unwrap())
    });
    assert!(samples.0 > 0 && samples.1 < rounds, "{samples:?}");
}

#[test]
fn a_mapped_reader_never_mixes_groups() {
    sample(true);
}

#[test]
fn a_reading_reader_never_mixes_groups() {
    sample(false);
}

#[test]
fn threads_remove_and_write_at_once() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    std::thread::scope(|scope| {
        for thread in 0..3u64 {
            scope.spawn(move || {
                let mut web = Web::builder().path(path).create().unwrap();
                for i in 0..2000u64 {
                    let name = format!("g{}", (i * 7 + thread) % 20);
                    web.handlers.try_group(&name).unwrap().response_ok.inc();
                    if i % 3 == 0 {
                        web.handlers.remove(&name);
                    }
                    if i % 10 == 0 {
                        web.reuse_removed();
                    }
                }
                let file = web.path().unwrap();
                assert_eq!(mmstats::reader::verify(&file).unwrap(), []);
                assert!(std::fs::metadata(file).unwrap().len() < 1 << 20);
            });
        }
    });
}
