//! Files that are written now, by several threads and processes: both readers say the same of them.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use mmstats::retire::Cleaner;
use mmstats::{Compound, Counter, Groups, MmLabels, MmStats, MmValue, Stats, Timer};

use super::json::{assert_same, by_library, by_python};
use super::{NextPool, NextWeb, Web, write};

/// Tells a process that it is the child of a test.
const ROLE: &str = "MMSTATS_TEST_ROLE";

/// What a child process does, in the root that the environment names.
fn child() {
    // A thread that ends leaves an orphan; nobody adopts it, for this thread has its file before.
    Web::local(|web| write(web, 11));
    std::thread::spawn(|| Web::local(|web| write(web, 12)))
        .join()
        .unwrap();
    println!("written");
    let _ = std::io::stdin().read(&mut [0]);
}

fn start_child(root: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["live::the_python_reader_agrees", "--exact", "--nocapture"])
        .env(ROLE, "live")
        .env("MMSTATS_PATH", root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(
        lines.any(|line| line.unwrap().ends_with("written")),
        "the child wrote nothing"
    );
    // Kept open, so that the child does not fail to print its result.
    std::mem::forget(lines);
    child
}

#[test]
fn the_python_reader_agrees() {
    if std::env::var_os(ROLE).is_some() {
        return child();
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
        let library = by_library(root.path());
        let files = library["models"]["web"]["files"].as_array().unwrap();
        let mut found: Vec<&str> = files
            .iter()
            .map(|file| file["state"].as_str().unwrap())
            .collect();
        found.sort_unstable();
        assert_eq!(found, states, "{what}");
        if let Some(python) = by_python(root.path()) {
            assert_same(what, &library, &python);
        }
    };
    compare("three threads", &["live"; 3]);
    let mut children = [start_child(root.path()), start_child(root.path())];
    compare(
        "three processes",
        &["live", "live", "live", "live", "live", "orphan", "orphan"],
    );
    children[0].kill().unwrap();
    children[0].wait().unwrap();
    compare(
        "one of them dead",
        &["dead", "dead", "live", "live", "live", "live", "orphan"],
    );
    // The model's next release, and a label prefix.
    let next = NextWeb::builder().path(root.path()).create().unwrap();
    next.requests.add(1);
    next.peak.add(2);
    next.size.record(1_000_003);
    next.pool.set(NextPool {
        waits: [1, 2, 3],
        open: 4,
        most: 5,
    });
    compare(
        "a new release",
        &[
            "dead", "dead", "live", "live", "live", "live", "live", "orphan",
        ],
    );
    let prefixed = Web::builder()
        .path(root.path())
        .label_prefix("b.")
        .create()
        .unwrap();
    write(&prefixed, 21);
    fs::write(root.path().join("web/mmstats-1-1"), b"\x01 of another kind").unwrap();
    compare(
        "a prefix and a bad file",
        &[
            "dead", "dead", "live", "live", "live", "live", "live", "live", "orphan",
        ],
    );
    children[1].kill().unwrap();
    children[1].wait().unwrap();
    // Folded, one after the other; and one that its folder could not remove any more.
    let killed = fs::read_dir(root.path().join("web")).unwrap();
    let pid = format!("mmstats-{}-", children[1].id());
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

/// ⌈99.9 % of 1000⌉ is 999, and 99.9 / 100 * 1000.0 is a little more.
#[test]
fn ranks_are_computed_without_rounding() {
    let root = tempfile::tempdir().unwrap();
    let web = Web::builder().path(root.path()).create().unwrap();
    for value in 1..=1_000 {
        web.size.record(value);
    }
    assert_eq!(web.size.distribution().percentile(99.9), Some(999));
    if let Some(python) = by_python(root.path()) {
        assert_same("a thousand values", &by_library(root.path()), &python);
    }
}

/// Written as fast as it goes, the slot is read whole or not at all.
#[test]
fn the_python_reader_takes_no_torn_value() {
    #[derive(MmStats)]
    struct Fast {
        #[mmstats(buffers = 16)]
        twins: Compound<Twins>,
    }
    #[derive(Clone, Copy, Default, MmValue)]
    #[repr(C)]
    struct Twins {
        words: [u64; 16],
    }
    let root = tempfile::tempdir().unwrap();
    let fast = Fast::builder().path(root.path()).create().unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let done = &done;
        let writer = scope.spawn(move || {
            let mut n = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                n += 1;
                fast.twins.set(Twins { words: [n; 16] });
                // About one in a microsecond.
                for _ in 0..50 {
                    std::hint::spin_loop();
                }
            }
            fast
        });
        for _ in 0..10 {
            let Some(python) = by_python(root.path()) else {
                break;
            };
            let words = &python["models"]["Fast"]["stats"]["twins"]["value"]["words"];
            // Missing: too busy.
            for word in words.as_array().into_iter().flatten() {
                assert_eq!(*word, words[0]);
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        drop(writer.join().unwrap());
    });
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
fn the_python_reader_agrees_on_labels() {
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
    let library = by_library(root.path());
    let stats = &library["models"]["labelled"]["stats"];
    for (label, value) in [
        (r#"ok{path="a\\b \"c\",\n{}=",status="404"}"#, 2 * 404 + 11),
        (r#"count{group="part",path="/",status="200"}"#, 11),
        (r#"by_name.ok{a="1",b="2"}"#, 11),
        ("by_name.index.ok", 11),
    ] {
        assert_eq!(stats[label]["value"], value, "{label}");
    }
    if let Some(python) = by_python(root.path()) {
        assert_same("labels", &library, &python);
    }
    // Removed in both files; in one the space then has other labels.
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
    let library = by_library(root.path());
    let stats = &library["models"]["labelled"]["stats"];
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
    if let Some(python) = by_python(root.path()) {
        assert_same("removed labels", &library, &python);
    }
    drop(second);
}
