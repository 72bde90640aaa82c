//! The programs in docs/examples, as cargo builds them: what each of them recorded, according to
//! `mmstats show --json`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::{child, mmstats, show_json, text_of};

/// Returns where cargo puts an example. `cargo test` without target names has built all of them before; otherwise it
/// is built now.
fn path(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    let path = path.join("examples").join(name);
    if !path.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--all-features", "--example", name]);
        assert!(build.status().unwrap().success(), "cannot build {name}");
    }
    path
}

/// Returns the command for an example, with its own root and with files that stay.
fn command(name: &str, root: &Path) -> Command {
    let mut command = Command::new(path(name));
    command
        .env("MMSTATS_PATH", root)
        .env("MMSTATS_KEEP", "1")
        .env_remove("MMSTATS_DISABLE");
    command
}

/// Runs an example to completion. Returns what it printed, and the series of one of its models.
fn run(name: &str, arguments: &[&str], model: &str) -> (String, Value, TempDir) {
    let root = TempDir::new().unwrap();
    let output = child::run(command(name, root.path()).args(arguments));
    assert!(output.stderr.is_empty(), "{output:?}");
    let mut shown = show_json(&[], &[root.path()]);
    let series = shown["models"][model]["stats"].take();
    assert!(!series.is_null(), "{shown:#}");
    (text_of(&output.stdout), series, root)
}

#[track_caller]
fn assert_values(series: &Value, expected: &[(&str, &str, u64)]) {
    for (label, part, value) in expected {
        assert_eq!(series[label][part], *value, "{label} {part}: {series:#}");
    }
}

/// README.md's first program, exactly as printed there. It runs forever.
#[test]
fn quickstart() {
    let source = include_str!("../../docs/examples/quickstart.rs");
    let readme = include_str!("../../README.md");
    assert!(
        readme.contains(&format!("```rust,no_run\n{source}```")),
        "README.md's first program and docs/examples/quickstart.rs differ"
    );
    let root = TempDir::new().unwrap();
    let _running = child::start(&mut command("quickstart", root.path()));
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        // Until its file exists, nothing is read, which is status 1.
        let output = mmstats().args(["show", "--json"]).arg(root.path()).output();
        let shown: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap_or_default();
        let stats = &shown["models"]["quickstart"]["stats"];
        if stats["jobs"]["value"].as_u64() > Some(2) {
            assert!(stats["job_time"]["min"].as_f64() >= Some(0.01), "{stats:#}");
            return;
        }
        assert!(Instant::now() < end, "it counts nothing: {shown:#}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn handlers() {
    let (printed, series, _root) = run("handlers", &[], "site");
    assert!(printed.contains("Err(\"unknown user\")"), "{printed}");
    let expected = [
        ("index.ok", "value", 3),
        ("index.bad", "value", 0),
        ("login.ok", "value", 2),
        ("login.bad", "value", 1),
        ("login.time", "count", 3),
    ];
    assert_values(&series, &expected);
}

#[test]
fn error_log() {
    let (printed, series, root) = run("error_log", &[], "import");
    assert!(printed.contains("sum: 7"), "{printed}");
    assert_values(&series, &[("rows", "value", 6), ("failed", "all", 5)]);
    let output = mmstats().arg("errors").arg(root.path()).output().unwrap();
    let shown = text_of(&output.stdout);
    for part in [
        "ParseIntError",
        "invalid digit found in string",
        "error_log.rs",
        "table 7, row 12",
    ] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
}

#[test]
fn library() {
    let (_, series, root) = run("library", &[], "sql");
    let expected = [
        ("connections", "value", 2),
        ("users.selects", "value", 20),
        ("articles.selected", "max", 100),
        ("articles.select_time", "count", 20),
    ];
    assert_values(&series, &expected);
    let shown = show_json(&[], &[root.path()]);
    assert_values(
        &shown["models"]["shop"]["stats"],
        &[("orders", "value", 20)],
    );
}

#[test]
fn statics() {
    let (_, series, _root) = run("statics", &[], "cache");
    let expected = [
        ("hits", "value", 4000),
        ("misses", "value", 2000),
        ("lookup", "count", 6000),
    ];
    assert_values(&series, &expected);
}

#[cfg(feature = "serve")]
#[test]
fn axum_service() {
    let (printed, series, _root) = run("axum_service", &["--requests", "40"], "web");
    assert!(printed.contains("/stats/"), "{printed}");
    let series = |metric, route, status| {
        let label = format!("{metric}{{method=\"GET\",route=\"{route}\",status=\"{status}\"}}");
        series[label].clone()
    };
    for (route, status) in [
        ("/", 200),
        ("/users/{id}", 200),
        ("/users/{id}", 400),
        ("none", 404),
    ] {
        assert_eq!(series("requests", route, status)["value"], 10, "{route}");
        assert_eq!(series("response_time", route, status)["count"], 10);
    }
}

#[cfg(feature = "metrics")]
#[test]
fn facade() {
    let (_, series, _root) = run("facade", &[], "metrics");
    let expected = [("db.queries{table=\"users\"}", "value", 1000)];
    assert_values(&series, &expected);
}

#[cfg(feature = "tracing")]
#[test]
fn tracing() {
    let (_, series, _root) = run("tracing", &[], "tracing");
    let expected = [("span_total{span=\"load\"}", "count", 200)];
    assert_values(&series, &expected);
}
