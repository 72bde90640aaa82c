//! Compares answers for values in our files with those that aka-stats 21.2.5 gave for the same values, through uvicorn
//! and from Redis 7.0.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::*;
use crate::reader::Reader;
use crate::{Writer, push_stat};

#[path = "../../../../tests/writer/child.rs"]
#[allow(dead_code)] // Not all of it is used.
mod child;

fn snapshots(roots: &[&Path]) -> Vec<Snapshot> {
    let snapshot = |root: &&Path| Reader::open(root).unwrap().snapshot().unwrap();
    let snapshots: Vec<Snapshot> = roots.iter().map(snapshot).collect();
    assert!(
        snapshots
            .iter()
            .all(|snapshot| snapshot.errors().is_empty())
    );
    snapshots
}

/// Without the time, which is the current one.
fn timeless(mut stat: Json) -> Json {
    let time = stat.as_object_mut().unwrap().shift_remove("last_time");
    assert!(time.unwrap().as_f64().unwrap() > 1.7e9);
    stat
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Runs the rest of the test in a separate process, since metrics by name go to the root that the environment names.
macro_rules! in_child {
    ($name:literal) => {{
        let name = concat!("serve::older::aka_stats::tests::", $name);
        if !child::is_child(name) {
            let root = tempfile::tempdir().unwrap();
            let mut command = child::command(name, root.path());
            let output = child::run(command.env("RUST_BACKTRACE", "1"));
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.contains("1 passed"), "{said}");
            return;
        }
        std::path::PathBuf::from(std::env::var_os("MMSTATS_PATH").unwrap())
    }};
}

#[test]
fn what_is_recorded_by_name_is_answered_as_by_aka_stats() {
    let root = in_child!("what_is_recorded_by_name_is_answered_as_by_aka_stats");
    for value in [4.0, 2.5, 1.0] {
        push_stat("task_done", value);
    }
    push_stat("é", 2.0);
    push_stat("neg", -3.0);
    let scope = crate::stats(|stat| {
        stat.record("file:large.csv", 1.42).context("nightly");
        stat.record("file:large.csv", 2.42).context("nightly é");
        stat.record("no-context", 1.0).context("");
        stat.record("bytes", 1.0).context(b"\xff\xfe");
        stat.with(&[("oid", "a=b c\\d"), ("host_name", "nl-ams,01")])
            .record("SNMP_WORKER", 3.0);
        "x".parse::<u8>()?;
        Ok(())
    });
    scope.unwrap_err();
    let snapshots = snapshots(&[&root]);

    let available = |matcher| available_stats(&snapshots, matcher).unwrap();
    let all = [
        "SNMP_WORKER;host_name=nl-ams_01,oid=a_b_cd",
        "bytes",
        "errors__EXC:ParseIntError",
        "errors__all",
        "file:large.csv",
        "neg",
        "no-context",
        "task_done",
        "é",
    ];
    assert_eq!(available(None), all);
    assert_eq!(available(Some("errors__[a-z]*")), ["errors__all"]);
    assert_eq!(available(Some("nope*")), [""; 0]);

    let done = stat(&snapshots, "task_done");
    let keys: Vec<&String> = done.as_object().unwrap().keys().collect();
    let in_order = [
        "avg",
        "count",
        "last",
        "last_time",
        "max",
        "min",
        "stdev",
        "total",
    ];
    assert_eq!(keys, in_order);
    let text = timeless(done.clone()).to_string();
    assert_eq!(
        text,
        r#"{"avg":2.5,"count":3.0,"last":1.0,"max":4.0,"min":1.0,"stdev":1.5,"total":7.5}"#
    );
    let one = json!({"avg": 1.0, "count": 1.0, "last": 1.0, "max": 1.0, "min": 1.0, "stdev": 0.0, "total": 1.0});
    assert_eq!(timeless(stat(&snapshots, "errors__all")), one);
    assert_eq!(timeless(stat(&snapshots, "errors__EXC:ParseIntError")), one);
    assert_eq!(stat(&snapshots, all[0])["last"], json!(3.0));
    // Labels may be in any order, because aka-stats has them in the order of the call.
    let other = "SNMP_WORKER;oid=a_b_cd,host_name=nl-ams_01";
    let asked = stats(&snapshots, &owned(&[other]));
    assert_eq!(asked[other], stat(&snapshots, all[0]));
    assert_eq!(history(&snapshots, other)[0]["label"], json!(other));
    assert_eq!(stat(&snapshots, "neg")["max"], json!(-3.0));
    for label in ["nope", "errors", "task_done.history", "SNMP_WORKER", ""] {
        assert_eq!(stat(&snapshots, label), json!({}), "{label}");
    }

    let both = stats(&snapshots, &owned(&["task_done", "nope", "task_done"]));
    assert_eq!(Json::from(both), json!({"task_done": done, "nope": {}}));
    assert_eq!(stats(&snapshots, &[]).len(), 0);

    let values = |label| {
        let without_time = |mut entry: Json| {
            assert!(entry["timestamp"].take().as_f64().unwrap() > 1.7e9);
            entry
        };
        let entries = history(&snapshots, label).into_iter();
        entries.map(without_time).collect::<Vec<_>>()
    };
    let entry = |label, value, id| json!({"timestamp": null, "label": label, "value": value, "context_id": id});
    assert_eq!(
        values("task_done"),
        [1.0, 2.5, 4.0].map(|value| entry("task_done", value, ""))
    );
    let (nightly, accent) = (
        "0ae3489815127120cfb606170a053745",
        "55730412f60d38719c5ec5be13daf1ff",
    );
    let large = "file:large.csv";
    assert_eq!(
        values(large),
        [entry(large, 2.42, accent), entry(large, 1.42, nightly)]
    );
    assert_eq!(values(all[0]), [entry(all[0], 3.0, "")]);
    assert_eq!(values("no-context"), [entry("no-context", 1.0, "")]);
    for label in ["errors__all", "errors__EXC:ParseIntError"] {
        let entries = values(label);
        assert_eq!(
            (entries.len(), &entries[0]["value"]),
            (1, &json!(1.0)),
            "{label}"
        );
    }
    assert_eq!(history(&snapshots, "nope"), [""; 0]);

    let empty = "d41d8cd98f00b204e9800998ecf8427e";
    let bytes = "f3b25701fe362ec84616a93a45ce9998";
    let ids = owned(&[nightly, "nope", accent, nightly, empty, bytes]);
    assert_eq!(
        Json::from(contexts(&snapshots, &ids)),
        json!({nightly: "nightly", accent: "nightly é", bytes: "\u{fffd}\u{fffd}"})
    );
    assert_eq!(contexts(&snapshots, &[]).len(), 0);

    // The context of an error says what it was and where, as in Python's traceback.
    let context = |id: &str| {
        contexts(&snapshots, &owned(&[id]))[id]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let error = context(values("errors__all")[0]["context_id"].as_str().unwrap());
    let (what, backtrace) = error.split_once(".rs:").unwrap();
    let wanted = "ParseIntError: invalid digit found in string\nat src/serve/older/aka_stats/tests";
    assert_eq!(what, wanted);
    let errors = snapshots[0]
        .get("stats", "errors")
        .unwrap()
        .as_errors()
        .unwrap();
    let own = errors.distinct()[0].context().unwrap();
    assert!(backtrace.ends_with(&*own.text()), "{error}");
    assert_eq!(context(own.id()), own.text());
}

#[test]
fn every_kind_that_counts_has_a_stat_and_no_other() {
    let root = tempfile::tempdir().unwrap();
    let writer = Writer::builder("app").path(root.path()).create().unwrap();
    let timer = writer.timer("timer").add().unwrap();
    timer.record(Duration::from_millis(1));
    timer.record(Duration::from_millis(3));
    writer.percentile("sizes").add().unwrap().record(512);
    writer.float_percentile("ratio").add().unwrap().record(0.25);
    let average = writer.average("average").add().unwrap();
    average.record(1.0);
    average.record(2.0);
    let users = writer
        .group_with(&[("status", "200"), ("handler", "a b")])
        .unwrap();
    users.counter("ok").add().unwrap().add(7);
    let errors = writer.errors("db.errors").add().unwrap();
    errors.note("timeout", "host:abc");
    errors.note("all", "");
    writer.sampling_counter("sampled").add().unwrap().add(100);
    writer.summary("nothing").add().unwrap().record(f64::NAN);
    writer.counter("zero").add().unwrap();
    writer.gauge::<f64>("level").add().unwrap().set(1.0);
    writer.updown("updown").add().unwrap().add(1);
    writer.moving_average("moving").add().unwrap().record(1.0);
    writer.text("text").add().unwrap().set("x");
    writer.flag("flag").add().unwrap().set(true);
    writer.constant("constant", 5u64).add().unwrap();
    writer.history("own").add().unwrap().push(f64::INFINITY);
    let snapshots = snapshots(&[root.path()]);

    let stat = |label: &str| stat(&snapshots, label);
    let one_of = |value: f64| {
        json!({"avg": value, "count": 1.0, "last": value, "last_time": null, "max": value, "min": value, "stdev": 0.0,
               "total": value})
    };
    assert_eq!(
        stat("timer"),
        json!({"avg": 0.002, "count": 2.0, "last": 0.003, "last_time": null, "max": 0.003, "min": 0.001,
               "stdev": 2e-3_f64 / 2f64.sqrt(), "total": 0.004})
    );
    assert_eq!(stat("sizes"), one_of(512.0));
    assert_eq!(stat("ratio"), one_of(0.25));
    let counted = |avg: Option<f64>, count: f64, total: f64| {
        json!({"avg": avg, "count": count, "last": null, "last_time": null, "max": null, "min": null, "stdev": null,
               "total": total})
    };
    assert_eq!(stat("average"), counted(Some(1.5), 2.0, 3.0));
    assert_eq!(stat("ok;handler=a_b,status=200"), counted(None, 7.0, 7.0));
    assert_eq!(stat("sampled"), counted(None, 100.0, 100.0));
    assert_eq!(stat("db.errors__timeout")["count"], json!(1.0));
    // The note of that name is not counted twice.
    assert_eq!(stat("db.errors__all")["total"], json!(2.0));
    assert_eq!(
        available_stats(&snapshots, None).unwrap(),
        [
            "average",
            "db.errors__all",
            "db.errors__timeout",
            "ok;handler=a_b,status=200",
            "ratio",
            "sampled",
            "sizes",
            "timer"
        ]
    );
    let own = history(&snapshots, "own");
    assert_eq!((own.len(), &own[0]["value"]), (1, &Json::Null));
    let id = history(&snapshots, "db.errors__timeout")[0]["context_id"].clone();
    let id = id.as_str().unwrap().to_owned();
    assert_eq!(
        Json::from(contexts(&snapshots, std::slice::from_ref(&id))),
        json!({id: "host:abc"})
    );
}

#[test]
fn what_has_one_label_in_several_places_adds_up() {
    let roots = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let values = [vec![1e9 + 1.0, 1e9 + 2.0], vec![1e9 + 3.0]];
    let mut writers = Vec::new();
    for (root, values) in roots.iter().zip(&values) {
        for name in ["a", "b"] {
            let writer = Writer::builder(name).path(root.path()).create().unwrap();
            let label = if name == "a" { "seconds" } else { "other" };
            let seconds = writer.summary(label).add().unwrap();
            values.iter().for_each(|value| seconds.record(*value));
            let history = writer.history("seconds.history").add().unwrap();
            values.iter().for_each(|value| history.push(*value));
            let mixed = writer.group("mixed").unwrap();
            match name {
                "a" => mixed.counter("x").add().unwrap().add(2),
                _ => mixed.summary("x").add().unwrap().record(5.0),
            }
            writers.push(writer);
        }
    }
    let snapshots = snapshots(&[roots[0].path(), roots[1].path()]);
    assert_eq!(
        timeless(stat(&snapshots, "seconds")),
        json!({"avg": 1e9 + 2.0, "count": 3.0, "last": 1e9 + 3.0, "max": 1e9 + 3.0, "min": 1e9 + 1.0, "stdev": 1.0,
               "total": 3e9 + 6.0})
    );
    // Nothing else is known of the counter.
    assert_eq!(
        stat(&snapshots, "mixed.x"),
        json!({"avg": null, "count": 6.0, "last": null, "last_time": null, "max": null, "min": null, "stdev": null,
               "total": 14.0})
    );
    let entries = history(&snapshots, "seconds");
    assert_eq!(entries.len(), 6);
    assert_eq!(
        entries,
        history(&snapshots, "seconds.history")
            .iter()
            .map(|entry| {
                let mut entry = entry.clone();
                entry["label"] = json!("seconds");
                entry
            })
            .collect::<Vec<_>>()
    );
    let times = entries
        .iter()
        .map(|entry| entry["timestamp"].as_f64().unwrap());
    assert!(times.is_sorted_by(|newer, older| newer >= older));
}

#[test]
fn an_empty_matcher_is_refused() {
    let refusal = available_stats(&[], Some("")).unwrap_err();
    assert_eq!(refusal.status, 422);
    assert_eq!(
        refusal.body().to_string(),
        r#"{"detail":[{"loc":["query","matcher"],"msg":"ensure this value has at least 1 characters","type":"value_error.any_str.min_length","ctx":{"limit_value":1}}]}"#
    );
}

#[test]
fn bodies_are_taken_and_refused_as_by_aka_stats() {
    for (body, texts) in [
        (r#"["task_done","nope"]"#, &["task_done", "nope"][..]),
        (r#" [ "é" , "\u00e9" ] "#, &["é", "é"]),
        ("[]", &[]),
        ("[1, 1.5, true, false]", &["1", "1.5", "True", "False"]),
    ] {
        assert_eq!(strings("labels", body.as_bytes()).unwrap(), texts, "{body}");
    }
    let unreadable = r#"{"detail":"There was an error parsing the body"}"#;
    let missing = r#"{"detail":[{"loc":["body","labels"],"msg":"field required","type":"value_error.missing"}]}"#;
    let no_list = r#"{"detail":[{"loc":["body","labels"],"msg":"value is not a valid list","type":"type_error.list"}]}"#;
    let none = r#"{"detail":[{"loc":["body","labels",1],"msg":"none is not an allowed value","type":"type_error.none.not_allowed"}]}"#;
    let no_text = r#"{"detail":[{"loc":["body","labels",1],"msg":"str type expected","type":"type_error.str"},{"loc":["body","labels",2],"msg":"str type expected","type":"type_error.str"}]}"#;
    for (body, status, answer) in [
        (&b""[..], 422, missing),
        (b"null", 422, missing),
        (b" ", 400, unreadable),
        (b"{", 400, unreadable),
        (b"[\"a\"", 400, unreadable),
        (b"[\"task_done\"] x", 400, unreadable),
        (b"[\"\xff\"]", 400, unreadable),
        (b"{}", 422, no_list),
        (b"\"task_done\"", 422, no_list),
        (b"5", 422, no_list),
        (b"true", 422, no_list),
        (b"{\"labels\":[\"a\"]}", 422, no_list),
        (b"[\"a\",null]", 422, none),
        (b"[\"a\",{},[1]]", 422, no_text),
    ] {
        let refusal = strings("labels", body).unwrap_err();
        let body = String::from_utf8_lossy(body);
        assert_eq!(
            (refusal.status, &*refusal.body().to_string()),
            (status, answer),
            "{body}"
        );
    }
    // Deep nesting is an error, and no overflow of the stack.
    let deep = "[".repeat(100_000);
    assert_eq!(strings("labels", deep.as_bytes()).unwrap_err().status, 400);
}
