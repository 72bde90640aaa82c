//! What is pushed, as another engine stores it: VictoriaMetrics, queried with PromQL.
//!
//! It is looked for where .ci/run puts it, since that of Debian 12 does not accept OTLP. (Prometheus accepts it, but
//! not as Debian builds it.)

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mmstats::MmStats;
use serde_json::Value as Json;
use tempfile::TempDir;

use super::Web;
use super::pusher::{Pusher, command, ended};
use super::receiver::PATIENCE;
use super::values::web;

/// The program of Debian 13.
const PROGRAM: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/target/judges/debian13/usr/bin/victoria-metrics"
);

/// A running engine, which is killed when this is dropped.
struct Engine {
    process: Child,
    base: String,
    _data: TempDir,
}

impl Engine {
    fn start() -> Option<Engine> {
        let data = TempDir::new().unwrap();
        let log = data.path().join("log");
        let process = Command::new(PROGRAM)
            .arg(format!(
                "-storageDataPath={}",
                data.path().join("data").display()
            ))
            .arg("-httpListenAddr=127.0.0.1:0")
            .arg("-opentelemetry.usePrometheusNaming")
            // Pushed values are found at once.
            .args(["-search.latencyOffset=0s", "-search.disableCache"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn();
        let Ok(process) = process else {
            let problem = format!("{PROGRAM} is not there: .ci/run installs it");
            let is_required = std::env::var_os("MMSTATS_REQUIRE_REAL").is_some();
            assert!(!is_required, "{problem}");
            eprintln!("SKIPPED: {problem}");
            return None;
        };
        let mut engine = Engine {
            process,
            base: String::new(),
            _data: data,
        };
        let begin = Instant::now();
        while engine.base.is_empty() {
            let log = std::fs::read_to_string(&log).unwrap();
            let line = log.lines().find(|line| line.contains("started server at"));
            if let Some((_, address)) = line.and_then(|line| line.split_once("http://")) {
                engine.base = format!("http://{}", address.trim_end_matches('/'));
            }
            assert!(begin.elapsed() < PATIENCE, "{log}");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(engine)
    }

    /// Returns the endpoint for OTLP.
    fn otlp(&self) -> String {
        format!("{}/opentelemetry", self.base)
    }

    /// Returns the value of a query's only series; `None` if there is none.
    fn value(&self, query: &str) -> Option<f64> {
        // Otherwise accepted values are found only seconds later.
        let flush = format!("{}/internal/force_flush", self.base);
        ureq::get(flush).call().unwrap();
        let request = ureq::get(format!("{}/api/v1/query", self.base)).query("query", query);
        let answer = request.call().unwrap().body_mut().read_to_string();
        let answer: Json = serde_json::from_str(&answer.unwrap()).unwrap();
        let result = answer["data"]["result"].as_array().expect(query);
        assert!(result.len() <= 1, "{query}: {result:?}");
        result.first()?["value"][1].as_str()?.parse().ok()
    }

    /// Waits until a query has this value.
    fn expect(&self, query: &str, wanted: f64) {
        let mut last = None;
        let begin = Instant::now();
        while last != Some(wanted) {
            last = self.value(query);
            let is_late = begin.elapsed() > PATIENCE;
            assert!(
                last == Some(wanted) || !is_late,
                "{query}: {last:?}, not {wanted}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Checks each value that is pushed, under the name that Prometheus gives it.
fn values(engine: &Engine) {
    let root = TempDir::new().unwrap();
    let web = web(root.path());
    web.response_time.record(Duration::from_secs(2));
    let mut once = command(root.path(), &engine.otlp(), &["--once"]);
    once.env("OTEL_SERVICE_NAME", "values");
    assert_eq!(ended(&mut once), (true, String::new()));
    for (query, wanted) in [
        (r#"my_app_requests_total{service_name="values"}"#, 5.0),
        ("my_app_in_flight", -3.0),
        ("my_app_temperature_celsius", 36.6),
        ("my_app_pool_waits_total", 4.0),
        ("my_app_ready", 1.0),
        (r#"my_app_release{release="1.4.2"}"#, 1.0),
        (r#"my_app_response_ok_total{handler="index"}"#, 1.0),
        (
            r#"my_app_route_response_ok_total{handler="login",status="200"}"#,
            2.0,
        ),
        ("my_app_body_size_bytes_count", 3.0),
        ("my_app_body_size_bytes_sum", 5_000_000_100.0),
        (r#"my_app_body_size_bytes_bucket{le="127"}"#, 2.0),
        ("my_app_timers_response_seconds_count", 2.0),
        ("my_app_timers_response_seconds_sum", 2.009),
        ("my_app_tasks_seconds_count", 2.0),
        ("my_app_tasks_seconds_sum", 4.0),
    ] {
        engine.expect(query, wanted);
    }
}

/// Pushes repeatedly while files come and go: no reset, and no rate that did not occur.
fn totals(engine: &Engine) {
    let root = TempDir::new().unwrap();
    let new = || Web::builder().path(root.path()).create().unwrap();
    let mut pusher = command(root.path(), &engine.otlp(), &["--interval", "100ms"]);
    pusher.env("OTEL_SERVICE_NAME", "totals");
    let requests = r#"my_app_requests_total{service_name="totals"}"#;
    let mut web = new();
    let pusher = Pusher::of(&mut pusher);
    for round in 1..=5u32 {
        web.requests.add(10);
        engine.expect(requests, f64::from(10 * round));
        let next = new();
        drop(std::mem::replace(&mut web, next));
    }
    engine.expect(&format!("resets({requests}[1m])"), 0.0);
    assert!(pusher.terminate().0.success());
}

#[test]
fn victoria_metrics_stores_what_is_pushed() {
    if let Some(engine) = Engine::start() {
        values(&engine);
        totals(&engine);
    }
}
