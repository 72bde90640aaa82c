//! The same requests, decoded by the official messages in Python.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::pusher::{command, ended};
use super::values::web;

/// What the receiver of `tests/python/otlp_receiver.py` finds in a push; `None` without what it needs.
fn received(aggregation: &str) -> Option<Json> {
    // In an environment of its own, say.
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/otlp_receiver.py");
    let mut python = Command::new(python)
        .arg(script)
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdout = BufReader::new(python.stdout.take().unwrap()).lines();
    let Some(Ok(line)) = stdout.next() else {
        python.wait().unwrap();
        return None;
    };
    let port = line.strip_prefix("listening on ").unwrap();
    let root = TempDir::new().unwrap();
    let _web = web(root.path());
    let base = format!("http://127.0.0.1:{port}");
    let mut command = command(root.path(), &base, &["--once"]);
    command.env(
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        aggregation,
    );
    command.env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    let (success, said) = ended(&mut command);
    let line = stdout.next().unwrap().unwrap();
    python.wait().unwrap();
    assert!(success, "{said}: {line}");
    Some(serde_json::from_str(&line).unwrap())
}

#[test]
fn the_official_messages_decode_what_is_pushed() {
    for (aggregation, kind) in [
        ("explicit_bucket_histogram", "histogram"),
        (
            "base2_exponential_bucket_histogram",
            "exponential_histogram",
        ),
    ] {
        let Some(received) = received(aggregation) else {
            let problem = "python3 with opentelemetry-proto (PyPI) is not there";
            assert!(
                std::env::var_os("MMSTATS_REQUIRE_REAL").is_none(),
                "{problem}"
            );
            eprintln!("SKIPPED: {problem}");
            return;
        };
        let resource = &received[0]["resource"];
        assert_eq!(resource["process.pid"], json!(std::process::id()));
        let points = received[0]["points"].as_array().unwrap();
        let get = |name: &str| {
            let point = points
                .iter()
                .find(|point| point["name"] == name)
                .expect(name);
            ["type", "unit", "attributes", "value"].map(|key| point[key].clone())
        };
        let none = || json!({});
        for (name, wanted) in [
            (
                "my-app.requests",
                [json!("counter"), json!(""), none(), json!(5)],
            ),
            (
                "my-app.in_flight",
                [json!("sum"), json!(""), none(), json!(-3)],
            ),
            (
                "my-app.temperature",
                [json!("gauge"), json!("Cel"), none(), json!(36.6)],
            ),
            (
                "my-app.ready",
                [json!("gauge"), json!(""), none(), json!(1)],
            ),
            (
                "my-app.release",
                [
                    json!("gauge"),
                    json!(""),
                    json!({"release": "1.4.2"}),
                    json!(1),
                ],
            ),
            (
                "my-app.tasks",
                [
                    json!("summary"),
                    json!("s"),
                    none(),
                    json!({"count": 2, "sum": 4.0}),
                ],
            ),
            (
                "my-app.body_size",
                [
                    json!(kind),
                    json!("By"),
                    none(),
                    json!({"count": 3, "sum": 5_000_000_100.0, "min": 0.0, "max": 5e9}),
                ],
            ),
            (
                "my-app.ratio",
                [
                    json!(kind),
                    json!(""),
                    none(),
                    json!({"count": 2, "sum": null, "min": -0.5, "max": 0.25}),
                ],
            ),
            (
                "my-app.route.response_ok",
                [
                    json!("counter"),
                    json!(""),
                    json!({"handler": "login", "status": "200"}),
                    json!(2),
                ],
            ),
        ] {
            assert_eq!(get(name), wanted, "{name}");
        }
        assert_eq!(points.len(), 26, "{points:#?}");
    }
}
