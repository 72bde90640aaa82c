//! Never doubled, never lost: killed pushers, folds, two pushers, and a server that was set back.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mmstats::push::redis::Pusher;
use mmstats::{Counter, Groups, MmStats};

use super::server::{Server, Stat};
use super::{Tasks, child, push};

/// Returns `full` rounds in a full run, otherwise `short`.
fn many(full: u64, short: u64) -> u64 {
    match std::env::var("MMSTATS_LIFECYCLE") {
        Ok(value) if value == "full" => full,
        _ => short,
    }
}

/// What one worker counts.
const REQUESTS: u64 = 5;
const LOADS: [f64; 3] = [1.0, 2.0, 6.0];

fn work() {
    Tasks::local(|tasks| {
        tasks.requests.add(REQUESTS);
        for load in LOADS {
            tasks.load.record(load);
            tasks.recent.push(load);
        }
        tasks.response.record(Duration::from_millis(250));
        tasks.errors.record(&std::fmt::Error);
    });
}

/// Starts a worker, which folds its file when it ends, at the end of its stdin.
fn worker(name: &str, root: &Path) -> child::Running {
    let mut command = child::command(name, root);
    command.env("MMSTATS_FOLD", "1");
    child::start(&mut command)
}

fn is_worker(name: &str) -> bool {
    let is_worker = child::is_child(name);
    if is_worker {
        work();
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
    }
    is_worker
}

fn end(mut worker: child::Running) {
    drop(worker.0.stdin.take());
    assert!(worker.0.wait().unwrap().success());
}

/// Asserts the totals of this many workers.
fn assert_totals(redis: &mut redis::Connection, workers: u64) {
    for (label, each) in [
        ("requests", REQUESTS),
        ("load", LOADS.len() as u64),
        ("response", 1),
        ("errors__EXC:fmt::Error", 1),
        ("errors__all", 1),
    ] {
        let mut stat = Stat(redis, label);
        assert_eq!(stat.count(), each * workers, "{label} of {workers} workers");
    }
    let mut load = Stat(redis, "load");
    assert_eq!(load.number("TOTAL"), 9.0 * workers as f64);
    // Computed from mean and deviation, which are rounded.
    let squares = load.number("TOTAL_SQ") / (41.0 * workers as f64);
    assert!((squares - 1.0).abs() < 1e-12, "{squares}");
    assert_eq!(load.number("AVG"), 3.0);
    let n = 3.0 * workers as f64;
    let deviation = (14.0 * workers as f64 / (n - 1.0)).sqrt();
    assert!((load.number("STDEV") / deviation - 1.0).abs() < 1e-9);
}

/// Pushes until everything that the workers counted has arrived.
fn pushed_all(pusher: &mut Pusher, root: &Path, redis: &mut redis::Connection, workers: u64) {
    let begin = Instant::now();
    loop {
        push(pusher, root);
        assert!(begin.elapsed() < Duration::from_secs(30), "never pushed");
        if Stat(redis, "errors__EXC:fmt::Error").count() >= workers {
            return assert_totals(redis, workers);
        }
    }
}

#[test]
fn folds_move_totals_and_change_none() {
    const NAME: &str = "exactly_once::folds_move_totals_and_change_none";
    if is_worker(NAME) {
        return;
    }
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("tasks")).unwrap();
    let mut pusher = Pusher::new(server.connect());
    let redis = &mut server.connect();
    for workers in 1..=many(30, 6) {
        let running = worker(NAME, root.path());
        match workers % 3 {
            // Pushed before and after its file was folded.
            0 => {
                pushed_all(&mut pusher, root.path(), redis, workers);
                end(running);
            }
            // Pushed only after that.
            1 => end(running),
            // Pushed in between by a pusher that remembers nothing.
            _ => {
                let mut other = Pusher::new(server.connect());
                pushed_all(&mut other, root.path(), redis, workers);
                end(running);
                push(&mut other, root.path());
            }
        }
        pushed_all(&mut pusher, root.path(), redis, workers);
        assert_totals(redis, workers);
    }
    let fields: Vec<String> = redis::cmd("HKEYS")
        .arg("AKA-STATS::MMSTATS::load")
        .query(redis)
        .unwrap();
    assert_eq!(
        fields.len(),
        3,
        "the retired file, and two of its own: {fields:?}"
    );
}

#[test]
fn a_late_push_of_a_folded_file_adds_nothing() {
    const NAME: &str = "exactly_once::a_late_push_of_a_folded_file_adds_nothing";
    if is_worker(NAME) {
        return;
    }
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("tasks")).unwrap();
    let redis = &mut server.connect();
    let mut pusher = Pusher::new(server.connect());
    let first = worker(NAME, root.path());
    pushed_all(&mut pusher, root.path(), redis, 1);
    end(first);
    push(&mut pusher, root.path());
    let late_retired = super::snapshot(root.path());
    let running = worker(NAME, root.path());
    pushed_all(&mut pusher, root.path(), redis, 2);
    let late = super::snapshot(root.path());
    end(running);
    push(&mut pusher, root.path());
    for late in [late, late_retired] {
        // From another pusher, which read before the fold and pushes after it.
        Pusher::new(server.connect()).push(&[late]).unwrap();
        assert_totals(redis, 2);
    }
    push(&mut Pusher::new(server.connect()), root.path());
    assert_totals(redis, 2);
}

/// Returns `mmstats push redis` for this server.
fn pusher(server: &Server, root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mmstats"));
    command
        .args(["push", "redis", "--url", &server.url()])
        .args(arguments)
        .arg(root)
        .env("MMSTATS_PATH", root)
        .stdout(Stdio::null());
    command
}

fn kill(mut child: Child) {
    // By its id; it may have ended already.
    let _ = child.kill();
    child.wait().unwrap();
}

#[test]
fn killed_pushers_double_and_lose_nothing() {
    const NAME: &str = "exactly_once::killed_pushers_double_and_lose_nothing";
    if is_worker(NAME) {
        return;
    }
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("tasks")).unwrap();
    let redis = &mut server.connect();
    let rounds = many(200, 20);
    for round in 1..=rounds {
        let running = worker(NAME, root.path());
        let killed = pusher(&server, root.path(), &["--once"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // In the middle: later in each round, within the time that reading and pushing take.
        std::thread::sleep(Duration::from_micros(1500 * (round % 24)));
        if round % 2 == 0 {
            kill(killed);
            end(running);
        } else {
            end(running);
            kill(killed);
        }
        if round % 5 == 0 {
            let (): () = redis::cmd("SCRIPT").arg("FLUSH").query(redis).unwrap();
        }
        if round % 10 == 0 {
            let status = pusher(&server, root.path(), &["--once"]).status().unwrap();
            assert!(status.success());
            assert_totals(redis, round);
        }
    }
    push(&mut Pusher::new(server.connect()), root.path());
    assert_totals(redis, rounds);
}

#[test]
fn two_pushers_at_once_count_once() {
    const NAME: &str = "exactly_once::two_pushers_at_once_count_once";
    if is_worker(NAME) {
        return;
    }
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("tasks")).unwrap();
    let both = [(); 2].map(|()| {
        let mut command = pusher(&server, root.path(), &["--interval", "100ms"]);
        child::start(&mut command)
    });
    let redis = &mut server.connect();
    let workers = many(100, 12);
    for _ in 0..workers {
        end(worker(NAME, root.path()));
    }
    drop(both);
    push(&mut Pusher::new(server.connect()), root.path());
    assert_totals(redis, workers);
}

#[test]
fn a_server_set_back_to_an_old_dump_is_mended_by_the_next_push() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    let mut pusher = Pusher::new(server.connect());
    tasks.requests.add(2);
    tasks.recent.push(1.0);
    push(&mut pusher, root.path());
    let (): () = redis::cmd("SAVE").query(&mut server.connect()).unwrap();
    tasks.requests.add(3);
    tasks.load.record(1.5);
    tasks.recent.push(2.0);
    push(&mut pusher, root.path());
    assert_eq!(push(&mut pusher, root.path()).sent(), 0);
    server.kill();
    assert!(server.directory().join("dump.rdb").exists());
    server.run(&[]);
    let redis = &mut server.connect();
    assert_eq!(Stat(redis, "requests").count(), 2, "set back");
    // Nothing has changed here since the last push.
    pusher.reconnect(server.connect());
    push(&mut pusher, root.path());
    assert_eq!(
        (Stat(redis, "requests").count(), Stat(redis, "load").count()),
        (5, 1)
    );
    let values: Vec<f64> = Stat(redis, "recent")
        .history()
        .iter()
        .map(|(value, _)| *value)
        .collect();
    assert_eq!(values, [2.0, 1.0]);
    // Everything is lost.
    let (): () = redis::cmd("FLUSHALL").query(redis).unwrap();
    push(&mut pusher, root.path());
    assert_eq!(
        (Stat(redis, "requests").count(), Stat(redis, "load").count()),
        (5, 1)
    );
}

#[derive(MmStats)]
#[mmstats(name = "pages")]
struct Pages {
    pages: Groups<Page>,
}

#[derive(MmStats)]
struct Page {
    hits: Counter,
}

#[test]
fn a_group_that_was_removed_and_comes_again_goes_on() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let pages = Pages::builder().path(root.path()).create().unwrap();
    let mut pusher = Pusher::new(server.connect());
    let redis = &mut server.connect();
    let mut wanted = 0;
    // Each round adds less than the one before.
    for hits in [9, 4, 2] {
        pages.pages.group("index").hits.add(hits);
        wanted += hits;
        push(&mut pusher, root.path());
        push(&mut Pusher::new(server.connect()), root.path());
        assert_eq!(Stat(redis, "index.hits").count(), wanted);
        assert!(pages.pages.remove("index"));
        push(&mut pusher, root.path());
    }
}

#[test]
fn what_a_removed_group_had_counted_is_not_taken_off_by_a_fold() {
    const NAME: &str = "exactly_once::what_a_removed_group_had_counted_is_not_taken_off_by_a_fold";
    if child::is_child(NAME) {
        let pages = Pages::create().unwrap();
        let mut line = String::new();
        for hits in [9, 2] {
            pages.pages.remove("index");
            pages.pages.group("index").hits.add(hits);
            std::io::stdin().read_line(&mut line).unwrap();
        }
        return;
    }
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let redis = &mut server.connect();
    let mut pusher = Pusher::new(server.connect());
    for workers in 1..=3 {
        let mut running = worker(NAME, root.path());
        for added in [9, 11] {
            let begin = Instant::now();
            let wanted = 11 * (workers - 1) + added;
            while Stat(redis, "index.hits").count() != wanted {
                push(&mut pusher, root.path());
                assert!(begin.elapsed() < Duration::from_secs(30), "never {wanted}");
            }
            writeln!(running.0.stdin.as_mut().unwrap()).unwrap();
        }
        end(running);
        push(&mut pusher, root.path());
        push(&mut Pusher::new(server.connect()), root.path());
        assert_eq!(Stat(redis, "index.hits").count(), 11 * workers);
    }
}

#[test]
fn histories_come_once_each() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    let mut pusher = Pusher::new(server.connect());
    let redis = &mut server.connect();
    let mut wanted = Vec::new();
    // The ring has eight entries.
    for round in 0..20u32 {
        for value in 0..round % 8 {
            let value = f64::from(10 * round + value);
            tasks.recent.push(value);
            wanted.insert(0, value);
        }
        push(&mut pusher, root.path());
        if round % 3 == 0 {
            push(&mut Pusher::new(server.connect()), root.path());
        }
    }
    let values: Vec<f64> = Stat(redis, "recent")
        .history()
        .iter()
        .map(|(value, _)| *value)
        .collect();
    assert_eq!(values, wanted);
}
