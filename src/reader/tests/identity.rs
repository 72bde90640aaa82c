//! Groups and labels as data, from the record to the snapshot.

use super::*;
use crate::format::labels::Labels;
use crate::format::schema::Merge;

fn pairs(labels: &[(&str, &str)]) -> Labels {
    let owned = |(key, value): &(&str, &str)| (key.to_string(), value.to_string());
    labels.iter().map(owned).collect()
}

/// Prefix, group, labels, and the value of its counter `ok`.
type Made<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], u64);

/// A file with these instances.
fn file(pid: u32, instances: &[Made<'_>]) -> Vec<u8> {
    let schema = schema([counter("ok")]);
    let mut maker = Maker::new(&header("m", pid, pid.into()));
    let at = maker.schema(&schema);
    for (prefix, group, labels, value) in instances {
        let block = maker.labelled(at, &schema, prefix, group, pairs(labels));
        maker.set(block, &[*value]);
    }
    maker.finish()
}

fn series<'a>(snapshot: &'a Snapshot, label: &str) -> &'a Series {
    let mut all = snapshot.merged()[0].series().iter();
    all.find(|series| series.label() == label).unwrap()
}

#[test]
fn a_series_has_the_parts_of_its_label() {
    both_ways(|root| {
        let labels: &[(&str, &str)] = &[("handler", "a\"b"), ("status", "200")];
        let bytes = file(
            1,
            &[
                ("web.", "", &[], 1),
                ("web.", "index", &[], 2),
                ("", "login", &[("handler", "login")], 3),
                ("web.", "", labels, 4),
            ],
        );
        root.write("mmstats-1-1", &bytes);
        let snapshot = root.reader().snapshot().unwrap();
        assert_no_errors(&snapshot);
        let found: Vec<_> = (snapshot.models()[0].series().iter())
            .map(|series| {
                assert_eq!((series.metric(), series.kind()), ("ok", "counter"));
                let group = (series.group(), series.group_label());
                let value = series.value().as_u64().unwrap();
                (
                    series.label(),
                    series.prefix(),
                    group,
                    series.labels().to_vec(),
                    value,
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("login.ok", "", (Some("login"), "handler"), vec![], 3),
                ("web.index.ok", "web.", (Some("index"), "group"), vec![], 2),
                ("web.ok", "web.", (None, "group"), vec![], 1),
                (
                    r#"web.ok{handler="a\"b",status="200"}"#,
                    "web.",
                    (None, "group"),
                    pairs(labels),
                    4
                ),
            ]
        );
    });
}

#[test]
fn instances_with_the_same_labels_in_other_files_merge() {
    let root = Root::new();
    let labels: &[(&str, &str)] = &[("a", "1"), ("b", "2")];
    root.write("mmstats-1-1", &file(1, &[("", "", labels, 3)]));
    root.write(
        "mmstats-2-2",
        &file(2, &[("", "", labels, 4), ("", "", &[("a", "1")], 9)]),
    );
    let snapshot = root.reader().snapshot().unwrap();
    assert_no_errors(&snapshot);
    assert_eq!(u64_of(&snapshot, r#"ok{a="1",b="2"}"#), Some(7));
    assert_eq!(u64_of(&snapshot, r#"ok{a="1"}"#), Some(9));
    assert_eq!(snapshot.iter().count(), 2);
}

#[test]
fn a_text_that_means_two_groups_is_reported_and_the_later_file_says_which() {
    let root = Root::new();
    root.write("mmstats-1-1", &file(1, &[("index.", "", &[], 1)]));
    root.write("mmstats-2-2", &file(2, &[("", "index", &[], 2)]));
    let mut reader = root.reader();
    for _ in 0..2 {
        let snapshot = reader.snapshot().unwrap();
        let [problem] = snapshot.errors() else {
            panic!("{:?}", snapshot.errors());
        };
        let wanted = r#"the label "index.ok" is of no group here, of the group "index" in a file"#;
        assert!(problem.error().starts_with(wanted), "{}", problem.error());
        assert!(problem.path().ends_with("mmstats-1-1"));
        let index = series(&snapshot, "index.ok");
        assert_eq!(
            (index.group(), index.value().as_u64()),
            (Some("index"), Some(3))
        );
    }
    // The key by which exporters show a group may change.
    root.write("mmstats-1-1", &file(1, &[("", "index", &[], 1)]));
    root.write(
        "mmstats-2-2",
        &file(2, &[("", "index", &[("handler", "index")], 2)]),
    );
    let snapshot = root.reader().snapshot().unwrap();
    assert_no_errors(&snapshot);
    assert_eq!(series(&snapshot, "index.ok").group_label(), "handler");
}

#[test]
fn a_metric_whose_name_looks_like_labels_is_reported() {
    let root = Root::new();
    let schema = schema([counter(r#"ok{a="1"}"#)]);
    let faked = Maker::simple(&header("m", 1, 1), &schema, &[5]).finish();
    root.write("mmstats-1-1", &faked);
    root.write("mmstats-2-2", &file(2, &[("", "", &[("a", "1")], 2)]));
    let snapshot = root.reader().snapshot().unwrap();
    assert_eq!(snapshot.errors().len(), 1);
    let ok = series(&snapshot, r#"ok{a="1"}"#);
    assert_eq!(
        (ok.metric(), ok.labels()),
        ("ok", &pairs(&[("a", "1")])[..])
    );
}

#[test]
fn hostile_pairs_stay_data() {
    let root = Root::new();
    let long = "x".repeat(4096);
    let labels: &[(&str, &str)] = &[("\n\x1b[2J", "}\""), ("a{b=", "\\"), (&long, &long)];
    root.write(
        "mmstats-1-1",
        &file(1, &[("", "", labels, 1), ("", "", &[("a", "\0")], 2)]),
    );
    let snapshot = root.reader().snapshot().unwrap();
    assert_no_errors(&snapshot);
    let [first, second] = snapshot.models()[0].series() else {
        panic!("{snapshot:?}");
    };
    assert_eq!(first.labels(), pairs(labels));
    assert_eq!(second.labels(), pairs(&[("a", "\0")]));
    for text in [first.to_string(), format!("{first:?}"), second.to_string()] {
        assert!(!text.contains(char::is_control), "{text:?}");
    }
}

#[test]
fn the_debug_text_of_a_series_is_short() {
    let root = Root::new();
    root.write("mmstats-1-1", &file(1, &[("", "index", &[], 2)]));
    let snapshot = root.reader().snapshot().unwrap();
    let series = &snapshot.models()[0].series()[0];
    assert_eq!(series.to_string(), "index.ok  2");
    assert_eq!(format!("{series:?}"), "Series(index.ok  2)");
}

#[test]
fn merge_rules_have_names() {
    let root = Root::new();
    let max = MetricSchema {
        merge: Merge::Max,
        ..word("gauge", code::GAUGE, Scalar::U64)
    };
    let schema = schema([counter("counter"), max, text("text")]);
    root.write(
        "mmstats-1-1",
        &Maker::simple(&header("m", 1, 1), &schema, &[]).finish(),
    );
    let snapshot = root.reader().snapshot().unwrap();
    let rules: Vec<_> = (snapshot.models()[0].series().iter())
        .map(|series| series.merge().to_string())
        .collect();
    assert_eq!(rules, ["sum", "max", "latest"]);
}

#[test]
fn exporters_are_told_what_stands_in_front_of_names() {
    let root = Root::new();
    for (pid, export) in [(1, Some("old")), (2, Some("")), (3, None)] {
        let mut schema = schema([counter("ok")]);
        schema.export = export.map(str::to_owned);
        let bytes = Maker::simple(&header("m", pid, pid.into()), &schema, &[1]).finish();
        root.write(&format!("mmstats-{pid}-{pid}"), &bytes);
    }
    let mut reader = root.reader();
    assert_eq!(reader.snapshot().unwrap().models()[0].export(), "");
    let snapshot = reader.per(Per::File).snapshot().unwrap();
    let exports: Vec<_> = snapshot.models().iter().map(Model::export).collect();
    assert_eq!(exports, ["old", "", "m"]);
}

#[test]
fn a_model_has_the_help_of_its_latest_file() {
    let root = Root::new();
    for (pid, help) in [(1, "Old."), (2, "New."), (3, "")] {
        let mut schema = schema([counter("ok")]);
        schema.help = help.into();
        let bytes = Maker::simple(&header("m", pid, pid.into()), &schema, &[1]).finish();
        root.write(&format!("mmstats-{pid}-{pid}"), &bytes);
    }
    let mut reader = root.reader();
    assert_eq!(reader.snapshot().unwrap().models()[0].help(), "New.");
    let snapshot = reader.per(Per::File).snapshot().unwrap();
    let helps: Vec<_> = snapshot.models().iter().map(Model::help).collect();
    assert_eq!(helps, ["Old.", "New.", ""]);
}

/// Totals that an earlier version folded, so that the group has become a prefix.
#[test]
fn flattened_totals_take_the_identity_of_the_files_that_have_one() {
    use crate::format::retired::Retired;

    for retired_created in [0, 9] {
        let root = Root::new();
        let schema = schema([counter("ok")]);
        let mut maker = Maker::new(&header("m", 7, retired_created));
        let record = Retired {
            folds: 3,
            ..Retired::default()
        };
        maker.bytes.extend(record.encode());
        let at = maker.schema(&schema);
        let block = maker.instance(at, &schema, "index.", "");
        maker.set(block, &[40]);
        root.write("mmstats-retired", &maker.finish());
        let alone = root.reader().snapshot().unwrap();
        assert_no_errors(&alone);
        assert_eq!(series(&alone, "index.ok").group(), None);
        root.write("mmstats-2-2", &file(2, &[("", "index", &[], 2)]));
        let snapshot = root.reader().snapshot().unwrap();
        assert_no_errors(&snapshot);
        let index = series(&snapshot, "index.ok");
        assert_eq!((index.group(), index.prefix()), (Some("index"), ""));
        assert_eq!(index.value().as_u64(), Some(42));
    }
}
