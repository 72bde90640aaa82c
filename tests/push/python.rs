//! The same requests, decoded by the official messages in Python.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::pusher::{command, ended};
use super::values::web;

/// Returns what the receiver in `tests/python/otlp_receiver.py` finds in a push; `None` if its packages are missing.
fn received(arguments: &[&str], scheme: &str, environment: &[(&str, &str)]) -> Option<Json> {
    // The Python of a virtual environment, for example.
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/otlp_receiver.py");
    let mut python = Command::new(python)
        .arg(script)
        .args(arguments)
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
    let base = format!("{scheme}://localhost:{port}");
    let mut command = command(root.path(), &base, &["--once"]);
    command.envs(environment.iter().copied());
    command.env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    let (success, said) = ended(&mut command);
    if !success {
        // It may not have received a request.
        let _ = python.kill();
    }
    let line = stdout.next().and_then(Result::ok).unwrap_or_default();
    python.wait().unwrap();
    assert!(success, "{said}: {line}");
    Some(serde_json::from_str(&line).unwrap())
}

/// Reports what is missing, and fails if it is required.
fn skip() {
    let problem = "python3 with opentelemetry-proto and grpcio (PyPI) is not there";
    let is_required = std::env::var_os("MMSTATS_REQUIRE_REAL").is_some();
    assert!(!is_required, "{problem}");
    eprintln!("SKIPPED: {problem}");
}

const AGGREGATION: &str = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";

#[cfg(feature = "push-grpc")]
#[test]
fn the_official_server_takes_what_is_pushed_by_grpc() {
    let Some(received) = received(
        &["grpc"],
        "http",
        &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
    ) else {
        return skip();
    };
    let points = received[0]["points"].as_array().expect("points");
    assert_eq!(points.len(), 26, "{points:#?}");
}

/// Creates keys: of an authority, and of a server that it vouches for.
#[cfg(feature = "push-grpc")]
fn keys(directory: &std::path::Path) -> Option<()> {
    let openssl = |arguments: &str| {
        let mut openssl = Command::new("openssl");
        openssl.args(arguments.split(' ')).current_dir(directory);
        let output = openssl.output().ok()?;
        assert!(output.status.success(), "{output:?}");
        Some(())
    };
    let key = "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -batch -days 2 -x509";
    openssl(&format!(
        "{key} -keyout ca.key -out ca.pem -subj /CN=authority"
    ))?;
    for name in ["server", "client"] {
        openssl(&format!(
            "{key} -keyout {name}.key -out {name}.pem -subj /CN={name} -CA ca.pem -CAkey ca.key \
             -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE"
        ))?;
    }
    Some(())
}

#[cfg(feature = "push-grpc")]
#[test]
fn grpc_is_pushed_over_tls_with_a_certificate_of_the_client() {
    let directory = TempDir::new().unwrap();
    if keys(directory.path()).is_none() {
        return skip();
    }
    let file = |name| directory.path().join(name).to_str().unwrap().to_owned();
    let files = ["ca.pem", "client.pem", "client.key"].map(file);
    let environment = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", &files[0]),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &files[1]),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &files[2]),
    ];
    let own = directory.path().to_str().unwrap();
    let Some(received) = received(&["grpc", own], "https", &environment) else {
        return skip();
    };
    assert_eq!(received[0]["points"].as_array().expect("points").len(), 26);
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
        let Some(received) = received(&[], "http", &[(AGGREGATION, aggregation)]) else {
            return skip();
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
