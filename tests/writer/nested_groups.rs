//! Groups within groups: which names and labels they get from the groups around them.

use std::path::Path;

use mmstats::{Counter, Groups, MmLabels, MmStats, Stats};

use super::labelled_groups::{Inner, Texts, texts};
use super::models::snapshot;

#[derive(MmStats)]
struct Outer {
    db: Db,
    shards: Groups<Shard, Texts>,
    by_name: Groups<Shard>,
}

#[derive(MmStats)]
struct Db {
    tables: Groups<Inner, Table>,
}

#[derive(MmStats)]
struct Shard {
    db: Db,
    rows: Groups<Inner>,
    #[mmstats(group_label = "column")]
    columns: Groups<Level>,
}

#[derive(MmStats)]
struct Level {
    level: Counter,
}

#[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
struct Table {
    table: u32,
}

#[test]
fn groups_within_a_group_have_its_labels() {
    let root = tempfile::tempdir().unwrap();
    let outer = Outer::builder().path(root.path()).create().unwrap();
    outer.db.tables.group(&Table { table: 1 }).n.add(1);
    for (shard, step) in [("y", 10), ("z", 20)] {
        let shard = outer.shards.group(&texts("x", shard));
        shard.db.tables.group(&Table { table: 1 }).n.add(step);
        shard.rows.group("first").n.add(step + 1);
        shard.columns.group("first").level.add(step + 2);
    }
    let shard = outer.by_name.group("named");
    shard.db.tables.group(&Table { table: 1 }).n.add(2);
    shard.rows.group("first").n.add(3);
    let snapshot = snapshot(&root);
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
    for (label, value) in [
        (r#"db.n{table="1"}"#, 1),
        (r#"db.n{a="x",b="y",table="1"}"#, 10),
        (r#"db.n{a="x",b="z",table="1"}"#, 20),
        (r#"n{a="x",b="y",group="first"}"#, 11),
        (r#"n{a="x",b="z",group="first"}"#, 21),
        (r#"level{a="x",b="y",column="first"}"#, 12),
        (r#"db.n{group="named",table="1"}"#, 2),
        ("named.first.n", 3),
    ] {
        let found = snapshot.get("Outer", label).expect(label);
        assert_eq!(found.as_u64(), Some(value), "{label}");
    }
}

#[derive(MmStats)]
struct Regions {
    #[mmstats(group_label = "region", prefix = "in.")]
    regions: Groups<Region>,
}

#[derive(MmStats)]
struct Region {
    n: Counter,
    db: Db,
    sites: Groups<Site>,
    by_pairs: Groups<Level>,
}

#[derive(MmStats)]
struct Site {
    db: Db,
}

fn regions(root: &Path, step: u64) -> Stats<Regions> {
    let regions = Regions::builder().path(root).create().unwrap();
    for name in ["eu", "us.west"] {
        let region = regions.regions.group(name);
        region.n.add(step);
        region.db.tables.group(&Table { table: 1 }).n.add(step);
        let site = region.sites.group("a");
        site.db.tables.group(&Table { table: 1 }).n.add(step);
        for pairs in [[("k", "1"), ("l", "2")], [("k", "1"), ("region", "x")]] {
            region.by_pairs.group_with(&pairs).level.add(step);
        }
    }
    regions
}

/// Returns label text, prefix and labels of the existing series, with their values.
fn identities(root: &tempfile::TempDir) -> Vec<(String, String, String, u64)> {
    let snapshot = snapshot(root);
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
    let model = snapshot.model("Regions").unwrap();
    let all = model.series().iter().map(|series| {
        let labels = series.labels().iter();
        let labels: Vec<String> = labels
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let value = series.value().as_u64().unwrap();
        let text = series.label().to_owned();
        (text, series.prefix().to_owned(), labels.join(" "), value)
    });
    all.collect()
}

#[test]
fn the_name_of_a_group_is_a_label_of_those_within_it_that_have_labels() {
    let root = tempfile::tempdir().unwrap();
    let first = regions(root.path(), 1);
    let _second = regions(root.path(), 10);
    let found = |name: &str| -> Vec<(String, String, String)> {
        [
            (format!("in.{name}.n"), "in.", String::new()),
            (
                format!(r#"in.db.n{{region="{name}",table="1"}}"#),
                "in.db.",
                format!("region={name} table=1"),
            ),
            (
                format!(r#"in.level{{k="1",l="2",region="{name}"}}"#),
                "in.",
                format!("k=1 l=2 region={name}"),
            ),
            // Of two names, the outer one stays in front.
            (
                format!(r#"in.{name}.db.n{{group="a",table="1"}}"#),
                &format!("in.{name}.db."),
                "group=a table=1".to_owned(),
            ),
            // If the key is taken, the name stays in front.
            (
                format!(r#"in.{name}.level{{k="1",region="x"}}"#),
                &format!("in.{name}."),
                "k=1 region=x".to_owned(),
            ),
        ]
        .map(|(text, prefix, labels)| (text, prefix.to_owned(), labels))
        .to_vec()
    };
    let are_there = |names: &[&str]| {
        let mut expected: Vec<_> = names.iter().flat_map(|name| found(name)).collect();
        expected.sort();
        let mut all: Vec<_> = (identities(&root).into_iter())
            .map(|(text, prefix, labels, value)| {
                assert_eq!(value, 11, "{text}");
                (text, prefix, labels)
            })
            .collect();
        all.sort();
        assert_eq!(all, expected);
    };
    are_there(&["eu", "us.west"]);
    // All of them end with the outer group, also in the other file.
    assert!(first.regions.remove("eu"));
    are_there(&["us.west"]);
    // And only those.
    let us = first.regions.group("us.west");
    assert_eq!(us.db.tables.group(&Table { table: 1 }).n.get(), 1);
    drop(first);
}
