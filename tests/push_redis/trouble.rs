//! A Redis that is away, read-only or full, and keys that hold something else.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use mmstats::MmStats;
use mmstats::push::redis::{Error, Pusher};
use mmstats::reader::Reader;
use redis::Commands;

use super::server::{Server, Stat};
use super::{Tasks, child, push, snapshot};

fn once(url: &str, root: &std::path::Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mmstats"));
    command
        .args(["push", "redis", "--once", "--url", url])
        .arg(root);
    command.output().unwrap()
}

#[test]
fn a_key_of_another_type_stops_its_label_only() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    tasks.load.record(1.0);
    tasks.requests.add(2);
    tasks.recent.push(1.0);
    let redis = &mut server.connect();
    let mut pusher = Pusher::new(server.connect());
    // The last key that the script reads, and one that holds no number.
    for (key, value) in [("HISTORY::recent", "x"), ("STDEV::load", "many")] {
        let (): () = redis.set(format!("AKA-STATS::{key}"), value).unwrap();
    }
    let pushed = pusher.push(&[snapshot(root.path())]).unwrap();
    let mut refused: Vec<&str> = pushed
        .problems()
        .iter()
        .map(|problem| &*problem.label)
        .collect();
    refused.sort_unstable();
    assert_eq!(refused, ["load", "recent"]);
    let said = pushed.problems()[0].to_string();
    assert!(
        said.contains("remove it, or choose another namespace"),
        "{said}"
    );
    assert_eq!(Stat(redis, "requests").count(), 2, "the others are there");
    assert_eq!(
        Stat(redis, "load").text("COUNT"),
        None,
        "nothing is half-written"
    );
    // By the command: a refusal is no success.
    let output = once(&server.url(), root.path());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    for key in ["HISTORY::recent", "STDEV::load"] {
        let (): () = redis.del(format!("AKA-STATS::{key}")).unwrap();
    }
    push(&mut pusher, root.path());
    assert_eq!(Stat(redis, "load").count(), 1);
    assert_eq!(Stat(redis, "recent").history().len(), 1);
    assert_eq!(once(&server.url(), root.path()).status.code(), Some(0));
}

#[test]
fn a_replica_and_a_full_server_say_what_to_do() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    tasks.requests.add(2);
    let redis = &mut server.connect();
    let mut pusher = Pusher::new(server.connect());
    for (wrong, right, wanted) in [
        (
            vec!["REPLICAOF", "127.0.0.1", "1"],
            vec!["REPLICAOF", "NO", "ONE"],
            "the primary",
        ),
        (
            vec!["CONFIG", "SET", "maxmemory", "1"],
            vec!["CONFIG", "SET", "maxmemory", "0"],
            "maxmemory",
        ),
    ] {
        let run = |redis: &mut redis::Connection, words: &[&str]| {
            let (): () = redis::cmd(words[0]).arg(&words[1..]).query(redis).unwrap();
        };
        run(redis, &wrong);
        tasks.requests.inc();
        let refused = pusher.push(&[snapshot(root.path())]).unwrap_err();
        assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
        assert!(refused.to_string().contains(wanted), "{refused}");
        let output = once(&server.url(), root.path());
        assert_eq!(output.status.code(), Some(1));
        assert!(
            String::from_utf8_lossy(&output.stderr).contains(wanted),
            "{output:?}"
        );
        run(redis, &right);
    }
    push(&mut pusher, root.path());
    assert_eq!(Stat(redis, "requests").count(), 4);
}

#[test]
fn the_command_waits_for_redis_and_pushes_a_last_time() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    server.kill();
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    tasks.requests.add(2);
    let output = once(&server.url(), root.path());
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot connect to Redis"), "{said}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mmstats"));
    command
        .args(["push", "redis", "--interval", "1h"])
        .arg(root.path())
        .env("AKA_STATS_REDIS_URL", server.url())
        .env("AKA_STATS_DEFAULT_PREFIX", "older")
        .env("MMSTATS_REDIS_NAMESPACE", "{stats}")
        .env("MMSTATS_PATH", root.path());
    let mut running = child::start(&mut command);
    let figure = |label: &str| {
        let snapshot = Reader::open(root.path()).unwrap().snapshot().unwrap();
        snapshot
            .get("mmstats-push", label)
            .and_then(|value| value.as_f64())
            .unwrap_or(0.0)
    };
    let begin = Instant::now();
    let wait = |what: &dyn Fn() -> bool| {
        while !what() {
            assert!(begin.elapsed() < Duration::from_secs(30));
            std::thread::yield_now();
        }
    };
    wait(&|| figure("failures") >= 1.0);
    server.run(&[]);
    let redis = &mut server.connect();
    wait(&|| figure("pushes") >= 1.0);
    assert!(figure("last_success") > 1.7e9);
    let count =
        |redis: &mut redis::Connection| -> u64 { redis.get("{stats}::COUNT::requests").unwrap() };
    assert_eq!(count(redis), 2);
    tasks.requests.add(5);
    let asked = Instant::now();
    // SAFETY: our child, which was not waited for yet.
    unsafe { libc::kill(running.0.id() as i32, libc::SIGTERM) };
    assert!(running.0.wait().unwrap().success());
    assert!(asked.elapsed() < Duration::from_secs(5));
    assert_eq!(count(redis), 7, "the last push");
    let own: Vec<String> = redis.keys("*pushes*").unwrap();
    assert_eq!(own, Vec::<String>::new(), "its own figures are not pushed");
}

#[test]
fn a_server_that_does_not_answer_holds_nobody_up() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    tasks.requests.add(2);
    let mut command = Command::new(env!("CARGO_BIN_EXE_mmstats"));
    command
        .args([
            "push",
            "redis",
            "--interval",
            "100ms",
            "--url",
            &server.url(),
        ])
        .arg(root.path())
        .env("MMSTATS_PATH", root.path());
    let mut running = child::start(&mut command);
    let redis = &mut server.connect();
    let begin = Instant::now();
    while Stat(redis, "requests").count() != 2 {
        assert!(begin.elapsed() < Duration::from_secs(30));
        std::thread::yield_now();
    }
    let stopped = server.connect();
    server.signal(libc::SIGSTOP);
    for field in 0..4 {
        tasks.load.record(f64::from(field));
        tasks.requests.inc();
        tasks.size.record(1);
    }
    // As a library, too: one time, not one for each answer.
    let connection = stopped;
    let patience = Duration::from_millis(200);
    connection.set_read_timeout(Some(patience)).unwrap();
    let mut pusher = Pusher::new(connection);
    let asked = Instant::now();
    let failed = pusher.push(&[snapshot(root.path())]).unwrap_err();
    assert!(matches!(failed, Error::Connection(_)), "{failed:?}");
    assert!(asked.elapsed() < 3 * patience, "{:?}", asked.elapsed());
    let failed = pusher.push(&[snapshot(root.path())]).unwrap_err();
    assert!(matches!(failed, Error::NoConnection), "{failed:?}");
    let asked = Instant::now();
    // SAFETY: our child, which was not waited for yet.
    unsafe { libc::kill(running.0.id() as i32, libc::SIGTERM) };
    running.0.wait().unwrap();
    assert!(
        asked.elapsed() < Duration::from_secs(7),
        "{:?}",
        asked.elapsed()
    );
    server.signal(libc::SIGCONT);
    // What was on its way may be there by now.
    push(&mut Pusher::new(server.connect()), root.path());
    assert_eq!(Stat(redis, "requests").count(), 6);
    assert_eq!(Stat(redis, "load").count(), 4);
}

#[test]
fn five_thousand_labels_take_less_than_a_second() {
    const NAME: &str = "trouble::five_thousand_labels_take_less_than_a_second";
    if child::is_child(NAME) {
        for label in 0..5000 {
            mmstats::push_stat(&format!("label:{label}"), f64::from(label));
        }
        println!("ready");
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        return;
    }
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let mut running = child::start(&mut child::command(NAME, root.path()));
    let out = std::io::BufReader::new(running.0.stdout.take().unwrap());
    let ready = std::io::BufRead::lines(out).any(|line| line.unwrap().ends_with("ready"));
    assert!(ready);
    let mut pusher = Pusher::new(server.connect());
    let snapshot = snapshot(root.path());
    let mut timed = |what: &str| {
        let begin = Instant::now();
        let pushed = pusher.push(std::slice::from_ref(&snapshot)).unwrap();
        println!(
            "{what}: {} of 5,000 labels in {:?}",
            pushed.sent(),
            begin.elapsed()
        );
        (begin.elapsed(), pushed.sent())
    };
    let (first, sent) = timed("first");
    assert!(sent >= 5000, "{sent}");
    let (idle, sent) = timed("idle");
    assert_eq!(sent, 0, "nothing is new");
    assert!(
        first < Duration::from_secs(if cfg!(debug_assertions) { 4 } else { 1 }),
        "{first:?}"
    );
    assert!(idle < first);
}
