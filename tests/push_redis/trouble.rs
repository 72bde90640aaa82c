//! A Redis that is away, read-only or full, and keys that hold something else.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use mmstats::MmStats;
use mmstats::push::redis::{Error, Pusher};
use mmstats::reader::{Per, Reader};
use redis::Commands;

use super::forgetful::Forgetful;
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
    // The last key that the script reads, and a key that does not hold a number.
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
    // With the command: a refusal is not a success.
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
    // SAFETY: our child, which has not been waited for yet.
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
        .env("MMSTATS_PATH", root.path())
        .stderr(Stdio::piped());
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
    // As a library, too: one time-out in all, not one for each answer.
    let connection = stopped;
    let patience = Duration::from_millis(200);
    connection.set_read_timeout(Some(patience)).unwrap();
    let mut pusher = Pusher::new(connection);
    let asked = Instant::now();
    let failed = pusher.push(&[snapshot(root.path())]).unwrap_err();
    assert!(matches!(failed, Error::Connection(_)), "{failed:?}");
    assert!(failed.to_string().contains("no answer came in time"));
    assert!(asked.elapsed() < 3 * patience, "{:?}", asked.elapsed());
    let failed = pusher.push(&[snapshot(root.path())]).unwrap_err();
    assert!(matches!(failed, Error::NoConnection), "{failed:?}");
    let asked = Instant::now();
    // SAFETY: our child, which has not been waited for yet.
    unsafe { libc::kill(running.0.id() as i32, libc::SIGTERM) };
    assert_eq!(running.0.wait().unwrap().code(), Some(1));
    assert!(
        asked.elapsed() < Duration::from_secs(7),
        "{:?}",
        asked.elapsed()
    );
    let mut said = String::new();
    let out = running.0.stderr.as_mut().unwrap();
    std::io::Read::read_to_string(out, &mut said).unwrap();
    assert!(said.contains("the last push failed"), "{said}");
    server.signal(libc::SIGCONT);
    // Values that were on their way may have arrived by now.
    push(&mut Pusher::new(server.connect()), root.path());
    assert_eq!(Stat(redis, "requests").count(), 6);
    assert_eq!(Stat(redis, "load").count(), 4);
}

#[test]
fn the_last_push_goes_over_a_new_connection_where_the_old_one_hangs() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    tasks.requests.add(2);
    // Stops answering on command, like a firewall that has forgotten its connections.
    let proxy = Forgetful::start(server.port);
    let mut command = Command::new(env!("CARGO_BIN_EXE_mmstats"));
    let url = format!("redis://127.0.0.1:{}", proxy.port);
    command
        .args(["push", "redis", "--interval", "1h", "--url", &url])
        .arg(root.path())
        .env("MMSTATS_PATH", root.path());
    let mut running = child::start(&mut command);
    let redis = &mut server.connect();
    let begin = Instant::now();
    while Stat(redis, "requests").count() != 2 {
        assert!(begin.elapsed() < Duration::from_secs(30));
        std::thread::yield_now();
    }
    proxy.forget();
    tasks.requests.add(5);
    let asked = Instant::now();
    // SAFETY: our child, which has not been waited for yet.
    unsafe { libc::kill(running.0.id() as i32, libc::SIGTERM) };
    assert!(running.0.wait().unwrap().success());
    assert!(asked.elapsed() < Duration::from_secs(5));
    assert_eq!(Stat(redis, "requests").count(), 7);
}

#[test]
fn an_hour_without_redis_costs_no_memory_and_loses_nothing() {
    const NAME: &str = "trouble::an_hour_without_redis_costs_no_memory_and_loses_nothing";
    // As many rounds as there are in an hour at the default interval.
    const ROUNDS: u64 = 360;
    if child::is_child(NAME) {
        let pages = || {
            let text = std::fs::read_to_string("/proc/self/statm").unwrap();
            text.split(' ').nth(1).unwrap().parse::<u64>().unwrap()
        };
        let root = std::env::var_os("MMSTATS_PATH").unwrap();
        let client = redis::Client::open(std::env::var("REDIS_URL").unwrap()).unwrap();
        let mut pusher = Pusher::new(client.get_connection().unwrap());
        let tasks = Tasks::create().unwrap();
        let mut reader = Reader::open(&root).unwrap();
        reader.per(Per::File);
        let mut round = |is_up: bool| {
            tasks.requests.inc();
            tasks.recent.push(1.0);
            for error in 0..10 {
                tasks
                    .errors
                    .record(&std::io::Error::other(format!("error {error}")));
            }
            if let Ok(connection) = client.get_connection() {
                pusher.reconnect(connection);
            }
            assert_eq!(pusher.push(&[reader.snapshot().unwrap()]).is_ok(), is_up);
        };
        let told = || {
            println!("ready");
            std::io::stdin().read_line(&mut String::new()).unwrap();
        };
        round(true);
        told();
        (0..ROUNDS / 10).for_each(|_| round(false));
        let before = pages();
        (0..ROUNDS).for_each(|_| round(false));
        println!("grew {}", pages().saturating_sub(before));
        told();
        round(true);
        return;
    }
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let mut command = child::command(NAME, root.path());
    let mut running = child::start(command.env("REDIS_URL", server.url()));
    let out = std::io::BufReader::new(running.0.stdout.take().unwrap());
    let mut lines = std::io::BufRead::lines(out).map(Result::unwrap);
    let mut until = |wanted: &str| lines.find(|line| line.contains(wanted)).unwrap();
    let mut go_on = running.0.stdin.take().unwrap();
    until("ready");
    server.kill();
    std::io::Write::write_all(&mut go_on, b"\n").unwrap();
    let grew = until("grew");
    let pages: u64 = grew.rsplit_once(' ').unwrap().1.parse().unwrap();
    assert!(pages < 64, "{pages} pages");
    until("ready");
    server.run(&[]);
    std::io::Write::write_all(&mut go_on, b"\n").unwrap();
    assert!(running.0.wait().unwrap().success());
    let redis = &mut server.connect();
    let rounds = ROUNDS / 10 + ROUNDS + 2;
    assert_eq!(Stat(redis, "requests").count(), rounds);
    assert_eq!(Stat(redis, "errors__all").count(), 10 * rounds);
}
