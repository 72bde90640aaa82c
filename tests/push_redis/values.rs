//! Every key, one by one.

use std::io::BufRead;
use std::time::Duration;

use mmstats::MmStats;
use mmstats::push::redis::Pusher;
use redis::Commands;

use super::server::{Server, Stat};
use super::{Tasks, push};

const TWO_WEEKS: i64 = 1_209_600;

/// All keys that readers of aka-stats need, except the time.
const KEYS: [&str; 8] = [
    "COUNT", "TOTAL", "TOTAL_SQ", "AVG", "STDEV", "MIN", "MAX", "LAST",
];

fn numbers(stat: &mut Stat<'_>) -> [f64; 8] {
    KEYS.map(|key| stat.number(key))
}

#[test]
fn every_kind_that_counts_is_there_with_all_its_keys() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    for value in [4.0, 1.0, 2.5] {
        tasks.load.record(value);
    }
    tasks.requests.add(3);
    tasks.response.record(Duration::from_millis(500));
    tasks.size.record(512);
    tasks.size.record(1024);
    let mut pusher = Pusher::new(server.connect());
    push(&mut pusher, root.path());
    let redis = &mut server.connect();
    for (label, wanted) in [
        ("load", [3.0, 7.5, 23.25, 2.5, 1.5, 1.0, 4.0, 2.5]),
        ("requests", [3.0, 3.0, 3.0, 1.0, 0.0, 1.0, 1.0, 1.0]),
        ("response", [1.0, 0.5, 0.25, 0.5, 0.0, 0.5, 0.5, 0.5]),
        (
            "size",
            [
                2.0,
                1536.0,
                1_310_720.0,
                768.0,
                362.038_671_967_512_34,
                512.0,
                1024.0,
                1024.0,
            ],
        ),
    ] {
        let mut stat = Stat(redis, label);
        assert_eq!(numbers(&mut stat), wanted, "{label}");
        let time = stat.number("LAST_TIME");
        let now = std::time::SystemTime::now();
        let now = now
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs_f64();
        assert!((now - time).abs() < 60.0, "{label}: {time} and {now}");
        for key in ["COUNT", "TOTAL", "TOTAL_SQ", "AVG", "STDEV", "MIN", "MAX"] {
            let left = stat.expires(key);
            assert!(
                (TWO_WEEKS - 60..=TWO_WEEKS).contains(&left),
                "{label} {key}: {left}"
            );
        }
        assert_eq!((stat.expires("LAST"), stat.expires("LAST_TIME")), (-1, -1));
        let left = stat.expires("MMSTATS");
        assert!(
            (2 * TWO_WEEKS - 60..=2 * TWO_WEEKS).contains(&left),
            "{label}: {left}"
        );
    }
    let index: Vec<(String, f64)> = redis.zrange_withscores("AKA-STATS::INDEX", 0, -1).unwrap();
    let labels = ["load", "requests", "response", "size"];
    assert_eq!(index, labels.map(|label| (label.to_owned(), 1.0)));
    // Again, with more values.
    assert_eq!(push(&mut pusher, root.path()).sent(), 0, "nothing is new");
    tasks.load.record(-0.5);
    assert_eq!(push(&mut pusher, root.path()).sent(), 1);
    let mut stat = Stat(redis, "load");
    let wanted = [
        4.0,
        7.0,
        23.5,
        1.75,
        1.936_491_673_103_708_5,
        -0.5,
        4.0,
        -0.5,
    ];
    assert_eq!(numbers(&mut stat), wanted);
}

#[test]
fn negative_and_large_values_are_right() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    let mut pusher = Pusher::new(server.connect());
    let redis = &mut server.connect();
    tasks.load.record(-2.0);
    push(&mut pusher, root.path());
    assert_eq!(Stat(redis, "load").number("MAX"), -2.0);
    // A deviation that cannot be computed from TOTAL_SQ, with a push after each value.
    for value in [1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0] {
        tasks.size.record(value as u64);
        tasks.load.record(f64::INFINITY);
        tasks.load.record(f64::NAN);
        push(&mut pusher, root.path());
    }
    assert_eq!(Stat(redis, "size").number("STDEV"), 1.0);
    assert_eq!(Stat(redis, "size").number("AVG"), 1e9 + 2.0);
    assert_eq!(
        Stat(redis, "load").count(),
        1,
        "infinities are not recorded"
    );
    // Sums that overflow remain numbers.
    for value in [f64::MAX, f64::MAX, -1.0] {
        tasks.load.record(value);
        push(&mut pusher, root.path());
    }
    let mut stat = Stat(redis, "load");
    assert_eq!(stat.count(), 4);
    for number in numbers(&mut stat) {
        assert!(number.is_finite());
    }
    assert_eq!(
        (stat.number("MIN"), stat.number("MAX"), stat.number("LAST")),
        (-2.0, f64::MAX, -1.0)
    );
}

#[test]
fn errors_and_histories_have_their_names_and_contexts() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    let error = "x".parse::<u8>().unwrap_err();
    tasks.errors.record(&error);
    tasks.errors.record(&error);
    tasks.recent.push(1.0);
    tasks.recent.push_with(2.0, "file:large.csv");
    tasks.recent.push(f64::INFINITY);
    let mut pusher = Pusher::new(server.connect()).history_size(3);
    push(&mut pusher, root.path());
    let redis = &mut server.connect();
    for label in ["errors__EXC:ParseIntError", "errors__all"] {
        let mut stat = Stat(redis, label);
        assert_eq!(
            numbers(&mut stat),
            [2.0, 2.0, 2.0, 1.0, 0.0, 1.0, 1.0, 1.0],
            "{label}"
        );
        let history = stat.history();
        assert_eq!(history.len(), 2, "the first and the last: {history:?}");
        let key = format!("AKA-STATS::CONTEXTS::{}", history[0].1);
        let context: String = redis.get(&key).unwrap();
        assert!(
            context.starts_with("ParseIntError: invalid digit"),
            "{context}"
        );
        let left: i64 = redis.ttl(&key).unwrap();
        assert!((TWO_WEEKS - 60..=TWO_WEEKS).contains(&left));
    }
    let id = format!("{:x}", md5::compute("file:large.csv"));
    let wanted = [(2.0, id.clone()), (1.0, String::new())];
    assert_eq!(Stat(redis, "recent").history(), wanted);
    for value in [3.0, 4.0] {
        tasks.recent.push(value);
    }
    push(&mut pusher, root.path());
    push(&mut pusher, root.path());
    let wanted = [(4.0, String::new()), (3.0, String::new()), (2.0, id)];
    assert_eq!(Stat(redis, "recent").history(), wanted, "the newest three");
}

#[test]
fn labels_are_those_of_aka_stats() {
    const NAME: &str = "values::labels_are_those_of_aka_stats";
    if super::child::is_child(NAME) {
        mmstats::push_stat("file:large.csv", 1.42);
        let _ = mmstats::stats(|stat| {
            let more = stat.with(&[("oid", "a b"), ("host_name", "nl-ams_01")]);
            more.record("SNMP_WORKER", 2.0).context("ctx");
            stat.error(&std::fmt::Error);
            Ok(())
        });
        println!("ready");
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        return;
    }
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let mut running = super::child::start(&mut super::child::command(NAME, root.path()));
    let mut out = std::io::BufReader::new(running.0.stdout.take().unwrap()).lines();
    assert!(out.any(|line| line.unwrap().ends_with("ready")));
    let mut pusher = Pusher::new(server.connect());
    let redis = &mut server.connect();
    let wanted = [
        "SNMP_WORKER;host_name=nl-ams_01,oid=a_b",
        "errors__EXC:fmt::Error",
        "errors__all",
        "file:large.csv",
    ];
    push(&mut pusher, root.path());
    let index: Vec<String> = redis.zrange("AKA-STATS::INDEX", 0, -1).unwrap();
    assert_eq!(index, wanted);
    for label in wanted {
        let mut stat = Stat(redis, label);
        assert_eq!((stat.count(), stat.history().len()), (1, 1), "{label}");
    }
    let id = format!("{:x}", md5::compute("ctx"));
    assert_eq!(Stat(redis, wanted[0]).history(), [(2.0, id)]);
}

#[test]
fn five_thousand_labels_are_all_there_and_are_sent_once() {
    const NAME: &str = "values::five_thousand_labels_are_all_there_and_are_sent_once";
    const LABELS: u32 = 5000;
    if super::child::is_child(NAME) {
        for label in 0..LABELS {
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
    let mut running = super::child::start(&mut super::child::command(NAME, root.path()));
    let mut out = std::io::BufReader::new(running.0.stdout.take().unwrap()).lines();
    assert!(out.any(|line| line.unwrap().ends_with("ready")));
    let mut pusher = Pusher::new(server.connect());
    let pushed = push(&mut pusher, root.path());
    assert!(pushed.sent() >= LABELS as usize, "{}", pushed.sent());
    assert_eq!(push(&mut pusher, root.path()).sent(), 0, "nothing is new");
    let redis = &mut server.connect();
    let labels: Vec<u32> = (0..LABELS).collect();
    for key in ["COUNT", "TOTAL", "LAST"] {
        let keys = labels
            .iter()
            .map(|label| format!("AKA-STATS::{key}::label:{label}"));
        let values: Vec<Option<f64>> = redis.mget(keys.collect::<Vec<_>>()).unwrap();
        let wanted = labels.iter().map(|&label| match key {
            "COUNT" => Some(1.0),
            _ => Some(f64::from(label)),
        });
        assert!(values.into_iter().eq(wanted), "{key}");
    }
    let index: u32 = redis.zcard("AKA-STATS::INDEX").unwrap();
    assert_eq!(index, LABELS);
}
