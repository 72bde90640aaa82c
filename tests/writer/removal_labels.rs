//! Removal of groups with labels, by a struct and by pairs.

use std::path::Path;
use std::sync::{Barrier, mpsc};

use mmstats::{Counter, Groups, MmLabels, MmStats};

use super::child;
use super::models::snapshot;

#[derive(MmStats)]
struct Site {
    named: Groups<Page>,
    pages: Groups<Page, Place>,
}

#[derive(MmStats)]
struct Page {
    hits: Counter,
    parts: Groups<Part>,
}

#[derive(MmStats)]
struct Part {
    n: Counter,
}

#[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
struct Place {
    host: String,
    status: u16,
}

fn place(host: &str, status: u16) -> Place {
    let host = host.to_owned();
    Place { host, status }
}

fn site(root: &Path) -> mmstats::Stats<Site> {
    Site::builder().path(root).create().unwrap()
}

fn number(root: &tempfile::TempDir, label: &str) -> Option<u64> {
    let snapshot = snapshot(root);
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
    snapshot.get("Site", label).and_then(|v| v.as_u64())
}

const HOST_A: &str = r#"hits{host="a",status="200"}"#;
const TWO: &str = r#"hits{a="1",b="2"}"#;

#[test]
fn labels_of_a_removed_group_are_free_again() {
    let root = tempfile::tempdir().unwrap();
    let mut site = site(root.path());
    let a = place("a", 200);
    // Both tables can have these labels: the first one gets them.
    let pairs = [("status", "200"), ("host", "a")];
    for round in 1..20u64 {
        site.pages.group(&a).hits.add(round);
        assert!(site.named.try_group_with(&pairs).is_err(), "taken");
        assert_eq!(number(&root, HOST_A), Some(round));
        assert!(site.pages.remove(&a));
        assert!(!site.pages.remove(&a));
        assert_eq!(number(&root, HOST_A), None);
        assert!(site.pages.is_empty());
        let other = site.named.try_group_with(&pairs).unwrap();
        assert_eq!(other.hits.get(), 0);
        other.hits.inc();
        assert!(site.pages.try_group(&a).is_err(), "taken");
        assert_eq!(number(&root, HOST_A), Some(1));
        assert!(site.named.remove_with(&[pairs[1], pairs[0]]));
        assert!(!site.named.remove_with(&pairs));
        site.reuse_removed();
    }
    let file = site.path().unwrap();
    assert!(std::fs::metadata(&file).unwrap().len() < 32 << 10);
    assert_eq!(mmstats::reader::verify(&file).unwrap(), []);
    assert!(!site.pages.remove(&place("_other", 0)));
    assert!(!site.named.remove_with(&[("", "no key")]));
    assert!(!site.named.remove_with(&[("a", "1"); 100]));
}

#[test]
fn groups_within_labels_end_with_them_and_longer_labels_stay() {
    let root = tempfile::tempdir().unwrap();
    let other = site(root.path());
    let site = site(root.path());
    for site in [&site, &other] {
        let one = site.named.group_with(&[("a", "1")]);
        one.hits.inc();
        one.parts.group("x").n.inc();
        one.parts.group_with(&[("deep", "1")]).n.inc();
        site.named.group_with(&[("a", "1"), ("b", "2")]).hits.inc();
        site.named
            .group_with(&[("b", "2")])
            .parts
            .group("x")
            .n
            .inc();
    }
    let within = [
        r#"hits{a="1"}"#,
        r#"n{a="1",group="x"}"#,
        r#"n{a="1",deep="1"}"#,
    ];
    let beside = [TWO, r#"n{b="2",group="x"}"#];
    for label in within.iter().chain(&beside) {
        assert_eq!(number(&root, label), Some(2), "{label}");
    }
    assert!(site.named.remove_with(&[("a", "1")]));
    for label in within {
        assert_eq!(number(&root, label), None, "{label}");
    }
    for label in beside {
        assert_eq!(number(&root, label), Some(2), "{label}");
    }
    site.named
        .group_with(&[("a", "1")])
        .parts
        .group("x")
        .n
        .inc();
    assert_eq!(number(&root, within[1]), Some(1));
}

#[derive(MmStats)]
struct Beside {
    pages: Groups<Page, Place>,
    others: Groups<Part>,
}

/// A record does not say which group it is in, so a group of another field may end together with one that has its
/// labels.
#[test]
fn a_group_of_another_field_that_ended_is_made_again_when_it_is_asked_for() {
    let root = tempfile::tempdir().unwrap();
    let beside = Beside::builder().path(root.path()).create().unwrap();
    beside.pages.group(&place("a", 200)).hits.inc();
    let pairs = [("host", "a"), ("more", "1"), ("status", "200")];
    beside.others.group_with(&pairs).n.add(5);
    assert!(beside.pages.remove(&place("a", 200)));
    beside.others.group_with(&pairs).n.inc();
    let snapshot = snapshot(&root);
    let n = snapshot.get("Beside", r#"n{host="a",more="1",status="200"}"#);
    assert_eq!(n.and_then(|v| v.as_u64()), Some(1));
}

#[test]
fn labelled_groups_are_removed_in_all_threads() {
    let root = tempfile::tempdir().unwrap();
    let own = site(root.path());
    let (to_thread, from_main) = mpsc::channel::<()>();
    let (to_main, from_thread) = mpsc::channel::<()>();
    let path = root.path().to_owned();
    let thread = std::thread::spawn(move || {
        let site = site(&path);
        let write = |n| {
            site.pages.group(&place("a", 200)).hits.add(n);
            site.named.group_with(&[("b", "2"), ("a", "1")]).hits.add(n);
        };
        write(10);
        to_main.send(()).unwrap();
        from_main.recv().unwrap();
        write(100);
        to_main.send(()).unwrap();
        from_main.recv().unwrap();
    });
    from_thread.recv().unwrap();
    own.pages.group(&place("a", 200)).hits.inc();
    assert_eq!(number(&root, HOST_A), Some(11));
    assert!(own.pages.remove(&place("a", 200)));
    assert!(
        own.named.remove_with(&[("a", "1"), ("b", "2")]),
        "of the thread"
    );
    assert_eq!((number(&root, HOST_A), number(&root, TWO)), (None, None));
    to_thread.send(()).unwrap();
    from_thread.recv().unwrap();
    assert_eq!(number(&root, HOST_A), Some(100));
    assert_eq!(number(&root, TWO), Some(100));
    to_thread.send(()).unwrap();
    thread.join().unwrap();
}

#[test]
fn threads_remove_and_write_labelled_groups_at_once() {
    let root = tempfile::tempdir().unwrap();
    let begin = Barrier::new(3);
    std::thread::scope(|scope| {
        for thread in 0..3u64 {
            let (path, begin) = (root.path(), &begin);
            scope.spawn(move || {
                let mut site = site(path);
                begin.wait();
                for i in 0..2000u64 {
                    let key = place("host", ((i * 7 + thread) % 10) as u16);
                    site.pages.try_group(&key).unwrap().hits.inc();
                    let value = (i * 3 % 10).to_string();
                    let pairs = [("z", "last"), ("a", value.as_str())];
                    site.named.try_group_with(&pairs).unwrap().hits.inc();
                    if i % 3 == 0 {
                        site.pages.remove(&key);
                        site.named.remove_with(&pairs);
                    }
                    if i % 10 == 0 {
                        site.reuse_removed();
                    }
                }
                let file = site.path().unwrap();
                assert_eq!(mmstats::reader::verify(&file).unwrap(), []);
                assert!(std::fs::metadata(file).unwrap().len() < 1 << 20);
            });
        }
    });
}

#[test]
fn a_child_of_a_fork_writes_on_after_a_removal() {
    const NAME: &str = "removal_labels::a_child_of_a_fork_writes_on_after_a_removal";
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        child::run(&mut child::command(NAME, root.path()));
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let mut parent = site(root.path());
    parent
        .named
        .group_with(&[("a", "1"), ("b", "2")])
        .hits
        .add(5);
    parent.pages.group(&place("a", 200)).hits.add(5);
    assert!(parent.pages.remove(&place("a", 200)));
    // SAFETY: the child exits through `_exit`, and takes no lock that another thread may hold.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // It uses private memory by now: what it removes is not the parent's.
        let gone = parent.named.remove_with(&[("a", "1"), ("b", "2")]);
        let new = parent.pages.group(&place("a", 200)).hits.get() == 0;
        parent.reuse_removed();
        parent.pages.group(&place("c", 1)).hits.inc();
        // SAFETY: as above.
        unsafe { libc::_exit(if gone && new { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: a child of this process that nothing else waits for.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    assert_eq!(status, 0);
    assert_eq!(number(&root, TWO), Some(5));
    assert_eq!(number(&root, HOST_A), None);
    parent.reuse_removed();
    parent.pages.group(&place("a", 200)).hits.inc();
    assert_eq!(number(&root, HOST_A), Some(1));
    assert!(parent.named.remove_with(&[("a", "1"), ("b", "2")]));
}
