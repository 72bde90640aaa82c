//! Totals never decrease while the agent runs, whichever files come and go.

use std::time::Duration;

use mmstats::MmStats;
use tempfile::TempDir;

use super::Web;
use super::agent::Agent;

#[test]
fn what_vanished_files_counted_stays() {
    let root = TempDir::new().unwrap();
    let web = || Web::builder().path(root.path()).create().unwrap();
    let first = web();
    first.requests.add(5);
    first.body_size.record(100);
    first.pool.update(|pool| (pool.open, pool.waits) = (3, 4));
    first.temperature.set(36.6);
    let index = |web: &mmstats::Stats<Web>| {
        web.handlers
            .group("index")
            .response_time
            .record(Duration::from_millis(1));
    };
    index(&first);
    let agent = Agent::start(root.path(), &[]);
    let requests = |agent: &Agent| agent.sample("my_app_requests_total");
    assert_eq!(requests(&agent), Some(5.0));

    // The worker ends, and its file is removed.
    drop(first);
    agent.until(|agent| agent.sample("my_app_temperature"), Option::is_none);
    assert_eq!(requests(&agent), Some(5.0));
    assert_eq!(agent.sample("my_app_pool_waits_total"), Some(4.0));

    // Another worker starts from zero, and the totals continue.
    let second = web();
    second.requests.add(2);
    second.body_size.record(7);
    second.pool.update(|pool| (pool.open, pool.waits) = (1, 1));
    index(&second);
    agent.until(requests, |&total| total == Some(7.0));
    for (sample, value) in [
        ("my_app_body_size_bytes_count", 2.0),
        ("my_app_body_size_bytes_sum", 107.0),
        (r#"my_app_body_size_bytes_bucket{le="95.0"}"#, 1.0),
        (r#"my_app_body_size_bytes_bucket{le="127.0"}"#, 2.0),
        ("my_app_pool_waits_total", 5.0),
        ("my_app_pool_open", 1.0),
        (
            r#"my_app_response_time_seconds_count{handler="index"}"#,
            2.0,
        ),
    ] {
        assert_eq!(agent.sample(sample), Some(value), "{sample}");
    }
    // The pages that separate processes have the current values.
    let own = agent.body("/metrics?per=process");
    let line = format!("my_app_requests_total{{pid=\"{}\"}} 2", std::process::id());
    assert!(own.lines().any(|own| own == line), "{own}");
}

#[test]
fn restarts_are_no_resets_whatever_the_agent_sees_of_them() {
    let root = TempDir::new().unwrap();
    let agent = Agent::start(root.path(), &[]);
    let mut before = 0.0;
    for round in 1..=20u32 {
        let web = Web::builder().path(root.path()).create().unwrap();
        web.requests.add(round.into());
        // Counts that were not read before their file was removed are lost, and nothing else.
        agent.until(
            |agent| agent.sample("my_app_requests_total"),
            |total| total.is_some_and(|total| total == before + f64::from(round)),
        );
        before += f64::from(round);
    }
    assert_eq!(agent.sample("my_app_requests_total"), Some(210.0));
}

#[test]
fn a_group_that_was_removed_leaves_the_page() {
    let root = TempDir::new().unwrap();
    let web = Web::builder().path(root.path()).create().unwrap();
    web.handlers.group("index").response_ok.add(3);
    web.handlers.group("login").response_ok.add(4);
    let agent = Agent::start(root.path(), &[]);
    let index = r#"my_app_response_ok_total{handler="index"}"#;
    assert_eq!(agent.sample(index), Some(3.0));
    assert!(web.handlers.remove("index"));
    agent.until(|agent| agent.sample(index), Option::is_none);
    let login = r#"my_app_response_ok_total{handler="login"}"#;
    assert_eq!(agent.sample(login), Some(4.0));
}

#[test]
fn what_no_file_has_any_more_leaves_after_a_time() {
    let root = TempDir::new().unwrap();
    let web = Web::builder().path(root.path()).create().unwrap();
    web.requests.add(5);
    let agent = Agent::start(root.path(), &["--keep", "2s"]);
    let requests = |agent: &Agent| agent.sample("my_app_requests_total");
    assert_eq!(requests(&agent), Some(5.0));
    drop(web);
    agent.until(|agent| agent.sample("my_app_temperature"), Option::is_none);
    assert_eq!(requests(&agent), Some(5.0), "it stays for a time");
    agent.until(requests, Option::is_none);
    // A worker that starts later begins at zero.
    let web = Web::builder().path(root.path()).create().unwrap();
    web.requests.add(1);
    agent.until(requests, |total| *total == Some(1.0));
}

#[test]
fn the_time_from_which_a_total_counts_stays_when_older_files_go() {
    let root = TempDir::new().unwrap();
    let web = || Web::builder().path(root.path()).create().unwrap();
    let first = web();
    first.requests.add(5);
    let agent = Agent::start(root.path(), &["--created"]);
    let created = |of: &str| -> f64 {
        let accept = "Accept: application/openmetrics-text; version=1.0.0";
        let head = format!("GET /metrics HTTP/1.1\r\nHost: {}", agent.address);
        let page = agent.request(&format!("{head}\r\n{accept}"), "").body;
        let sample = format!("{of}_created ");
        let value = page.lines().find_map(|line| line.strip_prefix(&sample));
        value.expect(&page).parse().unwrap()
    };
    // One that has counted, and one that has not.
    let metrics = ["my_app_requests", "my_app_body_size_bytes"];
    let before = metrics.map(created);
    let files = |agent: &Agent| agent.sample(r#"mmstats_files{model="my-app",state="live"}"#);
    let second = web();
    second.requests.add(2);
    agent.until(files, |&files| files == Some(2.0));
    drop(first);
    agent.until(files, |&files| files == Some(1.0));
    assert_eq!(agent.sample("my_app_requests_total"), Some(7.0));
    assert_eq!(metrics.map(created), before);
    // It does not change when there is no file for a time, either.
    drop(second);
    agent.until(files, |&files| files.is_none());
    assert_eq!(metrics.map(created), before);
    let _third = web();
    agent.until(files, |&files| files == Some(1.0));
    assert_eq!(metrics.map(created), before);
}
