//! Groups with labels: found by a struct or by pairs, and shown as `<metric>{key="value",…}`.

use std::borrow::Cow;
use std::sync::Arc;

use mmstats::{Counter, Error, Groups, LabelsRef, MmLabelValue, MmLabels, MmStats, Timer, Writer};

use super::child;
use super::models::{Handler, Route, RouteRef, Web, snapshot};

/// A field of each type that a label may have.
#[derive(MmLabels, Clone, Debug, PartialEq, Eq, Hash)]
struct Every {
    fixed: &'static str,
    owned: String,
    either: Cow<'static, str>,
    boxed: Box<str>,
    shared: Arc<str>,
    byte: u8,
    least: i128,
    size: usize,
    yes: bool,
    letter: char,
    #[mmstats(key = "a.first-key")]
    outcome: Outcome,
    r#type: Outcome,
}

#[derive(MmLabelValue, Clone, Debug, PartialEq, Eq, Hash)]
enum Outcome {
    CacheHit,
    #[mmstats(name = "a \"miss\"")]
    Miss,
}

#[derive(MmStats)]
struct Model {
    every: Groups<Inner, Every>,
}

#[derive(MmStats)]
pub struct Inner {
    pub n: Counter,
}

fn route(handler: &'static str, status: u16) -> Route {
    Route { handler, status }
}

#[test]
fn every_type_of_a_label_has_its_text_in_the_file() {
    let root = tempfile::tempdir().unwrap();
    let model = Model::builder().path(root.path()).create().unwrap();
    let key = Every {
        fixed: "a\\b",
        owned: "say \"hi\"\nand go".to_owned(),
        either: Cow::Borrowed("é=,{}"),
        boxed: "".into(),
        shared: "shared".into(),
        byte: 255,
        least: i128::MIN,
        size: 0,
        yes: true,
        letter: '"',
        outcome: Outcome::CacheHit,
        r#type: Outcome::Miss,
    };
    model.every.group(&key).n.add(7);
    assert_eq!(model.every[&key.clone()].n.get(), 7);
    assert_eq!(model.every.len(), 1);
    let expected = r#"n{a.first-key="cache_hit",boxed="",byte="255",either="é=,{}",fixed="a\\b",least="-170141183460469231731687303715884105728",letter="\"",owned="say \"hi\"\nand go",shared="shared",size="0",type="a \"miss\"",yes="true"}"#;
    let snapshot = snapshot(&root);
    let labels: Vec<&str> = snapshot.labels("n*").collect();
    assert_eq!(labels, [expected]);
    assert_eq!(snapshot.get("Model", expected).unwrap().as_u64(), Some(7));
}

#[test]
fn groups_by_labels_and_by_pairs_appear_as_they_are_used() {
    let root = tempfile::tempdir().unwrap();
    let web = Web::builder()
        .path(root.path())
        .label_prefix("web.")
        .create()
        .unwrap();
    assert!(web.routes.is_empty());
    web.routes.group(&route("index", 200)).response_ok.inc();
    web.routes[&route("index", 200)].response_ok.inc();
    web.routes
        .try_group(&route("index", 404))
        .unwrap()
        .response_bad
        .inc();
    let pairs = [("method", "GET"), ("handler", "index")];
    let swapped = [pairs[1], pairs[0]];
    web.handlers.group_with(&pairs).response_ok.inc();
    web.handlers.group_with(&swapped).response_ok.inc();
    let tried = web.handlers.try_group_with(&swapped).unwrap();
    tried.response_ok.inc();
    web.handlers.group("index").response_ok.add(10);
    assert_eq!((web.routes.len(), web.handlers.len()), (2, 2));
    let snapshot = snapshot(&root);
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
    for (label, value) in [
        (r#"web.response_ok{handler="index",status="200"}"#, 2),
        (r#"web.response_bad{handler="index",status="404"}"#, 1),
        (r#"web.response_ok{handler="index",status="404"}"#, 0),
        (r#"web.response_ok{handler="index",method="GET"}"#, 3),
        ("web.index.response_ok", 10),
    ] {
        let found = snapshot.get("my-app", label).expect(label);
        assert_eq!(found.as_u64(), Some(value), "{label}");
    }
}

#[test]
fn borrowed_labels_find_the_group_of_the_labels() {
    let text = String::from("GET index");
    let index = RouteRef {
        handler: &text[4..],
        status: 200,
    };
    let other = |status| RouteRef {
        handler: "index",
        status,
    };
    let web = Web::builder().anonymous().max_groups(2).create().unwrap();
    web.routes.group_ref(&index).response_ok.inc();
    web.routes.group(&route("index", 200)).response_ok.inc();
    let tried = web.routes.try_group_ref(&index).unwrap();
    tried.response_ok.inc();
    assert_eq!(web.routes[&route("index", 200)].response_ok.get(), 3);
    web.routes.group(&route("index", 404)).response_ok.inc();
    web.routes.group_ref(&other(404)).response_ok.inc();
    assert_eq!(web.routes.group_ref(&other(404)).response_ok.get(), 2);
    // A removed group begins again.
    assert!(web.routes.remove(&route("index", 200)));
    assert_eq!(web.routes.group_ref(&index).response_ok.get(), 0);
    // At the cap.
    assert!(matches!(
        web.routes.try_group_ref(&other(500)),
        Err(Error::TooManyGroups { .. })
    ));
    web.routes.group_ref(&other(500)).response_ok.inc();
    web.routes.group(&route("index", 501)).response_ok.inc();
    assert_eq!(web.routes.group_ref(&other(502)).response_ok.get(), 2);
    assert_eq!(web.routes.len(), 2);
}

/// A reference whose hash differs from that of the labels.
struct WronglyHashed;

impl std::hash::Hash for WronglyHashed {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u8(7);
    }
}

impl LabelsRef<Route> for WronglyHashed {
    fn is(&self, known: &Route) -> bool {
        *known == route("index", 200)
    }

    fn to_labels(&self) -> Route {
        route("index", 200)
    }
}

#[test]
fn a_wrong_hash_of_borrowed_labels_makes_no_second_group() {
    let web = Web::builder().anonymous().create().unwrap();
    for _ in 0..3 {
        web.routes.group_ref(&WronglyHashed).response_ok.inc();
    }
    assert_eq!(web.routes.len(), 1);
    assert_eq!(web.routes.group(&route("index", 200)).response_ok.get(), 3);
}

#[test]
fn two_threads_count_in_one_series() {
    const NAME: &str = "labelled_groups::two_threads_count_in_one_series";
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        child::run(&mut child::command(NAME, root.path()));
        return;
    }
    let write = || {
        Web::local(|s| {
            s.routes.group(&route("index", 200)).response_ok.inc();
            let pairs = [("b", "2"), ("a", "1")];
            s.handlers.group_with(&pairs).response_ok.add(2);
        })
    };
    write();
    let value = |label: &str| {
        let mut reader = mmstats::reader::Reader::from_env().unwrap();
        let snapshot = reader.snapshot().unwrap();
        snapshot.get("my-app", label).unwrap().as_u64()
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            write();
            let label = r#"response_ok{handler="index",status="200"}"#;
            assert_eq!(value(label), Some(2));
            assert_eq!(value(r#"response_ok{a="1",b="2"}"#), Some(4));
        });
        other.join().unwrap();
    });
}

#[test]
fn past_the_cap_labels_count_under_one_other() {
    let root = tempfile::tempdir().unwrap();
    let web = Web::builder()
        .path(root.path())
        .max_groups(1)
        .create()
        .unwrap();
    for status in 0..10 {
        web.routes.group(&route("index", status)).response_ok.inc();
        let status = status.to_string();
        let pairs = [("handler", "index"), ("code", &*status)];
        web.handlers.group_with(&pairs).response_ok.add(2);
        web.handlers.group(&status).response_ok.add(20);
    }
    let error = web.routes.try_group(&route("x", 1)).err().unwrap();
    assert!(matches!(error, Error::TooManyGroups { most: 1, .. }));
    let error = web.handlers.try_group_with(&[("a", "b")]).err().unwrap();
    assert!(matches!(error, Error::TooManyGroups { most: 1, .. }));
    assert_eq!((web.routes.len(), web.handlers.len()), (1, 1));
    let snapshot = snapshot(&root);
    for (label, value) in [
        (r#"response_ok{handler="index",status="0"}"#, 1),
        (r#"response_ok{handler="_other",status="_other"}"#, 9),
        (r#"response_ok{code="0",handler="index"}"#, 2),
        // Pairs and names share one: it has no labels, which exporters would take for a separate family.
        ("_other.response_ok", 9 * 2 + 10 * 20),
    ] {
        let found = snapshot.get("my-app", label).expect(label);
        assert_eq!(found.as_u64(), Some(value), "{label}");
    }
}

#[derive(MmLabels, Clone, PartialEq, Eq, Hash)]
pub struct Texts {
    a: &'static str,
    b: String,
}

#[derive(MmStats)]
struct Named {
    texts: Groups<Inner, Texts>,
    #[mmstats(prefix = "apart_")]
    apart: Groups<Inner, Texts>,
}

pub fn texts(a: &'static str, b: &str) -> Texts {
    let b = b.to_owned();
    Texts { a, b }
}

#[test]
fn labels_of_the_text_of_the_overflow_are_the_overflow() {
    let root = tempfile::tempdir().unwrap();
    let named = Named::builder().path(root.path()).max_groups(0).create();
    let named = named.unwrap();
    let other = texts("_other", "_other");
    named.texts.try_group(&other).unwrap().n.add(1);
    named.texts.group(&texts("x", "y")).n.add(10);
    named.texts.group(&other).n.add(100);
    let snapshot = snapshot(&root);
    let value = snapshot.get("Named", r#"n{a="_other",b="_other"}"#);
    assert_eq!(value.unwrap().as_u64(), Some(111));
}

#[test]
fn labels_that_cannot_be_are_errors_and_count_under_other() {
    let root = tempfile::tempdir().unwrap();
    let named = Named::builder().path(root.path()).create().unwrap();
    for b in ["a\tb", &"x".repeat(1025)] {
        let key = texts("x", b);
        let error = named.texts.try_group(&key).err().unwrap();
        assert!(matches!(error, Error::Name { .. }), "{error}");
        named.texts.group(&key).n.inc();
    }
    // They do not affect valid ones.
    named.texts.group(&texts("x", "y")).n.inc();
    let stats = Handler::groups(["index"]).path(root.path()).create();
    let stats = stats.unwrap();
    let many = ["k"; 65].map(|key| (key, "v"));
    for pairs in [
        &[("", "v")][..],
        &[("a b", "v")],
        &[("k", "\0")],
        &[("k", "v"), ("k", "w")],
        &[("k", "v"), ("k", "v")],
        &[],
        &many,
    ] {
        let error = stats.try_group_with(pairs).err().unwrap();
        assert!(matches!(error, Error::Name { .. }), "{error}");
        stats.group_with(pairs).response_ok.inc();
    }
    assert_eq!(stats.len(), 1);
    let snapshot = snapshot(&root);
    let value = |model, label: &str| snapshot.get(model, label).expect(label).as_u64();
    assert_eq!(value("Named", r#"n{a="_other",b="_other"}"#), Some(2));
    assert_eq!(value("Named", r#"n{a="x",b="y"}"#), Some(1));
    assert_eq!(value("Handler", "_other.response_ok"), Some(7));
}

#[derive(MmStats)]
struct Clash {
    first: Groups<Inner, Texts>,
    second: Groups<Inner, Texts>,
    #[mmstats(prefix = "apart_")]
    apart: Groups<Inner, Texts>,
}

#[test]
fn a_label_text_that_is_there_already_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let clash = Clash::builder().path(root.path()).create().unwrap();
    let key = texts("x", "y");
    clash.first.group(&key).n.inc();
    clash.apart.group(&key).n.inc();
    let error = clash.second.try_group(&key).err().unwrap();
    let text = r#"n{a="x",b="y"}"#;
    assert!(
        matches!(&error, Error::DuplicateLabel { label, .. } if label == text),
        "{error}"
    );
    clash.second.group(&key).n.add(5);
    let snapshot = snapshot(&root);
    let value = |label: &str| snapshot.get("Clash", label).expect(label).as_u64();
    assert_eq!(value(text), Some(1));
    assert_eq!(value(&format!("apart_{text}")), Some(1));
    assert_eq!(value(r#"n{a="_other",b="_other"}"#), Some(5));
}

#[derive(MmStats)]
struct Exported {
    #[mmstats(group_label = "handler")]
    handlers: Groups<Inner>,
}

#[test]
fn a_group_label_is_a_pair_beside_the_name() {
    let root = tempfile::tempdir().unwrap();
    let exported = Exported::builder().path(root.path()).create().unwrap();
    exported.handlers.group("index").n.inc();
    // The label text contains the name.
    let value = snapshot(&root).get("Exported", "index.n").unwrap().as_u64();
    assert_eq!(value, Some(1));
    let bytes = std::fs::read(exported.path().unwrap()).unwrap();
    let record = [&b"index\x07\0\x05\0handlerindex"[..], &[1, 0, 0, 0]];
    let found = |part: &[u8]| bytes.windows(part.len()).position(|bytes| bytes == part);
    let at = found(record[0]).expect("the name, and its pair");
    assert_eq!(&bytes[at - 4..at], record[1], "one pair");
}

#[test]
fn metrics_of_a_writer_may_have_labels() {
    let root = tempfile::tempdir().unwrap();
    let writer = Writer::builder("sql")
        .path(root.path())
        .label_prefix("db.")
        .create()
        .unwrap();
    let users = writer.group_with(&[("table", "users"), ("shard", "1")]);
    let users = users.unwrap();
    let rows: &Counter = users.counter("rows").add().unwrap();
    rows.add(12);
    let time: &Timer = users.timer("time").add().unwrap();
    time.time(|| ());
    let again = writer.group_with(&[("shard", "1"), ("table", "users")]);
    let error = again.unwrap().counter("rows").add().err().unwrap();
    assert!(matches!(error, Error::DuplicateLabel { .. }), "{error}");
    assert!(writer.group_with(&[]).is_err());
    let snapshot = snapshot(&root);
    let label = r#"db.rows{shard="1",table="users"}"#;
    assert_eq!(snapshot.get("sql", label).unwrap().as_u64(), Some(12));
    let label = r#"db.time{shard="1",table="users"}"#;
    let time = snapshot.get("sql", label).unwrap();
    assert_eq!(time.as_distribution().unwrap().count(), 1);
}
