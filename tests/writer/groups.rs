//! Groups: created at run time, bounded, never in the way.

use std::time::Duration;

use mmstats::{Counter, Error, Groups, MmStats};

use super::child;
use super::models::{Handler, Web, snapshot};

#[derive(MmStats)]
struct Clash {
    #[mmstats(label = "index.n")]
    own: Counter,
    first: Groups<Inner>,
    second: Groups<Inner>,
    #[mmstats(prefix = "apart.")]
    third: Groups<Inner>,
}

#[derive(MmStats)]
struct Inner {
    n: Counter,
}

#[test]
fn groups_appear_in_the_file_as_they_are_used() {
    let root = tempfile::tempdir().unwrap();
    let web = Web::builder()
        .path(root.path())
        .label_prefix("web.")
        .create()
        .unwrap();
    assert_eq!(snapshot(&root).get("my-app", "web.index.response_ok"), None);
    web.handlers.group("index").response_ok.inc();
    web.handlers["index"].response_ok.inc();
    web.handlers
        .try_group("login")
        .unwrap()
        .response_time
        .record(Duration::from_millis(10));
    assert_eq!(web.handlers.len(), 2);
    let snapshot = snapshot(&root);
    let get = |label: &str| {
        snapshot
            .get("my-app", label)
            .unwrap_or_else(|| panic!("{label}"))
    };
    assert_eq!(get("web.index.response_ok").as_u64(), Some(2));
    assert_eq!(get("web.login.response_time.Count").as_u64(), Some(1));
    assert_eq!(get("web.login.response_time:Max").as_f64(), Some(0.01));
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
}

#[test]
fn a_file_of_groups_has_those_named_from_the_beginning() {
    let root = tempfile::tempdir().unwrap();
    let stats = Handler::groups(["index", "login"])
        .path(root.path())
        .create()
        .unwrap();
    let index = stats.group("index");
    index.response_ok.add(3);
    let snapshot = snapshot(&root);
    assert_eq!(
        snapshot
            .get("Handler", "index.response_ok")
            .unwrap()
            .as_u64(),
        Some(3)
    );
    assert_eq!(
        snapshot
            .get("Handler", "login.response_ok")
            .unwrap()
            .as_u64(),
        Some(0)
    );
    assert!(
        Handler::groups(["a", ""])
            .path(root.path())
            .create()
            .is_err()
    );
}

#[test]
fn past_the_cap_everything_counts_under_other() {
    let root = tempfile::tempdir().unwrap();
    let web = Web::builder()
        .path(root.path())
        .max_groups(2)
        .create()
        .unwrap();
    for name in ["a", "b", "c", "d", "c"] {
        web.handlers.group(name).response_ok.inc();
    }
    let error = web.handlers.try_group("e").err().unwrap();
    assert!(
        matches!(error, Error::TooManyGroups { most: 2, .. }),
        "{error}"
    );
    let snapshot = snapshot(&root);
    let get = |label: &str| {
        snapshot
            .get("my-app", label)
            .map(|value| value.as_u64().unwrap())
    };
    assert_eq!(get("a.response_ok"), Some(1));
    assert_eq!(get("_other.response_ok"), Some(3));
    assert_eq!(get("c.response_ok"), None);
}

#[test]
fn other_is_not_there_before_it_is_needed() {
    let root = tempfile::tempdir().unwrap();
    let web = Web::builder().path(root.path()).create().unwrap();
    web.handlers.group("index");
    let snapshot = snapshot(&root);
    assert_eq!(snapshot.labels("_other*").count(), 0);
}

#[test]
fn a_label_that_is_there_already_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let stats = Clash::builder().path(root.path()).create().unwrap();
    stats.own.inc();
    let error = stats.first.try_group("index").err().unwrap();
    assert!(
        matches!(&error, Error::DuplicateLabel { label, .. } if label == "index.n"),
        "{error}"
    );
    stats.first.group("index").n.inc();
    stats.first.try_group("a").unwrap().n.inc();
    assert!(stats.second.try_group("a").is_err());
    stats.third.try_group("a").unwrap().n.add(5);
    // A refusal uses nothing up: the next name works.
    stats.second.try_group("b").unwrap().n.add(2);
    let snapshot = snapshot(&root);
    let get = |label: &str| {
        snapshot
            .get("Clash", label)
            .map(|value| value.as_u64().unwrap())
    };
    assert_eq!(get("index.n"), Some(1));
    assert_eq!(get("_other.n"), Some(1));
    assert_eq!(get("a.n"), Some(1));
    assert_eq!(get("apart.a.n"), Some(5));
    assert_eq!(get("b.n"), Some(2));
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
}

#[test]
fn bad_names_are_errors_and_count_under_other() {
    let root = tempfile::tempdir().unwrap();
    let web = Web::builder().path(root.path()).create().unwrap();
    for name in ["", "a..b", ".", "a\0b", "a\x1b[2J", &"x".repeat(5000)] {
        assert!(
            matches!(web.handlers.try_group(name), Err(Error::Name { .. })),
            "{name:?}"
        );
        web.handlers.group(name).response_bad.inc();
    }
    assert_eq!(
        snapshot(&root)
            .get("my-app", "_other.response_bad")
            .unwrap()
            .as_u64(),
        Some(6)
    );
}

#[test]
fn a_hundred_groups_with_a_timer_take_less_than_two_mebibytes() {
    use std::os::unix::fs::MetadataExt;
    let root = tempfile::tempdir().unwrap();
    let stats = Handler::groups(["first"])
        .path(root.path())
        .create()
        .unwrap();
    for i in 0..100 {
        let group = stats.group(&format!("handler-{i}"));
        // Two decades: 100 µs to 10 ms.
        for step in 0..=200 {
            let micros = 100.0 * 10f64.powf(f64::from(step) / 100.0);
            group
                .response_time
                .record(Duration::from_nanos((micros * 1000.0) as u64));
        }
    }
    let metadata = stats.path().unwrap().metadata().unwrap();
    assert!(
        metadata.blocks() * 512 <= 2 << 20,
        "{} bytes",
        metadata.blocks() * 512
    );
    assert!(metadata.len() <= 2 << 20, "{} bytes", metadata.len());
}

#[test]
fn references_stay_valid_while_hundreds_of_groups_are_added() {
    let stats = Inner::groups(["first"]).anonymous().create().unwrap();
    let first = stats.group("first");
    first.n.inc();
    for i in 0..2000 {
        stats.group(&format!("g{i}")).n.add(i);
        first.n.inc();
    }
    assert_eq!(first.n.get(), 2001);
    assert_eq!(stats.group("g1999").n.get(), 1999);
}

/// A group whose own groups find no space is taken back completely: its name, its levels, its bytes.
#[test]
fn a_group_that_fails_in_the_middle_leaves_nothing() {
    #[derive(MmStats)]
    struct Outer {
        level: mmstats::Gauge<u64>,
        inner: Groups<Wide>,
    }
    #[derive(MmStats)]
    struct Wide {
        #[allow(dead_code)]
        text: mmstats::Text<4096>,
    }
    let root = tempfile::tempdir().unwrap();
    let stats = Outer::groups(["first"])
        .path(root.path())
        .max_size(64 << 10)
        .create()
        .unwrap();
    let mut made = 1;
    let error = loop {
        match stats.try_group(&format!("g{made}")) {
            Ok(group) => group.level.set(7),
            Err(error) => break error,
        }
        made += 1;
    };
    assert!(matches!(error, Error::Full { .. }), "{error}");
    // Again, with the same cause: the first attempt has left no label behind.
    let error = stats.try_group(&format!("g{made}")).err().unwrap();
    assert!(matches!(error, Error::Full { .. }), "{error}");
    let snapshot = snapshot(&root);
    assert_eq!(snapshot.labels("g*.level").count(), made - 1);
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
}

#[test]
fn a_group_of_the_name_of_the_overflow_is_the_overflow() {
    let root = tempfile::tempdir().unwrap();
    let web = Web::builder()
        .path(root.path())
        .max_groups(0)
        .create()
        .unwrap();
    web.handlers.try_group("_other").unwrap().response_ok.inc();
    assert!(web.handlers.is_empty());
    web.handlers.group("beyond").response_ok.add(10);
    let second = Web::builder()
        .path(root.path())
        .max_groups(0)
        .create()
        .unwrap();
    second.handlers.group("beyond").response_ok.add(100);
    let other = second.handlers.try_group("_other").unwrap();
    other.response_ok.add(1000);
    let value = snapshot(&root).get("my-app", "_other.response_ok").cloned();
    assert_eq!(value.unwrap().as_u64(), Some(1111));
}

#[test]
fn names_that_are_refused_cost_good_ones_nothing() {
    let root = tempfile::tempdir().unwrap();
    let web = Web::builder().path(root.path()).create().unwrap();
    for i in 0..100 {
        web.handlers.group("a..b").response_ok.inc();
        web.handlers.group(&format!("good-{i}")).response_ok.inc();
    }
    assert_eq!(web.handlers.len(), 100);
    let snapshot = snapshot(&root);
    let get = |label| snapshot.get("my-app", label).unwrap().as_u64();
    assert_eq!(get("_other.response_ok"), Some(100));
    assert_eq!(get("good-99.response_ok"), Some(1));
}

/// A logger that counts its lines in groups by level.
struct Counting;

#[derive(MmStats)]
struct Logged {
    levels: Groups<Inner>,
}

impl log::Log for Counting {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        Logged::local(|s| s.levels.group(record.level().as_str()).n.inc());
    }
    fn flush(&self) {}
}

#[test]
fn a_logger_may_use_the_groups_that_are_reported_to_it() {
    const NAME: &str = "groups::a_logger_may_use_the_groups_that_are_reported_to_it";
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        child::run(&mut child::command(NAME, root.path()));
        return;
    }
    log::set_logger(&Counting).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    for i in 0..10_001 {
        Logged::local(|s| s.levels.group(&format!("g{i}")).n.inc());
    }
    let mut reader = mmstats::reader::Reader::from_env().unwrap();
    let snapshot = reader.snapshot().unwrap();
    // The last group, and the line that reported it.
    let other = snapshot.get("Logged", "_other.n").unwrap();
    assert_eq!(other.as_u64(), Some(2));
}
