//! Errors: what is distinct, what is counted, and what happens when the table is full.

use std::error::Error;
use std::fmt;
use std::io;

use mmstats::{ErrorsValue, Groups, OrRecord};

use super::*;

#[derive(MmStats)]
#[mmstats(name = "failing")]
struct Failing {
    errors: Errors,
    by_tier: Groups<Tier>,
}

#[derive(MmStats)]
struct Tier {
    errors: Errors,
}

#[derive(Debug)]
struct Outer<T>(T);

impl<T: fmt::Debug> fmt::Display for Outer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "outer: {:?}", self.0)
    }
}

impl<T: Error + 'static> Error for Outer<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn errors<'a>(snapshot: &'a Snapshot, label: &str) -> &'a ErrorsValue {
    let value = snapshot.get("failing", label).expect(label);
    value.as_errors().expect("errors")
}

fn count(snapshot: &Snapshot, label: &str) -> Option<u64> {
    snapshot.get("failing", label)?.as_u64()
}

#[test]
fn an_error_is_told_by_type_message_and_site() {
    let root = tempfile::tempdir().unwrap();
    let failing = Failing::builder().path(root.path()).create().unwrap();
    let number = || "x".parse::<u8>().unwrap_err();
    for _ in 0..3 {
        failing.errors.record(&number());
        failing.errors.record(&Outer(number()));
        failing.errors.note("timeout", "host:abc");
    }
    failing.errors.record(&number());
    failing.errors.record(&"".parse::<u8>().unwrap_err());
    let snapshot = snapshot(root.path());
    let value = errors(&snapshot, "errors");
    assert_eq!((value.all(), value.overflow()), (11, 0));
    assert_eq!(failing.errors.count(), 11);
    let mut shown: Vec<_> = (value.distinct().iter())
        .map(|error| {
            let at = error
                .site()
                .rsplit('/')
                .next()
                .unwrap()
                .split(':')
                .next()
                .unwrap();
            (
                error.exposed_as(),
                error.message(),
                at.to_owned(),
                error.count(),
            )
        })
        .collect();
    shown.sort();
    let site = || "errors.rs".to_owned();
    let exc = |name: &str| format!("EXC:{name}");
    assert_eq!(
        shown,
        [
            (
                exc("Outer"),
                "outer: ParseIntError { kind: InvalidDigit }",
                site(),
                3
            ),
            (
                exc("ParseIntError"),
                "cannot parse integer from empty string",
                site(),
                1
            ),
            (
                exc("ParseIntError"),
                "invalid digit found in string",
                site(),
                1
            ),
            (
                exc("ParseIntError"),
                "invalid digit found in string",
                site(),
                3
            ),
            ("timeout".to_owned(), "", String::new(), 3),
        ]
    );
    let outer = value
        .distinct()
        .iter()
        .find(|error| error.name() == "Outer")
        .unwrap();
    assert!(outer.sources().eq(["invalid digit found in string"]));
    assert!(outer.first_ns() > 0 && outer.first_ns() <= outer.last_ns());
    for (label, wanted) in [
        ("errors__all", Some(11)),
        ("errors__EXC:ParseIntError", Some(5)),
        ("errors__EXC:Outer", Some(3)),
        ("errors__timeout", Some(3)),
        ("errors__EXC:Other", None),
    ] {
        assert_eq!(count(&snapshot, label), wanted, "{label}");
    }
    let of_model: Vec<_> = snapshot.errors_of("failing").collect();
    assert_eq!(of_model, [("errors", value)]);
    assert_eq!(snapshot.errors_of("nope").count(), 0);
}

#[test]
fn a_dyn_error_is_called_as_its_debug_text_begins() {
    #[derive(Debug)]
    struct Tuple2(#[allow(dead_code)] u8);
    impl fmt::Display for Tuple2 {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("two")
        }
    }
    impl Error for Tuple2 {}

    let root = tempfile::tempdir().unwrap();
    let failing = Failing::builder().path(root.path()).create().unwrap();
    let boxed: [Box<dyn Error>; 4] = [
        Box::new(Tuple2(7)),
        Box::new(fmt::Error),
        "a text".into(),
        Box::new(io::Error::from_raw_os_error(2)),
    ];
    for error in &boxed {
        failing.errors.record(&**error);
    }
    let shared: &(dyn Error + Send + Sync) = &Tuple2(8);
    failing.errors.record(shared);
    failing.errors.record(&&&Tuple2(9));
    failing.errors.record(&Box::new(Tuple2(9)));
    let snapshot = snapshot(root.path());
    let names = |name: &str| count(&snapshot, &format!("errors__EXC:{name}"));
    assert_eq!(
        names("Tuple2"),
        Some(3),
        "of two dyn Errors and a reference"
    );
    assert_eq!(names("dyn"), Some(2), "the text, and an ambiguous `Error`");
    assert_eq!(names("Os"), Some(1), "io::Error");
    assert_eq!(names("Box"), Some(1));
}

/// Like `anyhow`: its `Debug` text is the message.
struct Opaque(Option<io::Error>);

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("alice cannot be reached")
    }
}

impl Error for Opaque {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_ref().map(|error| error as _)
    }
}

#[test]
fn an_error_name_tells_crates_apart_and_has_no_word_of_a_message() {
    let root = tempfile::tempdir().unwrap();
    let failing = Failing::builder().path(root.path()).create().unwrap();
    failing.errors.record(&io::Error::from_raw_os_error(2));
    let cause = Some(io::Error::from_raw_os_error(2));
    let boxed: [Box<dyn Error>; 2] = [Box::new(Opaque(cause)), Box::new(Opaque(None))];
    for error in &boxed {
        failing.errors.record(&**error);
    }
    let snapshot = snapshot(root.path());
    let names = |name: &str| count(&snapshot, &format!("errors__EXC:{name}"));
    assert_eq!(names("io::Error"), Some(2), "its own, and as a known cause");
    assert_eq!(names("dyn"), Some(1), "no known cause");
    assert_eq!((names("Error"), names("alice")), (None, None));
}

#[test]
fn a_result_goes_on_after_its_error_was_recorded() {
    fn parse(failing: &Failing, text: &str) -> Result<u8, Box<dyn Error>> {
        Ok(text.parse::<u8>().or_record(&failing.errors)?)
    }
    let root = tempfile::tempdir().unwrap();
    let failing = Failing::builder().path(root.path()).create().unwrap();
    assert_eq!(parse(&failing, "7").unwrap(), 7);
    assert!(parse(&failing, "300").is_err());
    let snapshot = snapshot(root.path());
    let [error] = errors(&snapshot, "errors").distinct() else {
        panic!("one")
    };
    assert!(
        error.site().contains("tests/history/errors.rs"),
        "{}",
        error.site()
    );
}

#[test]
fn notes_keep_the_last_context_and_give_the_others_back() {
    let root = tempfile::tempdir().unwrap();
    let failing = Failing::builder()
        .path(root.path())
        .max_contexts(2)
        .create()
        .unwrap();
    for number in 0..100 {
        failing.errors.note("timeout", format!("host {number}"));
        failing.errors.note("timeout", format!("host {number}"));
    }
    let snapshot = snapshot(root.path());
    let [note] = errors(&snapshot, "errors").distinct() else {
        panic!("one")
    };
    let context = note.context().expect("there is room for two");
    assert_eq!((context.text(), note.count()), ("host 99".into(), 200));
    assert_eq!(snapshot.contexts([context.id()]).len(), 1);
}

#[test]
fn a_context_that_is_used_again_before_its_place_is_stays() {
    let root = tempfile::tempdir().unwrap();
    let failing = Failing::builder()
        .path(root.path())
        .max_contexts(2)
        .create()
        .unwrap();
    // "one" is free for a moment; both places are in use when "three" is recorded.
    for (name, context) in [("a", "one"), ("a", "two"), ("b", "one"), ("c", "three")] {
        failing.errors.note(name, context);
    }
    let snapshot = snapshot(root.path());
    let contexts: Vec<_> = (errors(&snapshot, "errors").distinct().iter())
        .map(|note| note.context().map(|context| context.text().into_owned()))
        .collect();
    assert_eq!(
        contexts,
        [Some("two".to_owned()), Some("one".to_owned()), None]
    );
}

#[test]
fn errors_of_several_files_add_up() {
    let root = tempfile::tempdir().unwrap();
    let files = [0, 1].map(|_| Failing::builder().path(root.path()).create().unwrap());
    for (number, file) in files.iter().enumerate() {
        for _ in 0..=number {
            file.errors.record(&fmt::Error);
        }
        file.errors.note(["one", "two"][number], "");
        file.by_tier.group("web").errors.note("grouped", "");
    }
    let snapshot = snapshot(root.path());
    assert_eq!(count(&snapshot, "errors__EXC:fmt::Error"), Some(3));
    assert_eq!(count(&snapshot, "errors__one"), Some(1));
    assert_eq!(count(&snapshot, "errors__two"), Some(1));
    assert_eq!(count(&snapshot, "web.errors__grouped"), Some(2));
    assert_eq!(errors(&snapshot, "errors").distinct().len(), 3);
}

#[test]
fn texts_of_errors_are_cut_and_are_the_original_ones() {
    let root = tempfile::tempdir().unwrap();
    let failing = Failing::builder().path(root.path()).create().unwrap();
    let name = format!("\x1b[31m{}", "é".repeat(1_000));
    failing.errors.note(&name, "\x1b");
    failing.errors.note("", "");
    let long: Box<dyn Error> = "ß".repeat(5_000).into();
    failing.errors.record(&*long);
    failing
        .errors
        .record(&Outer(io::Error::other("one\ntwo\x07")));
    let snapshot = snapshot(root.path());
    let value = errors(&snapshot, "errors");
    assert_eq!(value.distinct().len(), 4);
    assert_eq!(count(&snapshot, "errors__"), Some(1));
    for error in value.distinct() {
        let texts = [error.name(), error.message(), error.site()];
        for text in texts.into_iter().chain(error.sources()) {
            assert!(text.len() <= 1100, "{}", text.len());
        }
        if error.name() == "Outer" {
            assert!(error.sources().eq(["one two\x07"]));
        }
    }
}

#[test]
fn a_backtrace_is_kept_where_the_environment_asks_for_one() {
    const NAME: &str = "errors::a_backtrace_is_kept_where_the_environment_asks_for_one";
    if !child::is_child(NAME) {
        for asked in ["0", "1"] {
            let root = tempfile::tempdir().unwrap();
            let mut command = child::command(NAME, root.path());
            command
                .env("RUST_BACKTRACE", asked)
                .env_remove("RUST_LIB_BACKTRACE");
            child::run(&mut command);
        }
        return;
    }
    let failing = Failing::create().unwrap();
    for _ in 0..2 {
        failing.errors.record(&fmt::Error);
    }
    let snapshot = snapshot(Path::new(&std::env::var_os("MMSTATS_PATH").unwrap()));
    let [error] = errors(&snapshot, "errors").distinct() else {
        panic!("one")
    };
    let asked = std::env::var("RUST_BACKTRACE").unwrap() == "1";
    assert_eq!(error.context().is_some(), asked);
    if let Some(context) = error.context() {
        assert!(context.text().contains(" 0: "), "{}", context.text());
    }
}
