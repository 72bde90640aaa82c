//! The agent's own interface, and those of the older systems.

use std::io::{BufRead, BufReader, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use mmstats::{MmStats, Summary, Writer};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::Web;
use super::agent::Agent;

#[test]
fn a_snapshot_is_what_show_prints() {
    let root = TempDir::new().unwrap();
    let web = Web::builder().path(root.path()).create().unwrap();
    web.requests.add(7);
    web.handlers.group("index").response_ok.inc();
    let agent = Agent::start(root.path(), &[]);
    for (path, argument) in [
        ("/api/v1/snapshot", None),
        ("/api/v1/snapshot?per=file", Some("--per-file")),
    ] {
        let shown = Command::new(env!("CARGO_BIN_EXE_mmstats"))
            .args(["show", "--json"])
            .args(argument)
            .arg(root.path())
            .output()
            .unwrap();
        let shown: Json = serde_json::from_slice(&shown.stdout).unwrap();
        assert_eq!(agent.json(path), shown);
    }
    let one = agent.json("/api/v1/snapshot?match=index.*");
    let stats = one["models"]["my-app"]["stats"].as_object().unwrap();
    assert_eq!(
        stats.keys().collect::<Vec<_>>(),
        ["index.response_ok", "index.response_time"]
    );
    assert_eq!(agent.get("/api/v1/snapshot?per=thread").status, 400);
}

#[test]
fn the_past_has_values_rates_and_percentiles_also_of_what_has_gone() {
    let root = TempDir::new().unwrap();
    let web = Web::builder().path(root.path()).create().unwrap();
    web.requests.add(7);
    let agent = Agent::start(root.path(), &[]);
    web.requests.add(3);
    for _ in 0..100 {
        web.response_time.record(Duration::from_millis(8));
    }
    let ask =
        |agent: &Agent| agent.json("/api/v1/series?match=requests&match=timers.*&last=60&heat=1");
    let last = |json: &Json, at: usize| {
        json["series"][at]["points"]
            .as_array()
            .unwrap()
            .last()
            .cloned()
    };
    let past = agent.until(ask, |json| {
        last(json, 0).is_some_and(|point| point[1] == 10.0)
    });
    assert_eq!(past["interval"], 1);
    let requests = &past["series"][0];
    assert_eq!(
        (
            &requests["label"],
            &requests["kind"],
            &requests["help"],
            &requests["columns"]
        ),
        (
            &json!("requests"),
            &json!("counter"),
            &json!("Requests received."),
            &json!(["time", "value", "rate"])
        )
    );
    let rate = last(&past, 0).unwrap()[2].as_f64().unwrap();
    assert!((1.0..4.0).contains(&rate), "3 in about a second: {rate}");
    let timer = &past["series"][1];
    assert_eq!(
        timer["columns"],
        json!(["time", "value", "rate", "p50", "p90", "p99"])
    );
    let point = last(&past, 1).unwrap();
    for percentile in 3..6 {
        let seconds = point[percentile].as_f64().unwrap();
        assert!((seconds / 0.008 - 1.0).abs() < 0.01, "{seconds}");
    }
    // From 2²² ns.
    assert_eq!(
        *timer["heat"].as_array().unwrap().last().unwrap(),
        json!([[0.004194304, 100]])
    );

    drop(web);
    agent.until(|agent| agent.sample("mmstats_files"), Option::is_none);
    assert_eq!(last(&ask(&agent), 0).unwrap()[1], 10.0);
    let processes = agent.json("/api/v1/processes");
    let pids: Vec<_> = processes["processes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["pid"])
        .collect();
    assert_eq!(pids, [std::process::id()]);
    assert_eq!(agent.get("/api/v1/series?last=x").status, 400);
}

#[test]
fn a_stream_has_a_snapshot_a_second() {
    let root = TempDir::new().unwrap();
    let web = Web::builder().path(root.path()).create().unwrap();
    let agent = Agent::start(root.path(), &[]);
    let mut stream = agent.connect();
    write!(
        stream,
        "GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    .unwrap();
    let begin = Instant::now();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    for value in 1..=3 {
        web.requests.set(value);
        lines.find(|line| line == "event: snapshot").unwrap();
        let data = lines.next().unwrap();
        let snapshot: Json = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        let shown = snapshot["models"]["my-app"]["stats"]["requests"]["value"].as_u64();
        assert!(shown.is_some_and(|shown| shown + 1 >= value), "{shown:?}");
    }
    assert!(
        begin.elapsed() > Duration::from_secs(1),
        "the first at once, then one a second"
    );
}

#[test]
fn clients_of_the_older_systems_are_answered() {
    let root = TempDir::new().unwrap();
    let writer = Writer::builder("stats").path(root.path()).create().unwrap();
    let task: &Summary = writer.summary("task_done").add().unwrap();
    [1.0, 2.5, 4.0]
        .into_iter()
        .for_each(|value| task.record(value));
    let agent = Agent::start(root.path(), &[]);
    assert_eq!(
        agent.json("/api/v1/available-stats?matcher=task*"),
        json!(["task_done"])
    );
    let stat = agent.json("/api/v1/stats/task_done");
    assert_eq!(
        (&stat["avg"], &stat["count"], &stat["stdev"], &stat["total"]),
        (&json!(2.5), &json!(3.0), &json!(1.5), &json!(7.5))
    );
    assert_eq!(agent.json("/api/v1/stats/nope"), json!({}));
    assert_eq!(agent.json("/api/v1/stats-history/nope"), json!([]));
    let answer = agent.post("/api/v1/stats", r#"["task_done","nope"]"#);
    let stats: Json = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((&stats["task_done"], &stats["nope"]), (&stat, &json!({})));
    assert_eq!(agent.post("/api/v1/stats", "{").status, 400);
    assert_eq!(agent.post("/api/v1/stat-contexts", "7").status, 422);
    assert_eq!(agent.get("/api/v1/stats").status, 405);

    let labels = agent.json("/stats/");
    assert!(
        labels["stats"]
            .as_array()
            .unwrap()
            .contains(&json!("task_done.Count"))
    );
    assert_eq!(
        agent.json("/stats/task_done.Count?exact=1&aggr=sum"),
        json!({"task_done.Count": 3})
    );
    let files = agent.json("/files/");
    assert_eq!(files["files"].as_array().unwrap().len(), 1);
    for path in [
        "/files/../../etc/passwd",
        "/files/%2e%2e/x",
        "/files/..%2f..%2fetc",
    ] {
        assert_eq!(agent.get(path).status, 400, "{path}");
    }
}
