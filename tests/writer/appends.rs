//! Appending to a file: completely or not at all, whatever code of the user runs meanwhile.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use mmstats::{Constant, Counter, Error, Groups, History, MmStats, Percentile, Stats};

use super::child;
use super::models::snapshot;

/// What the next `value = …` of a [`Part`] does, once.
type Action = Box<dyn FnOnce(&Stats<Whole>)>;

thread_local! {
    static ACTION: RefCell<Option<Action>> = const { RefCell::new(None) };
    static WHOLE: RefCell<Option<&'static Stats<Whole>>> = const { RefCell::new(None) };
    static PANICS: Cell<bool> = const { Cell::new(false) };
}

fn limit() -> u32 {
    let action = ACTION.take();
    if let (Some(action), Some(whole)) = (action, WHOLE.with_borrow(|whole| *whole)) {
        action(whole);
    }
    assert!(!PANICS.replace(false), "no limit");
    7
}

#[derive(MmStats)]
struct Whole {
    sizes: Percentile,
    last: History,
    #[mmstats(label = "clash.n")]
    clash: Counter,
    parts: Groups<Part>,
    others: Groups<Plain>,
}

#[derive(MmStats)]
struct Part {
    n: Counter,
    nested: Nested,
}

#[derive(MmStats)]
struct Nested {
    #[mmstats(value = limit())]
    limit: Constant<u32>,
}

#[derive(MmStats)]
struct Plain {
    n: Counter,
}

/// Creates a whole file, which `limit` uses. It is leaked, because the test's process is short-lived.
fn whole(root: &tempfile::TempDir) -> &'static Stats<Whole> {
    let whole = Whole::builder().path(root.path()).keep(true).create();
    let whole: &'static Stats<Whole> = Box::leak(Box::new(whole.unwrap()));
    WHOLE.set(Some(whole));
    whole
}

fn count(root: &tempfile::TempDir, label: &str) -> Option<u64> {
    let snapshot = snapshot(root);
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
    let value = snapshot.get("Whole", label)?;
    Some(value.as_u64().unwrap())
}

#[test]
fn after_a_panic_in_the_value_of_a_nested_model_the_file_takes_everything() {
    let root = tempfile::tempdir().unwrap();
    let whole = whole(&root);
    PANICS.set(true);
    let caught = catch_unwind(AssertUnwindSafe(|| whole.parts.group("index").n.inc()));
    assert!(caught.is_err());
    for i in 0..100u64 {
        whole.sizes.record(i * i * 1000);
        whole.last.push(i as f64);
    }
    assert_eq!(whole.last.len(), 100);
    whole.parts.group("index").n.add(5);
    whole.parts.group("login").n.add(3);
    assert_eq!(whole.parts.len(), 2);
    assert_eq!(count(&root, "index.n"), Some(5));
    assert_eq!(count(&root, "login.n"), Some(3));
    assert_eq!(count(&root, "_other.n"), None);
}

#[test]
fn a_group_that_fails_within_a_value_takes_back_only_itself() {
    let root = tempfile::tempdir().unwrap();
    let whole = whole(&root);
    ACTION.set(Some(Box::new(|whole| {
        let error = whole.others.try_group("clash").err().unwrap();
        assert!(matches!(error, Error::DuplicateLabel { .. }), "{error}");
        whole.others.group("fine").n.inc();
    })));
    whole.parts.group("one").n.add(1000);
    whole.parts.group("two").n.add(30);
    let groups = ["one.n", "two.n", "fine.n"].map(|label| count(&root, label));
    assert_eq!(groups, [Some(1000), Some(30), Some(1)]);
    assert_eq!(whole.parts.group("one").n.get(), 1000);
}

#[test]
fn a_value_that_makes_its_own_group_gets_that_one() {
    let root = tempfile::tempdir().unwrap();
    let whole = whole(&root);
    ACTION.set(Some(Box::new(|whole| {
        whole.parts.try_group("one").unwrap().n.inc();
    })));
    whole.parts.try_group("one").unwrap().n.inc();
    assert_eq!(count(&root, "one.n"), Some(2));
    assert_eq!(whole.parts.len(), 1);
}

/// A group that uses its file when it is taken back.
#[derive(MmStats)]
struct Node {
    n: Counter,
    sub: Groups<Node>,
}

thread_local! {
    static ROOT: Cell<Option<&'static Stats<Node>>> = const { Cell::new(None) };
    static REFUSALS: Cell<u32> = const { Cell::new(0) };
}

impl Drop for Node {
    fn drop(&mut self) {
        self.n.inc();
        if let Some(root) = ROOT.get() {
            let error = root.sub.try_group("meanwhile").err().unwrap();
            assert!(matches!(error, Error::Busy { .. }), "{error}");
            root.sub.group("meanwhile").n.inc();
            REFUSALS.set(REFUSALS.get() + 1);
        }
    }
}

#[test]
fn names_too_long_for_a_file_count_under_other_and_are_taken_back_alone() {
    let root = tempfile::tempdir().unwrap();
    let nodes = Node::builder().path(root.path()).keep(true).create();
    let nodes: &'static Stats<Node> = Box::leak(Box::new(nodes.unwrap()));
    let mut at: &Node = nodes;
    for c in ["a", "b", "c", "d"] {
        at = at.sub.group(&c.repeat(1000));
    }
    ROOT.set(Some(nodes));
    let long = |i: u64| format!("{}{i}", "e".repeat(1000));
    let error = at.sub.try_group(&long(0)).err().unwrap();
    assert!(
        matches!(error, Error::Name { what: "prefix", .. }),
        "{error}"
    );
    // A reentrant call while it is taken back is refused.
    assert_eq!(REFUSALS.get(), 1);
    for i in 1..=3 {
        at.sub.group(&long(i)).sub.group("leaf").n.add(10 * i);
    }
    ROOT.set(None);
    nodes.sub.group("meanwhile").n.add(5);
    let snapshot = snapshot(&root);
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
    let value = |label: String| snapshot.get("Node", &label).unwrap().as_u64();
    let prefix = ["a", "b", "c", "d"].map(|c| c.repeat(1000)).join(".");
    assert_eq!(value(format!("{prefix}._other.leaf.n")), Some(60));
    assert_eq!(value("meanwhile.n".to_owned()), Some(5));
    let counted = (snapshot.labels("*")).filter_map(|label| value(label.to_string()));
    assert_eq!(counted.sum::<u64>(), 65);
}

#[derive(MmStats)]
struct First {
    n: Counter,
    #[mmstats(value = limit())]
    limit: Constant<u32>,
}

#[test]
fn after_a_panic_in_the_first_local_the_thread_counts() {
    const NAME: &str = "appends::after_a_panic_in_the_first_local_the_thread_counts";
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        child::run(&mut child::command(NAME, root.path()));
        return;
    }
    PANICS.set(true);
    assert!(catch_unwind(|| First::local(|s| s.n.inc())).is_err());
    for _ in 0..1000 {
        First::local(|s| s.n.inc());
    }
    assert_eq!(First::local(|s| s.n.get()), 1000);
}
