//! `mmstats show --json`, value by value.

use std::fs;
use std::process;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{db, first, path_of, second, show_json};

#[test]
fn json_has_every_value_merged() {
    let root = TempDir::new().unwrap();
    let (a, b) = (first(root.path()), second(root.path()));
    let other = db(root.path());
    other.queries.add(41);

    let shown = show_json(&[], &[root.path()]);
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&shown), ["path", "models", "errors"]);
    assert_eq!(shown["path"], json!(root.path()));
    assert_eq!(shown["errors"], json!([]));
    assert_eq!(keys(&shown["models"]), ["Db", "my-app"]);
    assert_eq!(
        shown["models"]["Db"]["stats"],
        json!({"queries": {"kind": "counter", "value": 41, "metric": "queries"}})
    );

    let model = &shown["models"]["my-app"];
    assert_eq!(keys(model), ["processes", "files", "stats"]);
    assert_eq!(model["processes"], 1);
    let files = model["files"].as_array().unwrap();
    assert_eq!(files.len(), 2);
    assert_eq!(
        keys(&files[0]),
        ["path", "pid", "tid", "state", "created", "bytes"]
    );
    for (file, stats) in files.iter().zip([&a, &b]) {
        let path = path_of(stats);
        assert_eq!(file["path"], json!(path));
        assert_eq!(file["pid"], process::id());
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(name, format!("mmstats-{}-{}", file["pid"], file["tid"]));
        assert_eq!(file["state"], "live");
        assert_eq!(file["bytes"], fs::metadata(&path).unwrap().len());
        let age = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64()
            - file["created"].as_f64().unwrap();
        assert!((-1.0..60.0).contains(&age), "{age}");
    }

    let login = &model["stats"]["login.response_time"];
    assert_eq!(
        keys(login),
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
            "percentiles",
            "metric",
            "group"
        ]
    );
    let p50 = login["percentiles"]["50"].as_f64().unwrap();
    assert!((0.5..0.505).contains(&p50), "{p50}");
    let mut rest = login.clone();
    rest["percentiles"] = Value::Null;
    assert_eq!(
        rest,
        json!({
            "kind": "timer", "unit": "seconds", "count": 2, "total": 2.000000001, "mean": 1.0000000005,
            "stddev": rest["stddev"], "min": 0.5, "max": 1.500000001, "last": 0.5, "percentiles": null,
            "metric": "response_time", "group": "login",
        })
    );
    let stddev = rest["stddev"].as_f64().unwrap();
    assert!((stddev - 0.5f64.sqrt()).abs() < 1e-8, "{stddev}");

    let same = |value: Value| json!({"50": value, "75": value, "90": value, "95": value, "99": value, "99.9": value});
    let mut stats = model["stats"].as_object().unwrap().clone();
    stats.retain(|label, _| label != "login.response_time");
    assert!(stats.keys().is_sorted());
    assert_eq!(
        Value::Object(stats),
        json!({
            "requests": {"kind": "counter", "value": 9_223_372_036_854_775_814u64, "metric": "requests"},
            "in_flight": {"kind": "updown", "value": -3, "metric": "in_flight"},
            "temperature": {"kind": "gauge", "value": 36.85, "metric": "temperature"},
            "level": {"kind": "gauge", "value": -2, "metric": "level"},
            "body_size": {
                "kind": "percentile", "unit": "bytes", "count": 1, "total": 512, "mean": 512, "stddev": 0,
                "min": 512, "max": 512, "last": 512, "percentiles": same(json!(512)),
                "metric": "body_size",
            },
            "pool": {"kind": "compound", "value": {
                "open": (u128::from(u64::MAX) + 3) as f64, "share": null, "by_size": [11, 2, 3, 4_294_967_299u64],
            }, "metric": "pool"},
            "release": {"kind": "text", "value": "1.4.2", "metric": "release"},
            "ready": {"kind": "flag", "value": true, "metric": "ready"},
            "port": {"kind": "constant", "value": 80, "metric": "port"},
            "machine": {"kind": "constant", "value": "x86", "metric": "machine"},
            "debug": {"kind": "constant", "value": true, "metric": "debug"},
            "db.queries": {"kind": "counter", "value": 2, "metric": "db.queries"},
            "index.response_ok": {"kind": "counter", "value": 1, "metric": "response_ok", "group": "index"},
            "index.response_time": {
                "kind": "timer", "unit": "seconds", "count": 1, "total": 0.01, "mean": 0.01, "stddev": 0.0,
                "min": 0.01, "max": 0.01, "last": 0.01, "percentiles": same(json!(0.01)),
                "metric": "response_time", "group": "index",
            },
            "login.response_ok": {"kind": "counter", "value": 0, "metric": "response_ok", "group": "login"},
        })
    );
}

#[test]
fn json_has_the_values_of_each_file_if_asked() {
    let root = TempDir::new().unwrap();
    let (_a, _b) = (first(root.path()), second(root.path()));
    let shown = show_json(&["--per-file"], &[root.path()]);
    let files = shown["models"]["my-app"]["files"].as_array().unwrap();
    assert_eq!(
        files[0]["stats"]["in_flight"],
        json!({"kind": "updown", "value": 5, "metric": "in_flight"})
    );
    assert_eq!(
        files[1]["stats"]["in_flight"],
        json!({"kind": "updown", "value": -8, "metric": "in_flight"})
    );
    assert_eq!(files[0]["stats"]["index.response_time"]["last"], 0.01);
    assert_eq!(files[0]["stats"].get("login.response_time"), None);
    // Nothing was recorded, so there is no least value.
    let nothing = &files[1]["stats"]["body_size"];
    assert_eq!(
        (&nothing["count"], &nothing["total"]),
        (&json!(0), &json!(0))
    );
    for absent in ["mean", "stddev", "min", "max", "last"] {
        assert_eq!(nothing[absent], Value::Null, "{absent}");
    }
    assert_eq!(nothing["percentiles"]["99.9"], Value::Null);
    // A total that does not fit in a u64.
    assert_eq!(files[1]["stats"]["pool"]["value"]["open"], u64::MAX);
    assert_eq!(shown["models"]["my-app"]["stats"]["in_flight"]["value"], -3);
}

#[test]
fn json_of_several_paths_loses_nothing() {
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (a, b) = (db(one.path()), db(two.path()));
    a.queries.add(1);
    b.queries.add(2);
    let missing = two.path().join("missing");
    let shown = show_json(&[], &[one.path(), two.path(), &missing]);
    let (one, two) = (one.path().display(), two.path().display());
    assert_eq!(shown["path"], format!("{one}:{two}:{}", missing.display()));
    assert_eq!(shown["models"]["Db"]["stats"]["queries"]["value"], 1);
    assert_eq!(
        shown["models"][format!("Db@{two}")]["stats"]["queries"]["value"],
        2
    );
    let errors = shown["errors"].as_array().unwrap();
    assert_eq!((errors.len(), &errors[0]["path"]), (1, &json!(missing)));
}
