//! Tests that a fold keeps the identity of series.

use std::sync::Arc;
use std::time::SystemTime;

use super::totals::RetiredTotals;
use crate::format::header::Header;
use crate::format::retired::RETIRED_FILE;
use crate::reader::copy::Scratch;
use crate::reader::file::OpenFile;
use crate::reader::plan::Plans;
use crate::reader::testing::{Maker, Root, counter, header, percentile, schema};
use crate::reader::{Reader, Series};

/// A series: label, prefix, group, key of the group, labels, kind and since.
type Known = (
    [String; 2],
    Option<String>,
    String,
    Vec<(String, String)>,
    &'static str,
    SystemTime,
);

fn known(series: &Series) -> Known {
    (
        [series.label(), series.prefix()].map(str::to_owned),
        series.group().map(str::to_owned),
        series.group_label().to_owned(),
        series.labels().to_vec(),
        series.kind(),
        series.since(),
    )
}

fn all(root: &Root) -> Vec<(Known, String)> {
    let snapshot = Reader::open(root.path()).unwrap().snapshot().unwrap();
    assert_eq!(snapshot.errors(), []);
    (snapshot.models()[0].series().iter())
        .map(|series| {
            // The last value of a distribution is unknown after a fold.
            let value = series.value().as_distribution().map_or_else(
                || series.value().to_string(),
                |values| format!("{} {}", values.count(), values.total()),
            );
            (known(series), value)
        })
        .collect()
}

/// Returns a file with groups and labels in which each counter has the value `n`.
fn file(header: &Header, n: u64) -> Vec<u8> {
    let (own, of_group) = (
        schema([counter("own")]),
        schema([counter("ok"), percentile("size")]),
    );
    let mut maker = Maker::new(header);
    let at = maker.schema(&own);
    let block = maker.instance(at, &own, "web.", "");
    maker.set(block, &[n]);
    let at = maker.schema(&of_group);
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        let owned = |(key, value): &(&str, &str)| (key.to_string(), value.to_string());
        pairs.iter().map(owned).collect()
    };
    for (group, labels) in [
        ("index", pairs(&[])),
        ("login", pairs(&[("handler", "login")])),
        ("", pairs(&[("handler", "a\"b"), ("status", "200")])),
        ("", pairs(&[("handler", "a\"b"), ("status", "500")])),
    ] {
        let block = maker.labelled(at, &of_group, "web.", group, labels);
        maker.set(block, &[n, 0, n, 7 * n, 0, 0, 0, !7, 7, 7]);
    }
    maker.finish()
}

/// Folds the files with these names.
fn fold(root: &Root, names: &[&str]) {
    let (mut plans, mut scratch) = (Plans::default(), Scratch::default());
    let directory: Arc<std::path::Path> = root.path().into();
    let mut read = |name: &str| {
        let mut file = OpenFile::open(root.file(name), &directory, false).unwrap();
        file.refresh(&mut plans, &mut scratch).unwrap();
        file
    };
    let mut totals = match root.file(RETIRED_FILE).exists() {
        true => RetiredTotals::of(&read(RETIRED_FILE)).unwrap(),
        false => RetiredTotals::new(&read(names[0]).header),
    };
    for name in names {
        totals.add(&read(name)).unwrap();
    }
    for name in names {
        std::fs::remove_file(root.file(name)).unwrap();
    }
    root.write(RETIRED_FILE, &totals.encode());
}

#[test]
fn a_fold_keeps_prefix_group_labels_and_since() {
    let root = Root::new();
    root.write("mmstats-1-1", &file(&header("m", 1, 3), 5));
    root.write("mmstats-2-2", &file(&header("m", 2, 8), 7));
    let before = all(&root);
    assert_eq!(before.len(), 9);
    fold(&root, &["mmstats-1-1"]);
    assert_eq!(all(&root), before, "one is folded");
    fold(&root, &["mmstats-2-2"]);
    assert_eq!(all(&root), before, "both are");
    // The same holds beside a file that begins after them.
    root.write("mmstats-3-3", &file(&header("m", 3, 9), 0));
    let identities = |all: Vec<(Known, String)>| all.into_iter().map(|(known, _)| known);
    assert!(identities(all(&root)).eq(identities(before)));
}

/// Retired files of earlier versions have prefixes in place of groups.
#[test]
fn totals_that_were_folded_without_groups_count_on() {
    let root = Root::new();
    let of_group = schema([counter("ok")]);
    let mut maker = Maker::new(&header("m", 7, 2));
    let at = maker.schema(&of_group);
    let block = maker.instance(at, &of_group, "web.index.", "");
    maker.set(block, &[40]);
    root.write("mmstats-7-7", &maker.finish());
    fold(&root, &["mmstats-7-7"]);
    let mut maker = Maker::new(&header("m", 1, 3));
    let at = maker.schema(&of_group);
    let block = maker.instance(at, &of_group, "web.", "index");
    maker.set(block, &[2]);
    root.write("mmstats-1-1", &maker.finish());
    for _ in 0..2 {
        let [(known, value)] = &all(&root)[..] else {
            panic!("{:?}", all(&root));
        };
        assert_eq!(value, "42");
        assert_eq!(known.1.as_deref(), Some("index"));
        if root.file("mmstats-1-1").exists() {
            fold(&root, &["mmstats-1-1"]);
        }
    }
}
