//! aka-stats itself reads what was pushed, and also writes to it.

use std::path::{Path, PathBuf};
use std::process::Command;

use mmstats::MmStats;
use mmstats::push::redis::Pusher;
use serde_json::{Value as Json, json};

use super::server::{Server, Stat};
use super::{Tasks, push};

/// Returns a Python with aka-stats: `MMSTATS_AKA_STATS`, or the one that `.ci/run` installs.
fn python() -> Option<PathBuf> {
    let installed = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/aka-stats/bin/python");
    let python = std::env::var_os("MMSTATS_AKA_STATS").map_or_else(installed, PathBuf::from);
    if python.exists() {
        return Some(python);
    }
    assert!(
        std::env::var_os("MMSTATS_REQUIRE_REAL").is_none(),
        "{} has no aka-stats: see .ci/run",
        python.display()
    );
    eprintln!("SKIPPED: there is no Python with aka-stats (MMSTATS_AKA_STATS)");
    None
}

fn run(python: &Path, server: &Server, arguments: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/push_redis/beside.py");
    let output = Command::new(python)
        .arg(script)
        .args(arguments)
        .env("AKA_STATS_REDIS_URL", server.url())
        .env_remove("AKA_STATS_NAMESPACE")
        .env_remove("AKA_STATS_DEFAULT_PREFIX")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn read(python: &Path, server: &Server, labels: &[&str]) -> Json {
    let arguments = [&["read"], labels].concat();
    serde_json::from_str(&run(python, server, &arguments)).unwrap()
}

#[test]
fn aka_stats_reads_what_was_pushed() {
    let (Some(python), Some(server)) = (python(), Server::start(&[])) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    for value in [4.0, 1.0, 2.5] {
        tasks.load.record(value);
    }
    tasks.requests.add(3);
    tasks.response.record(std::time::Duration::from_millis(500));
    tasks.size.record(u64::from(u32::MAX));
    tasks.recent.push_with(2.5, "file:large.csv");
    tasks.errors.record(&"x".parse::<u8>().unwrap_err());
    push(&mut Pusher::new(server.connect()), root.path());
    let labels = [
        "load",
        "requests",
        "response",
        "size",
        "errors__EXC:ParseIntError",
        "errors__all",
    ];
    let mut all = labels.to_vec();
    all.push("recent");
    let mut read = read(&python, &server, &all);
    let mut available = labels.to_vec();
    available.sort_unstable();
    assert_eq!(read["available"], json!(available));
    for label in labels {
        let stat = read["stats"][label].as_object().unwrap();
        assert_eq!(stat.len(), 8, "{label}: {stat:?}");
        assert!(stat.values().all(Json::is_number), "{label}: {stat:?}");
    }
    let load = &mut read["stats"]["load"];
    assert!(load["last_time"].take().as_f64().unwrap() > 1.7e9);
    let wanted = json!({"avg": 2.5, "count": 3.0, "last": 2.5, "last_time": null, "max": 4.0, "min": 1.0, "stdev": 1.5, "total": 7.5});
    assert_eq!(*load, wanted);
    assert_eq!(read["stats"]["size"]["max"], json!(4_294_967_295.0));
    let entry = &read["history"]["recent"][0];
    assert_eq!(entry["value"], json!(2.5));
    let id = entry["context_id"].as_str().unwrap();
    assert_eq!(read["contexts"][id], json!("file:large.csv"));
    let error = &read["history"]["errors__all"][0];
    let id = error["context_id"].as_str().unwrap();
    assert!(
        read["contexts"][id]
            .as_str()
            .unwrap()
            .starts_with("ParseIntError: ")
    );
}

#[test]
fn python_writes_beside_us() {
    let (Some(python), Some(server)) = (python(), Server::start(&[])) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    let mut pusher = Pusher::new(server.connect());
    let redis = &mut server.connect();
    // Each side adds to what the other has left; Python before us, in between, and after us.
    let mut values: Vec<f64> = Vec::new();
    for (theirs, ours) in [
        (vec![10.0], vec![1.0, 2.0]),
        (vec![4.0, 5.0], vec![-3.0]),
        (vec![0.5], vec![]),
    ] {
        let texts: Vec<String> = theirs.iter().map(f64::to_string).collect();
        let mut arguments = vec!["write", "load"];
        arguments.extend(texts.iter().map(String::as_str));
        run(&python, &server, &arguments);
        for &value in &ours {
            tasks.load.record(value);
        }
        push(&mut pusher, root.path());
        values.extend(theirs.iter().chain(&ours));
        let (n, total) = (values.len() as f64, values.iter().sum::<f64>());
        let squares: f64 = values.iter().map(|value| (value - total / n).powi(2)).sum();
        let mut stat = Stat(redis, "load");
        assert_eq!(stat.count(), values.len() as u64);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} and {b} of {values:?}");
        near(stat.number("TOTAL"), total);
        near(stat.number("AVG"), total / n);
        near(stat.number("STDEV"), (squares / (n - 1.0)).sqrt());
        near(
            stat.number("TOTAL_SQ"),
            values.iter().map(|value| value * value).sum(),
        );
    }
    let read = read(&python, &server, &["load"]);
    let stat = &read["stats"]["load"];
    assert_eq!(
        (&stat["min"], &stat["max"], &stat["last"]),
        (&json!(-3.0), &json!(10.0), &json!(0.5))
    );
}
