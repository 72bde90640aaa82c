//! Pages, as promtool and prometheus_client read them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use mmstats::{Counter, Gauge, MmStats, Percentile, Text, Timer};

use crate::agent::{Agent, mmstats};
use crate::hostile::{self, Expected};
use crate::{CLIENT, PROMETHEUS, is_missing, run};

const TEXT: &str = "text/plain;version=0.0.4";
const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0";

/// What identifies a sample: its name and its labels, sorted.
type Key = (String, BTreeMap<String, String>);

/// A line that page.py prints: family, type, sample, labels, value.
type Line = (String, String, String, BTreeMap<String, String>, String);

fn export(format: &str, root: &Path) -> Vec<u8> {
    let output = mmstats()
        .args(["export", "--format", format])
        .arg(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

fn scraped(agent: &Agent, accept: &str) -> Vec<u8> {
    let answer = agent.get("/metrics", &[("Accept", accept)]);
    assert_eq!(answer.status, 200);
    answer.body
}

/// Returns the samples of a page without the agent's own, according to prometheus_client's strict parser.
fn parsed(format: &str, page: &[u8]) -> BTreeMap<Key, f64> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/page.py");
    let output = run(Command::new("python3").args([script, format]), page);
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "prometheus_client refuses the page: {problem}"
    );
    let samples: Vec<Line> = serde_json::from_slice(&output.stdout).unwrap();
    let own = |name: &str| {
        ["mmstats_files", "mmstats_bad_files", "process_"]
            .iter()
            .any(|own| name.starts_with(own))
    };
    (samples.into_iter())
        .filter(|(_, _, name, _, _)| !own(name))
        .map(|(_, _, name, labels, value)| ((name, labels), value.parse().unwrap()))
        .collect()
}

/// Asserts that the page has what was written, and nothing else except buckets.
fn compare(mut page: BTreeMap<Key, f64>, expected: &[Expected], is_openmetrics: bool) {
    for Expected {
        name,
        labels,
        value,
        is_forbidden,
    } in expected
    {
        let key = (name.clone(), labels.iter().cloned().collect());
        let found = page.remove(&key);
        if is_openmetrics && *is_forbidden {
            assert_eq!(found, None, "{key:?}");
            continue;
        }
        let found = found.unwrap_or_else(|| panic!("lost: {key:?}"));
        assert!(
            found == *value || (found.is_nan() && value.is_nan()),
            "{key:?}: {found}, not {value}"
        );
    }
    page.retain(|(name, _), _| !name.ends_with("_bucket"));
    assert!(page.is_empty(), "nobody wrote {page:?}");
}

#[test]
fn prometheus_client_reads_every_hostile_value() {
    if is_missing(
        Command::new("python3").args(["-c", "import prometheus_client"]),
        CLIENT,
    ) {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let written = hostile::write(root.path());
    let agent = Agent::start(root.path());
    for (format, page) in [
        ("openmetrics", export("openmetrics", root.path())),
        ("openmetrics", scraped(&agent, OPENMETRICS)),
        ("text", export("prometheus", root.path())),
        ("text", scraped(&agent, TEXT)),
    ] {
        compare(
            parsed(format, &page),
            &written.expected,
            format == "openmetrics",
        );
    }
    // Pages that separate processes or files have the same values in more samples.
    for per in ["process", "file"] {
        let path = format!("/metrics?per={per}");
        let answer = agent.get(&path, &[("Accept", OPENMETRICS)]);
        let samples = parsed("openmetrics", &answer.body);
        assert!(samples.len() > written.expected.len());
        assert!(samples.keys().all(|(_, labels)| labels.contains_key("pid")));
    }
}

#[test]
fn promtool_reads_the_hostile_page() {
    if is_missing(Command::new("promtool").arg("--version"), PROMETHEUS) {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let _written = hostile::write(root.path());
    let agent = Agent::start(root.path());
    for page in [export("prometheus", root.path()), scraped(&agent, TEXT)] {
        let output = run(Command::new("promtool").args(["check", "metrics"]), &page);
        // 3: promtool can read the page, but objects to names. These names are not meant to be good ones.
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
        assert!(!said.contains("error while linting"), "{said}");
    }
}

/// Names as they should be.
#[derive(MmStats)]
#[mmstats(name = "good")]
struct Good {
    requests: Counter,
    temperature_celsius: Gauge<f64>,
    #[mmstats(unit = "bytes")]
    body_size: Percentile,
    response_time: Timer,
    release: Text<32>,
}

#[test]
fn promtool_likes_good_names() {
    if is_missing(Command::new("promtool").arg("--version"), PROMETHEUS) {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let good = Good::builder().path(root.path()).create().unwrap();
    good.requests.inc();
    good.temperature_celsius.set(21.5);
    good.body_size.record(512);
    drop(good.response_time.start());
    good.release.set("1.4.2");
    let agent = Agent::start(root.path());
    for page in [export("prometheus", root.path()), scraped(&agent, TEXT)] {
        let output = run(Command::new("promtool").args(["check", "metrics"]), &page);
        assert!(output.status.success(), "{output:?}");
        assert!(
            output.stderr.is_empty() && output.stdout.is_empty(),
            "{output:?}"
        );
    }
}
