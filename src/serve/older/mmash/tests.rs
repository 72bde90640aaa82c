//! Compares answers for values in our files and in those of python-mmstats with those that mmash 0.8.0 gave for the
//! same values.

use std::path::Path;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::*;
use crate::Writer;
use crate::reader::{Per, Reader};

fn snapshot(root: &Path) -> [Snapshot; 1] {
    let mut reader = Reader::open(root).unwrap();
    let snapshot = reader.per(Per::File).snapshot().unwrap();
    assert!(snapshot.errors().is_empty());
    [snapshot]
}

/// Writes three files of one model, in the order of their creation.
fn three_files() -> (TempDir, Vec<Writer>) {
    let root = tempfile::tempdir().unwrap();
    let files = [
        (3, 0, 1.5, "abc", true, -4),
        (4, 2, 2.0, "", false, 5),
        (0, 0, 0.0, "zz", true, 6),
    ];
    let writer = |(req, bad, f, t, b, neg)| {
        let writer = Writer::builder("app").path(root.path()).create().unwrap();
        writer.counter("req").add().unwrap().add(req);
        writer.counter("req.bad").add().unwrap().add(bad);
        writer.counter("req.x").add().unwrap();
        writer.gauge::<f64>("f").add().unwrap().set(f);
        writer.text("t").add().unwrap().set(t);
        writer.flag("b").add().unwrap().set(b);
        writer.gauge::<i64>("neg").add().unwrap().set(neg);
        writer
    };
    let writers = files.map(writer).into();
    (root, writers)
}

#[test]
fn values_are_aggregated_as_by_mmash() {
    let (root, _writers) = three_files();
    let snapshots = snapshot(root.path());
    let third = |n: f64| n / 3.0;
    for (label, aggr, answer) in [
        (
            "req",
            None,
            json!({"req": [3, 4, 0], "req.bad": [0, 2, 0], "req.x": [0, 0, 0]}),
        ),
        ("f", None, json!({"f": [1.5, 2.0, 0.0]})),
        ("t", None, json!({"t": ["abc", "", "zz"]})),
        ("b", None, json!({"b": [true, false, true]})),
        ("neg", None, json!({"neg": [-4, 5, 6]})),
        ("nope", None, json!({})),
        ("nope", Some("sum"), json!({})),
        (
            "req",
            Some("nope"),
            json!({"req": [3, 4, 0], "req.bad": [0, 2, 0], "req.x": [0, 0, 0]}),
        ),
        ("neg", Some("AVG"), json!({"neg": [-4, 5, 6]})),
        ("neg", Some(""), json!({"neg": [-4, 5, 6]})),
        (
            "req",
            Some("avg"),
            json!({"req": third(7.0), "req.bad": third(2.0), "req.x": 0.0}),
        ),
        ("f", Some("avg"), json!({"f": 3.5 / 3.0})),
        ("b", Some("avg"), json!({"b": third(2.0)})),
        ("t", Some("avg"), Json::Null),
        (
            "req",
            Some("one"),
            json!({"req": 3, "req.bad": 0, "req.x": 0}),
        ),
        ("t", Some("one"), json!({"t": "abc"})),
        ("b", Some("one"), json!({"b": true})),
        (
            "req",
            Some("max"),
            json!({"req": 4, "req.bad": 2, "req.x": 0}),
        ),
        ("f", Some("max"), json!({"f": 2.0})),
        ("t", Some("max"), json!({"t": "zz"})),
        ("b", Some("max"), json!({"b": true})),
        ("neg", Some("max"), json!({"neg": 6})),
        (
            "req",
            Some("min"),
            json!({"req": 0, "req.bad": 0, "req.x": 0}),
        ),
        ("f", Some("min"), json!({"f": 0.0})),
        ("t", Some("min"), json!({"t": ""})),
        ("b", Some("min"), json!({"b": false})),
        ("neg", Some("min"), json!({"neg": -4})),
        (
            "req",
            Some("sum"),
            json!({"req": 7, "req.bad": 2, "req.x": 0}),
        ),
        ("f", Some("sum"), json!({"f": 3.5})),
        ("b", Some("sum"), json!({"b": 2})),
        ("t", Some("sum"), Json::Null),
        ("req.bad", Some("nonzero-min"), json!({"req.bad": 2})),
        ("req.x", Some("nonzero-min"), Json::Null),
        ("req", Some("nonzero-min"), Json::Null),
        ("f", Some("nonzero-min"), json!({"f": 1.5})),
        ("t", Some("nonzero-min"), json!({"t": "abc"})),
        ("b", Some("nonzero-min"), json!({"b": true})),
        ("neg", Some("nonzero-min"), json!({"neg": -4})),
        ("req.bad", Some("nonzero-avg"), json!({"req.bad": 2.0})),
        ("req.x", Some("nonzero-avg"), Json::Null),
        ("neg", Some("nonzero-avg"), json!({"neg": third(7.0)})),
        ("t", Some("nonzero-avg"), Json::Null),
    ] {
        let found = stat(&snapshots, label, false, aggr, None);
        match found {
            Ok(found) => assert_eq!(Json::from(found), answer, "{label} {aggr:?}"),
            Err(refusal) => {
                assert_eq!(
                    (refusal.status, &answer),
                    (400, &Json::Null),
                    "{label} {aggr:?}"
                );
            }
        }
    }
    let exact = |label| Json::from(stat(&snapshots, label, true, Some("sum"), None).unwrap());
    assert_eq!(exact("req"), json!({"req": 7}));
    assert_eq!(exact("re"), json!({}));
}

/// As with Python's numbers.
#[test]
fn sums_of_integers_do_not_overflow_and_no_number_is_invalid_json() {
    let (most, none) = (Value::Counter(u64::MAX), Value::Counter(0));
    let of = |name, values: &[Value]| Aggregation::of_name(name).unwrap().of(values);
    let sum = of("sum", &[most.clone(), most.clone()]).unwrap();
    assert_eq!(sum, json!(2.0 * u64::MAX as f64));
    assert_eq!(
        of("max", &[none.clone(), most.clone()]),
        Some(json!(u64::MAX))
    );
    let infinite = Value::Gauge(Number::Float(f64::INFINITY));
    assert_eq!(of("avg", &[infinite.clone(), none]), Some(Json::Null));
    // A text is greater than any number.
    let values = [infinite, Value::Text("1".to_owned()), most];
    assert_eq!(of("max", &values), Some(json!("1")));
    assert_eq!(of("sum", &values), None);
}

#[test]
fn labels_are_those_of_each_file_with_what_values_expose() {
    let root = tempfile::tempdir().unwrap();
    let writer = Writer::builder("app").path(root.path()).create().unwrap();
    let time = writer.group("index").unwrap().timer("time").add().unwrap();
    time.record(std::time::Duration::from_millis(9));
    writer.errors("errors").add().unwrap().note("timeout", "");
    writer.average("average").add().unwrap();
    writer.history("history").add().unwrap().push(1.0);
    let snapshots = snapshot(root.path());
    let labels = stats(&snapshots);
    let labels: Vec<&str> = (labels["stats"].as_array().unwrap().iter())
        .map(|label| label.as_str().unwrap())
        .collect();
    assert_eq!(
        labels,
        [
            "errors__all",
            "errors__timeout",
            "index.time.Count",
            "index.time.Last",
            "index.time.Max",
            "index.time.Mean",
            "index.time.Median",
            "index.time.Min",
            "index.time.Percentile50th",
            "index.time.Percentile75th",
            "index.time.Percentile90th",
            "index.time.Percentile95th",
            "index.time.Percentile999th",
            "index.time.Percentile99th",
            "index.time.StdDev",
            "index.time.Total",
            "sys.created",
            "sys.exe",
            "sys.gid",
            "sys.pid",
            "sys.tid",
            "sys.uid",
        ]
    );
    let one = |label| stat(&snapshots, label, true, Some("one"), None).unwrap()[label].clone();
    assert_eq!(one("index.time.Last"), json!(0.009));
    assert_eq!(one("sys.pid"), json!(std::process::id()));
    assert_eq!(one("errors__timeout"), json!(1));
    // Merged snapshots have no files.
    let merged = Reader::open(root.path()).unwrap().snapshot().unwrap();
    assert_eq!(stats(&[merged]), json!({"stats": []}));
}

#[test]
fn globs_select_among_the_files_and_never_leave_the_root() {
    let (root, writers) = three_files();
    let other = Writer::builder("other").path(root.path()).create().unwrap();
    other.counter("req").add().unwrap().add(9);
    let snapshots = snapshot(root.path());
    let path = |writer: &Writer| writer.path().unwrap().to_str().unwrap().to_owned();
    let app: Vec<String> = writers.iter().map(path).collect();
    let all = [&app[..], &[path(&other)]].concat();
    let name = app[1].rsplit_once('/').unwrap().1;
    let above = root.path().parent().unwrap().to_str().unwrap();
    for (glob, selected) in [
        (None, &all[..]),
        (Some(""), &all),
        (Some("*"), &all),
        (Some("mmstats-*"), &all),
        (Some("*/*"), &all),
        (Some("app/*"), &app),
        (Some("[!o]*/*"), &app),
        (Some(name), &app[1..2]),
        (Some(&app[1]), &app[1..2]),
        (Some(&format!("{above}/*/app/*")), &app),
        (Some("nope"), &[]),
        (Some("app"), &[]),
        (Some("/etc/*"), &[]),
        (Some("/*"), &[]),
        (Some("["), &[]),
    ] {
        let found = files(&snapshots, glob).unwrap();
        assert_eq!(found, json!({"files": selected}), "{glob:?}");
    }
    for glob in ["..", "../*", "app/../../*", "a..b"] {
        assert_eq!(files(&snapshots, Some(glob)).unwrap_err().status, 400);
        let refused = stat(&snapshots, "req", false, None, Some(glob));
        assert_eq!(refused.unwrap_err().status, 400);
    }
    let of = |glob| Json::from(stat(&snapshots, "req", true, None, Some(glob)).unwrap());
    assert_eq!(of("app/*"), json!({"req": [3, 4, 0]}));
    assert_eq!(of("other/*"), json!({"req": [9]}));
}

#[test]
fn files_of_python_mmstats_are_answered_as_by_mmash() {
    let root = tempfile::tempdir().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1/all-initial.mmstats");
    let path = root.path().join("all-initial.mmstats");
    std::fs::copy(golden, &path).unwrap();
    let snapshots = snapshot(root.path());
    let labels = [
        "average",
        "boolean",
        "boolean0",
        "byte",
        "counter",
        "custom.label-x",
        "dbl",
        "flt",
        "i16",
        "i32",
        "movavg",
        "org.python.version",
        "s_dbl",
        "s_flt",
        "s_i64",
        "s_txt",
        "s_u32",
        "s_u64",
        "string",
        "string_def",
        "sys.created",
        "sys.gid",
        "sys.pid",
        "sys.tid",
        "sys.uid",
        "timer",
        "u16",
        "u32",
        "u64",
        "unicodé",
    ];
    let found = stats(&snapshots);
    let found: Vec<&Json> = (found["stats"].as_array().unwrap().iter())
        // From the header of our own files.
        .filter(|label| *label != "sys.exe")
        .collect();
    assert_eq!(found, labels);
    let found = stat(&snapshots, "b", false, None, Some("all-*")).unwrap();
    assert_eq!(
        Json::from(found),
        json!({"boolean": [true], "boolean0": [false], "byte": [0]})
    );
    assert_eq!(
        files(&snapshots, Some("*")).unwrap(),
        json!({"files": [path]})
    );
}
