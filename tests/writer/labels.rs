//! One rule for labels: what the derive accepts, `create` accepts.

use mmstats::{Groups, MmStats, Writer};

/// The rule of the derive, from its source.
#[path = "../../derive/src/label.rs"]
mod derive;

/// Returns all relevant texts of at most `most` characters, and long ones.
fn texts(most: usize) -> Vec<String> {
    let mut texts = vec![String::new()];
    let mut last = texts.clone();
    for _ in 0..most {
        last = (last.iter())
            .flat_map(|text| {
                ['a', '.', '/', ' ', '\n', '\u{85}', 'é'].map(|c| format!("{text}{c}"))
            })
            .collect();
        texts.extend_from_slice(&last);
    }
    for len in 1015..=1026 {
        texts.push("x".repeat(len));
        texts.push(format!("{}.", "x".repeat(len - 1)));
        texts.push("é".repeat(len / 2));
    }
    texts
}

#[test]
fn a_label_is_accepted_by_the_derive_and_by_create_alike() {
    for text in texts(4) {
        let writer = Writer::builder("labels").anonymous().create().unwrap();
        let created = writer.counter(&text).add().is_ok();
        assert_eq!(derive::problem(&text).is_none(), created, "{text:?}");
        let group = writer.group(&text).is_ok();
        assert_eq!(group, created, "{text:?} as a group");
        let window = std::time::Duration::from_secs(1);
        let windowed = writer.counter(&format!("w{text}")).window(window).add();
        let problem = derive::problem(&format!("w{text}{}", derive::WINDOW));
        let own = derive::problem(&format!("w{text}"));
        assert_eq!(
            (problem.or(own)).is_none(),
            windowed.is_ok(),
            "{text:?} with a window"
        );
    }
}

#[test]
fn a_prefix_is_accepted_by_the_derive_and_by_create_alike() {
    #[derive(MmStats)]
    struct Empty {}
    for text in texts(4) {
        // The prefix of a builder, with the rule for that of a field; an empty one is valid there, too.
        let created = Empty::builder().anonymous().label_prefix(&*text).create();
        let accepted = derive::prefix_problem(&text).is_none() || text.is_empty();
        assert_eq!(accepted, created.is_ok(), "{text:?}");
    }
}

#[test]
fn labels_of_a_group_are_accepted_by_the_derive_and_by_create_alike() {
    let mut texts = texts(3);
    let each = [
        '{', '}', ',', '=', '"', '\\', ':', '\t', '\u{a0}', '\u{2028}',
    ];
    texts.extend(each.map(|c| format!("a{c}b")));
    texts.extend([255, 256, 257].map(|len| "x".repeat(len)));
    let writer = Writer::builder("labels").anonymous().create().unwrap();
    let stats = Inner::groups([""; 0]).anonymous().create().unwrap();
    for text in texts {
        let key = derive::key_problem(&text).is_none();
        let value = derive::value_problem(&text).is_none();
        for (labels, accepted) in [([(&*text, "")], key), ([("key", &*text)], value)] {
            assert_eq!(writer.group_with(&labels).is_ok(), accepted, "{labels:?}");
            let group = stats.try_group_with(&labels);
            assert_eq!(group.is_ok(), accepted, "{labels:?}: {group:?}");
        }
    }
}

#[derive(Debug, MmStats)]
struct Inner {
    n: mmstats::Counter,
}

#[derive(MmStats)]
struct Long {
    #[mmstats(prefix = "a.b_")]
    groups: Groups<Inner>,
}

#[test]
fn texts_that_a_file_cannot_have_whole_are_errors() {
    let writer = Writer::builder("texts").anonymous().create().unwrap();
    let long = "x".repeat(4097);
    for error in [
        writer.counter("a").unit(&long).add().err(),
        writer.counter("a").help(&long).add().err(),
        writer.counter("a").unit("a\nb").add().err(),
    ] {
        assert!(
            matches!(error, Some(mmstats::Error::Name { .. })),
            "{error:?}"
        );
    }
    writer
        .counter("a")
        .unit(&long[1..])
        .help(&long[1..])
        .add()
        .unwrap();
    // A failed add has left nothing: the label is free, and so is the next one.
    writer.counter("b").add().unwrap();
    let root = tempfile::tempdir().unwrap();
    let stats = Long::builder()
        .path(root.path())
        .label_prefix("p".repeat(1024))
        .create()
        .unwrap();
    let name = "g".repeat(1024);
    stats.groups.try_group(&name).unwrap().n.inc();
    let label = format!("{}a.b_{name}.n", "p".repeat(1024));
    let snapshot = super::models::snapshot(&root);
    assert_eq!(snapshot.get("Long", &label).unwrap().as_u64(), Some(1));
}
