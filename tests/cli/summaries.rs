//! Summaries, averages, sampling counters and windows, as `mmstats show` prints them.

use std::path::Path;

use mmstats::{Counter, MmStats, Summary, Timer};
use serde_json::json;
use tempfile::TempDir;

use super::{mmstats, show_json, text_of};

fn golden() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/summaries.mmstats")
}

#[test]
fn json_has_the_numbers_of_a_summary() {
    let shown = show_json(&[], &[&golden()]);
    let stats = &shown["models"]["summaries"]["stats"];
    let tasks = stats["tasks"].as_object().unwrap();
    assert_eq!(
        tasks.keys().collect::<Vec<_>>(),
        [
            "kind",
            "unit",
            "count",
            "total",
            "mean",
            "stddev",
            "min",
            "max",
            "last",
            "last_time",
            "rejected",
            "metric"
        ]
    );
    assert_eq!(
        (&tasks["kind"], &tasks["unit"]),
        (&json!("summary"), &json!("seconds"))
    );
    assert_eq!(
        (&tasks["count"], &tasks["rejected"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(
        (&tasks["total"], &tasks["last"]),
        (&json!(2.75), &json!(1.0))
    );
    assert_eq!(tasks["last_time"], json!(1_795_214_569.92));
    let nothing = &stats["nothing"];
    for what in ["mean", "stddev", "min", "max", "last", "last_time"] {
        assert!(nothing[what].is_null(), "{what}");
    }
    assert_eq!(
        stats["recent"],
        json!({"kind": "movingaverage", "value": -0.6, "count": 4, "metric": "recent"})
    );
    assert_eq!(
        stats["no_mean"],
        json!({"kind": "average", "value": null, "count": 0, "metric": "no_mean"})
    );
    assert_eq!(
        stats["hits"],
        json!({"kind": "samplingcounter", "count": 20, "per_ms": 2.5, "metric": "hits"})
    );
}

#[test]
fn text_has_a_line_for_each_number() {
    let output = mmstats()
        .args(["show", "--per-file"])
        .arg(golden())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let shown = text_of(&output.stdout);
    let values = shown.lines().skip(1);
    let values: Vec<&str> = values
        .filter(|line| !line.trim_start().starts_with("sys."))
        .collect();
    insta::assert_snapshot!("summaries", values.join("\n"));
}

/// Windows that are longer than any test.
#[test]
fn json_has_the_windows() {
    #[derive(MmStats)]
    #[mmstats(name = "windows")]
    struct Windows {
        #[mmstats(window = "24h")]
        requests: Counter,
        #[mmstats(window = "12h")]
        load: Summary,
        #[mmstats(window = "6h")]
        time: Timer,
    }
    let root = TempDir::new().unwrap();
    let windows = Windows::builder().path(root.path()).create().unwrap();
    windows.requests.add(72);
    windows.load.record(0.5);
    windows.time.record(std::time::Duration::from_millis(9));
    let shown = show_json(&["--per-file"], &[root.path()]);
    let model = &shown["models"]["windows"];
    for stats in [&model["stats"], &model["files"][0]["stats"]] {
        assert_eq!(stats.as_object().unwrap().len(), 3, "{stats}");
        assert_eq!(stats["requests"]["value"], 72);
        // A step is two hours, which is the shortest time for a rate.
        assert_eq!(
            stats["requests"]["window"],
            json!({"seconds": 86_400.0, "count": 72, "rate": 0.01})
        );
        assert_eq!(stats["load"]["window"]["seconds"], 43_200.0);
        assert_eq!(stats["load"]["window"]["max"], 0.5);
        assert_eq!(stats["time"]["window"]["count"], 1);
        assert_eq!(stats["time"]["window"]["percentiles"]["99.9"], 0.009);
    }
}
