//! Files: where they appear, what they replace, and when they are removed.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use mmstats::{Counter, Error, MmStats};

use super::child;
use super::models::{Web, directory, names, snapshot};

#[test]
fn a_file_appears_under_the_models_name_and_goes_with_its_owner() {
    let root = tempfile::tempdir().unwrap();
    let web = Web::builder().path(root.path()).create().unwrap();
    let path = web.path().unwrap();
    assert_eq!(path.parent().unwrap(), directory(&root, "my-app"));
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(
        name.starts_with(&format!("mmstats-{}-", std::process::id())),
        "{name}"
    );
    let metadata = path.metadata().unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert_eq!(
        path.parent().unwrap().metadata().unwrap().mode() & 0o777,
        0o700
    );
    assert_eq!(names(root.path()), [".lock", "my-app"]);
    drop(web);
    assert!(!path.exists());
}

#[test]
fn a_taken_name_gets_a_suffix_and_nothing_is_replaced() {
    let root = tempfile::tempdir().unwrap();
    let first = Web::builder().path(root.path()).create().unwrap();
    let second = Web::builder().path(root.path()).create().unwrap();
    let third = Web::builder().path(root.path()).create().unwrap();
    let base = first.path().unwrap().display().to_string();
    assert_eq!(
        second.path().unwrap().display().to_string(),
        format!("{base}-1")
    );
    assert_eq!(
        third.path().unwrap().display().to_string(),
        format!("{base}-2")
    );
    drop(second);
    let fourth = Web::builder().path(root.path()).create().unwrap();
    assert_eq!(
        fourth.path().unwrap().display().to_string(),
        format!("{base}-1")
    );
}

#[test]
fn a_file_that_took_the_name_is_not_removed_by_the_old_owner() {
    let root = tempfile::tempdir().unwrap();
    let web = Web::builder().path(root.path()).create().unwrap();
    let path = web.path().unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "somebody else's").unwrap();
    web.requests.inc();
    drop(web);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody else's");
}

#[test]
fn a_kept_file_stays_with_its_counts() {
    let root = tempfile::tempdir().unwrap();
    let web = Web::builder()
        .path(root.path())
        .keep(true)
        .create()
        .unwrap();
    web.requests.add(3);
    drop(web);
    assert_eq!(names(&directory(&root, "my-app")).len(), 1);
    assert_eq!(
        snapshot(&root).get("my-app", "requests").unwrap().as_u64(),
        Some(3)
    );
}

#[test]
fn the_mode_is_that_of_the_file_and_opens_the_directories() {
    let root = tempfile::tempdir().unwrap();
    let inner = root.path().join("stats");
    let web = Web::builder().path(&inner).mode(0o640).create().unwrap();
    // The umask is the user's wish; the usual 022 removes nothing from 640.
    assert_eq!(
        web.path().unwrap().metadata().unwrap().mode() & 0o740,
        0o640
    );
    assert_eq!(inner.metadata().unwrap().mode() & 0o710, 0o710);
}

#[test]
fn twenty_counters_take_two_pages_at_most() {
    macro_rules! twenty {
        ($($name:ident)*) => {
            #[derive(MmStats)]
            #[mmstats(name = "twenty")]
            struct Twenty { $(/// A count of things that happened in this program.
                #[allow(dead_code)] $name: Counter,)* }
        };
    }
    twenty!(a b c d e f g h i j k l m n o p q r s t);
    let root = tempfile::tempdir().unwrap();
    // Whatever the stagger is.
    let files: Vec<_> = (0..20)
        .map(|_| Twenty::builder().path(root.path()).create().unwrap())
        .collect();
    for file in &files {
        let metadata = file.path().unwrap().metadata().unwrap();
        assert!(metadata.len() <= 8192, "{} bytes", metadata.len());
        assert!(
            metadata.blocks() * 512 <= 8192,
            "{} blocks",
            metadata.blocks()
        );
    }
}

#[test]
fn names_that_cannot_be_are_errors() {
    let root = tempfile::tempdir().unwrap();
    for name in ["", "/", "a/b", "..", "a\0b", &"x".repeat(300)] {
        let error = mmstats::Writer::builder(name)
            .path(root.path())
            .create()
            .err()
            .unwrap();
        assert!(matches!(error, Error::Name { .. }), "{name:?}: {error}");
    }
    let error = Web::builder()
        .path(root.path())
        .label_prefix("a..b")
        .create()
        .err()
        .unwrap();
    assert!(matches!(error, Error::Name { .. }), "{error}");
}

#[test]
fn what_cannot_be_a_root_is_an_error_with_its_path() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Web::builder().path(&file).create().err().unwrap();
    assert!(
        matches!(&error, Error::Io { path, .. } if path.starts_with(&file)),
        "{error}"
    );
    assert!(error.to_string().contains("file"), "{error}");
}

#[test]
fn two_fields_of_one_label_are_an_error_at_create() {
    #[derive(MmStats)]
    struct Inner {
        n: Counter,
    }
    #[derive(MmStats)]
    struct Outer {
        #[mmstats(label = "inner.n")]
        a: Counter,
        inner: Inner,
    }
    let root = tempfile::tempdir().unwrap();
    let error = Outer::builder().path(root.path()).create().err().unwrap();
    assert!(
        matches!(&error, Error::DuplicateLabel { label, .. } if label == "inner.n"),
        "{error}"
    );
    assert!(
        names(&directory(&root, "Outer")).is_empty(),
        "no half-made file"
    );
    // The same happens without a file.
    let error = Outer::builder().anonymous().create().err().unwrap();
    assert!(matches!(&error, Error::DuplicateLabel { label, .. } if label == "inner.n"));
}

#[test]
fn a_disabled_process_makes_no_file() {
    const NAME: &str = "files::a_disabled_process_makes_no_file";
    if child::is_child(NAME) {
        let web = Web::create().unwrap();
        assert_eq!(web.path(), None);
        web.requests.inc();
        web.handlers.group("index").response_ok.inc();
        Web::local(|s| s.requests.inc());
        assert_eq!(Web::local(|s| s.requests.get()), 1);
        return;
    }
    let root = tempfile::tempdir().unwrap();
    child::run(child::command(NAME, root.path()).env("MMSTATS_DISABLE", "1"));
    assert!(names(root.path()).is_empty());
}

#[test]
fn exit_removes_what_is_left_and_keeps_what_is_to_be_kept() {
    const NAME: &str = "files::exit_removes_what_is_left_and_keeps_what_is_to_be_kept";
    if child::is_child(NAME) {
        Web::local(|s| s.requests.add(2));
        // Leaked: it is never dropped.
        std::mem::forget(Web::create().unwrap());
        // A thread that never ends: the process exits while it runs.
        let (started, wait) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            Web::local(|s| s.requests.add(5));
            started.send(()).unwrap();
            loop {
                std::thread::park();
            }
        });
        wait.recv().unwrap();
        std::process::exit(0);
    }
    let root = tempfile::tempdir().unwrap();
    child::run(&mut child::command(NAME, root.path()));
    assert!(names(&directory(&root, "my-app")).is_empty());

    child::run(child::command(NAME, root.path()).env("MMSTATS_KEEP", "1"));
    assert_eq!(names(&directory(&root, "my-app")).len(), 3);
    let snapshot = snapshot(&root);
    assert_eq!(
        snapshot.get("my-app", "requests").unwrap().as_u64(),
        Some(7)
    );
    assert!(snapshot.errors().is_empty(), "{:?}", snapshot.errors());
}
