//! Files that are being written, by several threads and processes.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use mmstats::retire::Cleaner;
use mmstats::{Counter, Groups, MmLabels, MmStats, Stats, Timer};

use super::child::{self, Running};
use super::compare::assert_same;
use super::models::{NextPool, NextWeb, Web, write};

/// The child process, with the root that the environment names.
fn be_child() {
    // A thread that ends leaves an orphan; no thread adopts it, because this thread already has a file.
    Web::local(|web| write(web, 11));
    std::thread::spawn(|| Web::local(|web| write(web, 12)))
        .join()
        .unwrap();
    println!("written");
    let _ = std::io::stdin().read(&mut [0]);
}

const OF_ALL_KINDS: &str = "live::files_of_all_kinds_and_states";

fn start_child(root: &Path) -> Running {
    let mut child = child::start(&mut child::command(OF_ALL_KINDS, root));
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    assert!(
        lines.any(|line| line.unwrap().ends_with("written")),
        "the child wrote nothing"
    );
    // Kept open, so that the child does not fail to print its result.
    std::mem::forget(lines);
    child
}

#[test]
fn files_of_all_kinds_and_states() {
    if child::is_child(OF_ALL_KINDS) {
        return be_child();
    }
    let root = tempfile::tempdir().unwrap();
    let threads: Vec<Stats<Web>> = (1..=3)
        .map(|seed| {
            let path = root.path().to_owned();
            let thread = std::thread::spawn(move || {
                let web = Web::builder().path(path).create().unwrap();
                write(&web, seed);
                web
            });
            thread.join().unwrap()
        })
        .collect();
    let compare = |what: &str, states: &[&str]| {
        let shown = assert_same(what, &[root.path()]);
        let files = shown["models"]["web"]["files"].as_array().unwrap();
        let mut found: Vec<&str> = files
            .iter()
            .map(|file| file["state"].as_str().unwrap())
            .collect();
        found.sort_unstable();
        assert_eq!(found, states, "{what}");
    };
    let mut children = [start_child(root.path()), start_child(root.path())];
    compare(
        "threads of three processes",
        &["live", "live", "live", "live", "live", "orphan", "orphan"],
    );
    children[0].0.kill().unwrap();
    children[0].0.wait().unwrap();
    compare(
        "one of them dead",
        &["dead", "dead", "live", "live", "live", "live", "orphan"],
    );
    // The next release of the model, and a label prefix.
    let next = NextWeb::builder().path(root.path()).create().unwrap();
    next.requests.add(1);
    next.peak.add(2);
    next.size.record(1_000_003);
    next.pool.set(NextPool {
        waits: [1, 2, 3],
        open: 4,
        most: 5,
    });
    let prefixed = Web::builder()
        .path(root.path())
        .label_prefix("b.")
        .create()
        .unwrap();
    write(&prefixed, 21);
    fs::write(root.path().join("web/mmstats-1-1"), b"\x01 of another kind").unwrap();
    compare(
        "a new release, a prefix and a bad file",
        &[
            "dead", "dead", "live", "live", "live", "live", "live", "live", "orphan",
        ],
    );
    children[1].0.kill().unwrap();
    children[1].0.wait().unwrap();
    // Folded, one after the other; and a file that could not be removed after it was folded.
    let killed = fs::read_dir(root.path().join("web")).unwrap();
    let pid = format!("mmstats-{}-", children[1].0.id());
    let named = |path: &std::path::PathBuf| path.to_string_lossy().contains(&pid);
    let left = killed
        .map(|entry| entry.unwrap().path())
        .find(named)
        .unwrap();
    let bytes = fs::read(&left).unwrap();
    let cleaned = Cleaner::new().fold(true).clean(root.path()).unwrap();
    assert_eq!(cleaned.files().len(), 4, "{cleaned:?}");
    let states = ["dead", "live", "live", "live", "live", "live"];
    compare("folded", &states);
    fs::write(left, bytes).unwrap();
    compare("folded and still there", &states);
    drop(threads);
}

/// ⌈99.9 % of 1000⌉ is 999, but 99.9 / 100 * 1000.0 is slightly more.
#[test]
fn ranks_are_computed_without_rounding() {
    let root = tempfile::tempdir().unwrap();
    let web = Web::builder().path(root.path()).create().unwrap();
    for value in 1..=1_000 {
        web.size.record(value);
    }
    assert_eq!(web.size.distribution().percentile(99.9), Some(999));
    assert_same("a thousand values", &[root.path()]);
}

#[derive(MmStats)]
#[mmstats(name = "labelled")]
struct Labelled {
    routes: Groups<Requests, Route>,
    #[mmstats(group_label = "handler", prefix = "by_name.")]
    handlers: Groups<Requests>,
}

#[derive(MmStats)]
struct Requests {
    #[mmstats(window = "24h")]
    ok: Counter,
    #[mmstats(window = "23h")]
    time: Timer,
    parts: Groups<Parts>,
}

#[derive(MmStats)]
struct Parts {
    count: Counter,
}

#[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
struct Route {
    path: String,
    status: u16,
}

/// Labels with everything that the label text escapes, in files of two threads.
#[test]
fn groups_with_labels_that_come_and_go() {
    let root = tempfile::tempdir().unwrap();
    let write = |seed: u64| {
        let labelled = Labelled::builder().path(root.path()).create().unwrap();
        for path in ["/", "a\\b \"c\",\n{}=", "größe", ""] {
            for status in [200, 404] {
                let path = path.to_owned();
                let group = labelled.routes.group(&Route { path, status });
                group.ok.add(seed + u64::from(status));
                group.time.record(std::time::Duration::from_micros(seed));
                group.parts.group("part").count.add(seed);
            }
        }
        let pairs = [("b", "2"), ("a", "1")];
        labelled.handlers.group_with(&pairs).ok.add(seed);
        labelled.handlers.group("index").ok.add(seed);
        labelled
    };
    let mut first = write(1);
    let second = std::thread::scope(|scope| scope.spawn(|| write(10)).join().unwrap());
    let shown = assert_same("labels", &[root.path()]);
    let stats = &shown["models"]["labelled"]["stats"];
    for (label, value) in [
        (r#"ok{path="a\\b \"c\",\n{}=",status="404"}"#, 2 * 404 + 11),
        (r#"count{group="part",path="/",status="200"}"#, 11),
        (r#"by_name.ok{a="1",b="2"}"#, 11),
        ("by_name.index.ok", 11),
    ] {
        assert_eq!(stats[label]["value"], value, "{label}");
    }
    // Removed in both files; in one of them the space then gets other labels.
    let route = |path: &str, status| Route {
        path: path.to_owned(),
        status,
    };
    assert!(first.routes.remove(&route("größe", 404)));
    assert!(first.handlers.remove_with(&[("a", "1"), ("b", "2")]));
    assert!(first.handlers.remove("index"));
    first.reuse_removed();
    first.routes.group(&route("new", 1)).ok.add(3);
    first.handlers.group_with(&[("c", "3")]).ok.add(4);
    let shown = assert_same("removed labels", &[root.path()]);
    let stats = &shown["models"]["labelled"]["stats"];
    for label in [
        r#"ok{path="größe",status="404"}"#,
        r#"count{group="part",path="größe",status="404"}"#,
        r#"by_name.ok{a="1",b="2"}"#,
        "by_name.index.ok",
    ] {
        assert!(stats[label].is_null(), "{label}");
    }
    for (label, value) in [
        (r#"ok{path="größe",status="200"}"#, 2 * 200 + 11),
        (r#"ok{path="new",status="1"}"#, 3),
        (r#"by_name.ok{c="3"}"#, 4),
    ] {
        assert_eq!(stats[label]["value"], value, "{label}");
    }
    drop(second);
}
